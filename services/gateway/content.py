"""A document as it is sent to who opens it, encoded once for all of them."""

import zlib
from dataclasses import replace
from typing import Any

import orjson

from coedit.identifiers import DocumentId
from coedit.store.documents import LoadedDocument
from services.gateway.frames import SharedFrame

INLINE_BYTES = 64 * 1024
PART_BYTES = 256 * 1024
_STALE_REVISIONS = 256


class Content:
    """The ops of a document at a revision; a large one is compressed and cut into parts, each a frame for everybody."""

    def __init__(self, document_id: DocumentId, loaded: LoadedDocument) -> None:
        # Not with the commits that were read on the way: the feed keeps what is asked for, within bounds.
        self.loaded = replace(loaded, recent=())
        self.ops = loaded.document.to_json()
        self.parts: list[SharedFrame] = []
        encoded = orjson.dumps(self.ops)
        packed = b""
        if len(encoded) > INLINE_BYTES:
            packed = zlib.compress(encoded, 6)
            starts = range(0, len(packed), PART_BYTES)
            self.parts = [
                _part(document_id, index, packed[start : start + PART_BYTES])
                for index, start in enumerate(starts)
            ]
            self.ops = []
        self._parts_bytes = len(packed)
        self.size_bytes = 2 * len(encoded) + 4 * len(packed) + len(loaded.update)
        """About what it takes to keep: text, ops, and each part by itself and in the frames of both codecs."""

    @property
    def epoch(self) -> int:
        """That of the document."""
        return self.loaded.epoch

    @property
    def revision(self) -> int:
        """How far the document is rendered."""
        return self.loaded.revision

    @property
    def mac(self) -> str:
        """Of the revision."""
        return self.loaded.mac

    @property
    def may_lag(self) -> int:
        """How many revisions behind the head this is still worth giving out: rendering a large one costs more."""
        return _STALE_REVISIONS if self.parts else 0

    def answer(self) -> dict[str, Any]:
        """Return what `opened` says of it."""
        if self.parts:
            return {"mode": "parts", "parts": len(self.parts), "parts_bytes": self._parts_bytes}
        return {"mode": "content", "content": self.ops}


def _part(document_id: DocumentId, index: int, packed: bytes) -> SharedFrame:
    return SharedFrame({"type": "part", "document": document_id, "index": index, "bytes": packed})
