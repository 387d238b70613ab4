"""Quill's own form, ``{"ops": [...]}``: it carries everything."""

import orjson

from coedit.errors import InvalidDeltaError, InvalidFormatError
from coedit.ot.delta import Delta


def write_delta_json(document: Delta) -> bytes:
    """Return what Quill's ``getContents()`` is as JSON."""
    return orjson.dumps({"ops": document.to_json()})


def read_delta_json(body: bytes) -> Delta:
    """Return the document of ``{"ops": [...]}``, or of the list alone.

    Raises:
        InvalidFormatError: not JSON in UTF-8.
        InvalidDeltaError: not a delta, or one that keeps or deletes.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidFormatError(f"not JSON: {error}") from error
    if isinstance(value, dict) and value.keys() == {"ops"}:
        value = value["ops"]
    document = Delta.from_json(value, is_bounded=False)
    # A change such as one retain would be an empty document, and empty what it is imported into.
    if not all("insert" in op for op in value):
        raise InvalidDeltaError("not a document, which holds only inserts")
    return document
