"""Places in a text by their items; `tests/unit/protocol/yjs/test_shadow.py` has the values of npm yjs."""

from typing import Any

import pytest
from pycrdt import Doc, Text

from coedit.crdt.items import YjsItems
from coedit.crdt.positions import Beside, TextPositions
from coedit.errors import DamagedError
from coedit.protocol.yjs.shadow import shadow


@pytest.fixture
def doc() -> Doc[Any]:
    doc: Doc[Any] = Doc(client_id=7)
    doc.get("content", type=Text).insert(0, "a😀b")
    return doc


def positions_of(doc: Doc[Any]) -> TextPositions:
    positions = TextPositions("content")
    positions.apply(shadow(doc.get_update()))
    return positions


def test_units_are_counted(doc: Doc[Any]) -> None:
    positions = positions_of(doc)
    assert positions.length == 4
    assert positions.item_at(3) == Beside(7, 3)
    assert positions.offset_of(Beside(7, 3)) == 3
    assert positions.offset_of(Beside(7, 3, is_behind=True)) == 4
    assert positions.state_vector() == doc.get_state()


def test_end_of_the_text_has_no_item(doc: Doc[Any]) -> None:
    assert positions_of(doc).item_at(4) is None
    assert positions_of(doc).item_at(99) is None
    assert TextPositions("content").item_at(0) is None


def test_place_beside_a_deleted_item_is_where_it_was(doc: Doc[Any]) -> None:
    text = doc.get("content", type=Text)
    del text[1:5]
    positions = positions_of(doc)
    for clock in (1, 2):
        assert positions.offset_of(Beside(7, clock)) in (1, None)
    assert positions.offset_of(Beside(7, 3)) == 1


def test_place_that_is_not_here_cannot_be_told(doc: Doc[Any]) -> None:
    assert positions_of(doc).offset_of(Beside(7, 4)) is None
    assert positions_of(doc).offset_of(Beside(8, 0)) is None


def test_items_are_handed_on(doc: Doc[Any]) -> None:
    items = YjsItems()
    items.apply(doc.get_update())
    other: Doc[Any] = Doc()
    other.apply_update(items.since(b"\0"))
    assert str(other.get("content", type=Text)) == "a😀b"
    assert items.state_vector() == doc.get_state()


def test_what_is_no_update_is_damage() -> None:
    with pytest.raises(DamagedError):
        YjsItems().apply(b"\x01")
