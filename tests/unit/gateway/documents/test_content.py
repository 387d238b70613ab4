"""How a document is sent to who opens it."""

import random
import zlib

import msgpack
import orjson
import pytest

from coedit.identifiers import DocumentId, Revision
from coedit.ot import Delta
from coedit.protocol.codec import Codec
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.objects.rendered import Rendered
from services.gateway.documents.content import INLINE_BYTES, PART_BYTES, Content

LETTERS = random.Random(1)


def _text(size: int) -> str:
    return "".join(LETTERS.choices("abcdefghijklmnopqrstuvwxyz ", k=size))


def _content(rendered: Rendered) -> Content:
    return Content(DocumentId("notes"), LoadedDocument(1, Revision(7), "1/7", rendered))


def _joined(content: Content) -> bytes:
    """Return what the parts hold together, each a MessagePack frame of more than 64 kB or less."""
    told = []
    for frame in content.parts:
        frame_bytes = frame.of(Codec.MSGPACK)
        told.append(msgpack.unpackb(frame_bytes[{126: 4, 127: 10}.get(frame_bytes[1], 2) :]))
    assert [part["index"] for part in told] == list(range(len(told)))
    assert all(len(part["bytes"]) <= PART_BYTES for part in told)
    return b"".join(part["bytes"] for part in told)


def test_small_document_is_sent_in_the_answer() -> None:
    small = Delta().insert("Grüße")
    for rendered in Rendered(small), Rendered(packed=Rendered(small).packed):
        content = _content(rendered)
        assert (content.parts, content.answer()) == ([], {"mode": "content", "content": small.to_json()})


@pytest.mark.parametrize("size", [INLINE_BYTES, 2_000_000])
def test_large_document_is_sent_in_parts(size: int) -> None:
    large = Delta().insert(_text(size))
    content = _content(Rendered(large))
    packed = _joined(content)
    assert content.answer() == {"mode": "parts", "parts": len(content.parts), "parts_bytes": len(packed)}
    assert orjson.loads(zlib.decompress(packed)) == large.to_json()


def test_what_a_snapshot_has_packed_is_sent_as_it_is_and_not_even_unpacked() -> None:
    packed = Rendered(Delta().insert(_text(2_000_000))).packed
    rendered = Rendered(packed=packed)
    assert _joined(_content(rendered)) == packed
    assert rendered.held_bytes == len(packed)
