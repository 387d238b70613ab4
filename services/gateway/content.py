"""A document as it is sent to who opens it, encoded once for all of them."""

import zlib
from typing import Any

import orjson

from coedit.store.documents import LoadedDocument

INLINE_BYTES = 64 * 1024
PART_BYTES = 256 * 1024
_STALE_REVISIONS = 256


class Content:
    """The ops of a document at a revision; a large one is compressed and cut into parts."""

    def __init__(self, loaded: LoadedDocument) -> None:
        self.epoch = loaded.epoch
        self.revision = loaded.revision
        self.mac = loaded.mac
        self.ops = loaded.document.to_json()
        encoded = orjson.dumps(self.ops)
        self.parts: list[bytes] = []
        if len(encoded) > INLINE_BYTES:
            packed = zlib.compress(encoded, 6)
            self.parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
            self.ops = []

    @property
    def may_lag(self) -> int:
        """How many revisions behind the head this is still worth giving out: rendering a large one costs more."""
        return _STALE_REVISIONS if self.parts else 0

    def answer(self) -> dict[str, Any]:
        """Return what `opened` says of it."""
        if self.parts:
            return {"mode": "parts", "parts": len(self.parts), "parts_bytes": sum(map(len, self.parts))}
        return {"mode": "content", "content": self.ops}
