"""A document as it is sent to who opens it, encoded once for all of them."""

from dataclasses import replace
from typing import Any

import orjson

from coedit.identifiers import DocumentId
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.objects.rendered import pack
from services.gateway.documents.frames import SharedFrame

INLINE_BYTES = 64 * 1024
INLINE_PACKED_BYTES = 16 * 1024
PART_BYTES = 256 * 1024
_STALE_REVISIONS = 256


class Content:
    """The ops of a document at a revision; a large one is compressed and cut into parts, each a frame for everybody."""

    def __init__(self, document_id: DocumentId, loaded: LoadedDocument) -> None:
        # Without the commits that were read on the way: the feed keeps what is asked for, within bounds.
        self.loaded = replace(loaded, recent=(), entries=(), update=b"")
        rendered = loaded.rendered
        self.ops: list[dict[str, Any]] = []
        inline_bytes, packed = 0, b""
        if rendered.packed_bytes > INLINE_PACKED_BYTES:  # a snapshot's: it is sent as it is
            packed = rendered.packed
        else:
            self.ops = rendered.delta.to_json()
            inline_bytes = len(encoded := orjson.dumps(self.ops))
            if inline_bytes > INLINE_BYTES:
                packed, self.ops, inline_bytes = pack(encoded), [], 0
        pieces = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
        self.parts = [_part(document_id, index, piece) for index, piece in enumerate(pieces)]
        self._parts_bytes = len(packed)
        self.size_bytes = rendered.held_bytes + inline_bytes + 4 * len(packed)
        """About what it takes to keep: ops, or each part by itself and in the frames of both codecs."""

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
