"""How what coedit asks and tells applications over HTTP is signed: as Standard Webhooks says.

Source: the specification of Standard Webhooks, ``v1`` (HMAC-SHA256 over id, time and body).
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64


def secrets_of(text: str) -> list[bytes]:
    """Return the keys of secrets (``whsec_…``) that are separated by spaces: several while one takes over.

    Raises:
        ValueError: one is not base64, too short to be safe, or too long; says so without its words.
    """
    return [_key(secret) for secret in text.split()]


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"a secret is {_PREFIX} and base64") from None
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"a secret has {_LEAST_BYTES} to {_MOST_BYTES} bytes")
    return key


def signed_headers(keys: Sequence[bytes], message_id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a message; ``now`` is the time of this attempt, in seconds since 1970."""
    signed = f"{message_id}.{now}.".encode() + body
    digests = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{digest}" for digest in digests),
    }
