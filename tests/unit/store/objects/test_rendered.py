"""A document in its two forms."""

import zlib

import orjson
import pytest

from coedit.errors import DamagedError
from coedit.ot import Delta
from coedit.store.objects.rendered import Rendered, pack

DOCUMENT = Delta().insert("Grüße 😀").insert("fett", {"bold": True}).insert({"image": {"w": 1.5}})
PACKED = pack(orjson.dumps(DOCUMENT.to_json()))


def test_each_form_is_made_of_the_other() -> None:
    assert Rendered(packed=PACKED).delta == DOCUMENT
    assert orjson.loads(zlib.decompress(Rendered(DOCUMENT).packed)) == DOCUMENT.to_json()
    assert Rendered(packed=PACKED) == Rendered(DOCUMENT) != Rendered(Delta())
    assert hash(Rendered(packed=PACKED)) == hash(Rendered(DOCUMENT))
    assert Rendered().delta == Delta()


def test_what_is_packed_is_passed_on_as_it_is_and_takes_no_more() -> None:
    rendered = Rendered(packed=PACKED)
    assert rendered.packed is PACKED
    assert rendered.held_bytes == rendered.packed_bytes == len(PACKED)
    assert rendered.delta is rendered.delta
    assert rendered.held_bytes > len(PACKED)


@pytest.mark.parametrize(
    "packed", [b"no", zlib.compress(b"["), zlib.compress(b"[1]"), zlib.compress(b'[{"delete":1}]')]
)
def test_what_is_no_document_is_damage(packed: bytes) -> None:
    with pytest.raises(DamagedError):
        _ = Rendered(packed=packed).delta
