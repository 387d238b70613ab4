"""The keys of those who may say who somebody is: an application's identity provider, or its own server.

A key signs by one algorithm, which follows from the key and never from a token: who could choose it could sign with
what everybody knows.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from coedit.errors import UnauthorizedError, UnknownTokenKeyError
from coedit.protocol.tokens import Identity, head_of, read_jwt

LEEWAY_SECONDS = 30.0
"""How far the clock of who made a token may be from ours."""
_LEAST_SECRET_BYTES = 32
_LEAST_RSA_BITS = 2048
_MOST_KEYS = 100


class InvalidTokenKeyError(ValueError):
    """What should be keys is none; says why, without its words."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key, and the one algorithm by which it signs."""

    key: Any
    algorithm: str
    key_id: str = ""
    """Empty: the key has none, and is tried for tokens that name none or another."""

    def may_have_signed(self, algorithm: str, key_id: str) -> bool:
        """Return whether a token may be signed by it whose head says this."""
        return self.algorithm == algorithm and (not self.key_id or not key_id or self.key_id == key_id)


def shared_secret(secret: str) -> TokenKey:
    """Return the key that a secret is, as it stands (HS256).

    Raises:
        InvalidTokenKeyError: it is too short to be safe.
    """
    if len(secret.encode()) < _LEAST_SECRET_BYTES:
        raise InvalidTokenKeyError(f"a shared secret has at least {_LEAST_SECRET_BYTES} bytes")
    return TokenKey(secret.encode(), "HS256")


def keys_in(text: str) -> list[TokenKey]:
    """Return the public keys of a JWKS, or of a PEM file (keys and certificates, one after the other).

    Raises:
        InvalidTokenKeyError: it is neither, or holds no key that may be used.
    """
    keys = _pem_keys(text) if text.lstrip().startswith("-----BEGIN") else _jwks_keys(text)
    if not keys:
        raise InvalidTokenKeyError("there is no public key for RS256, ES256 or EdDSA")
    return keys


def read_token(
    token: str,
    keys: Iterable[TokenKey],
    issuers: Sequence[str],
    audience: str,
    now: float,
) -> Identity:
    """Return whom a JWT names that one of ``keys`` signed; no issuers, or no audience: the token has to name none.

    ``now`` is as for `coedit.protocol.tokens.read_jwt`.

    Raises:
        UnknownTokenKeyError: it names a key that is none of them: its issuer may have a new one.
        UnauthorizedError: it is not valid.
    """
    algorithm, key_id = head_of(token)
    is_named = False
    for key in keys:
        if key.may_have_signed(algorithm, key_id):
            is_named = is_named or bool(key_id and key.key_id == key_id)
            with suppress(UnknownTokenKeyError):
                return _read(token, key, issuers, audience, now)
    if is_named or not key_id:
        raise UnauthorizedError("the token is not valid: the signature is none of a known key")
    raise UnknownTokenKeyError("the token is not valid: it names a key that is not known")


def _read(token: str, key: TokenKey, issuers: Sequence[str], audience: str, now: float) -> Identity:
    return read_jwt(
        token,
        key.key,
        key.algorithm,
        now,
        {"enforce_minimum_key_length": True},
        leeway=LEEWAY_SECONDS,
        issuer=tuple(issuers) or None,
        audience=audience or None,
    )


def _jwks_keys(text: str) -> list[TokenKey]:
    try:
        listed = json.loads(text)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidTokenKeyError("it is neither PEM nor a JWKS") from None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise InvalidTokenKeyError(f"a JWKS holds a list of at most {_MOST_KEYS} keys")
    return [key for item in listed if (key := _jwk(item)) is not None]


def _jwk(item: Any) -> TokenKey | None:
    """Return the key; None: it is not for what we use keys for, or its secret half would be told to everybody."""
    kind = item.get("kty") if isinstance(item, dict) else None
    if not isinstance(kind, str) or kind not in _KEY_TYPES or item.get("use", "sig") != "sig":
        return None
    algorithm = _KEY_TYPES[kind]
    key_id = item.get("kid", "")
    if item.get("alg", algorithm) not in (algorithm, "Ed25519") or not isinstance(key_id, str):
        return None
    try:
        public = {name: value for name, value in item.items() if name not in _PRIVATE}
        return _checked(jwt.PyJWK.from_dict(public, algorithm).key, key_id)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
        return None


_KEY_TYPES = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}


def _pem_keys(text: str) -> list[TokenKey]:
    keys: list[TokenKey] = []
    for block in _blocks(text):
        try:
            if b"CERTIFICATE" in block.partition(b"\n")[0]:
                public: Any = load_pem_x509_certificate(block).public_key()
            else:
                public = load_pem_public_key(block)
        except (UnsupportedAlgorithm, ValueError, TypeError):
            raise InvalidTokenKeyError("a PEM file holds public keys or certificates") from None
        if (key := _checked(public, "")) is None:
            raise InvalidTokenKeyError(
                f"a PEM file holds RSA keys of {_LEAST_RSA_BITS} bits or more, P-256 or Ed25519"
            )
        keys.append(key)
    return keys


def _blocks(text: str) -> list[bytes]:
    found = text.strip().split("-----BEGIN ")[1:]
    return [f"-----BEGIN {block}".encode() for block in found]


def _checked(key: Any, key_id: str) -> TokenKey | None:
    """Return the public key with the algorithm that is its own; None: it has none that we take."""
    match key:
        case RSAPublicKey() if key.key_size >= _LEAST_RSA_BITS:
            return TokenKey(key, "RS256", key_id)
        case EllipticCurvePublicKey() if key.curve.name == "secp256r1":
            return TokenKey(key, "ES256", key_id)
        case Ed25519PublicKey():
            return TokenKey(key, "EdDSA", key_id)
    return None
