"""What a program says of its edit: it rides in the commit, and is shown by the history and by blame.

The fields of a commit that its mac covers have no place for it, and may get none: whoever does not know a field
computes another mac. So it lies beside them in the log's entry, as a Yjs update does, and what is under the mac names
it: the id of the client that made the edit, a gateway's own for this one edit, ends in its digest. Whoever does not
know of metadata follows the chain as before; whoever does finds that some was altered, or exchanged.
"""

import base64
import re
from hashlib import blake2b
from typing import Any

import orjson

from coedit.errors import InvalidDeltaError, InvalidRequestError
from coedit.identifiers import ClientId
from coedit.ot.commit import Metadata

MAX_NAMES = 16
MAX_TEXT = 256
"""Characters of a text."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_NAMED = re.compile(r"[A-Za-z0-9_-]{20}-about-([A-Za-z0-9_-]{24})")
_DIGEST_BYTES = 18


def read_metadata(value: Any) -> Metadata:
    """Return what a request says: a map of at most 16 names to texts of at most 256 characters.

    Raises:
        InvalidRequestError: it is none.
    """
    if not isinstance(value, dict) or len(value) > MAX_NAMES:
        raise InvalidRequestError(f"metadata is a map of at most {MAX_NAMES} names")
    for name, text in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidRequestError("a name in metadata is a letter, and at most 63 letters, digits, _ . -")
        if not isinstance(text, str) or len(text) > MAX_TEXT or not _is_unicode(text):
            raise InvalidRequestError(f"metadata: {name} is not a text of at most {MAX_TEXT} characters")
    return tuple(sorted(value.items()))


def naming(client_id: ClientId, metadata: Metadata) -> ClientId:
    """Return the id, of 20 characters, as that of a client whose one edit has this metadata; without, as it is."""
    return ClientId(f"{client_id}-about-{_digest(metadata)}") if metadata else client_id


def named_metadata(client_id: str, fields: Any) -> Metadata:
    """Return the metadata of an edit of this client, as it lies beside the edit: a map; None: there is none.

    Raises:
        InvalidDeltaError: it is not what the client's id names.
    """
    if fields is None:
        return ()
    try:
        metadata = read_metadata(fields)
    except InvalidRequestError as error:
        raise InvalidDeltaError(f"not metadata: {error}") from error
    found = _NAMED.fullmatch(client_id)
    if found is None or found[1] != _digest(metadata):
        raise InvalidDeltaError("the metadata is not what its client's id names")
    return metadata


def _digest(metadata: Metadata) -> str:
    digest = blake2b(orjson.dumps(metadata), digest_size=_DIGEST_BYTES, person=b"coedit-metadata").digest()
    return base64.urlsafe_b64encode(digest).decode()


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
