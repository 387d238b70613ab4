"""Positions in a document of shadows are those that npm yjs 13.6 gives for the document itself."""

import json
from typing import Any

import pytest
from pycrdt import Assoc, Doc, StickyIndex, Text

from coedit.protocol.yjs.shadow import shadow
from coedit.protocol.yjs.update import decode_update
from tests.unit.protocol.yjs.test_update import TEXT

POSITIONS = [
    # index in '😀日👍本b{image}漢c', item for what is right of it, item for what is left of it
    (0, (7, 1), None),
    (1, (7, 2), (7, 1)),
    (2, (9, 0), (7, 2)),
    (3, (9, 1), (9, 0)),
    (4, (9, 2), (9, 1)),
    (5, (9, 3), (9, 2)),
    (6, (7, 3), (9, 3)),
    (7, (7, 8), (7, 3)),
    (8, (7, 4), (7, 8)),
    (9, (7, 5), (7, 4)),
    (10, None, (7, 5)),
]


@pytest.fixture
def text() -> Text:
    doc: Doc[Any] = Doc()
    doc.apply_update(shadow(TEXT))
    text: Text = doc.get("content", type=Text)
    return text


@pytest.mark.parametrize(("index", "right", "left"), POSITIONS)
def test_item_at_a_position_is_the_one_of_yjs(
    text: Text, index: int, right: tuple[int, int] | None, left: tuple[int, int] | None
) -> None:
    for assoc, item in ((Assoc.AFTER, right), (Assoc.BEFORE, left)):
        if item is None:  # an end of the text is said by its name in Yjs
            continue
        made = text.sticky_index(index, assoc).to_json()
        assert (made["item"]["client"], made["item"]["clock"]) == item
        position = {"item": {"client": item[0], "clock": item[1]}, "assoc": assoc.value}
        assert StickyIndex.from_json(json.loads(json.dumps(position)), text).get_index() == index


def test_shadow_says_the_same_but_for_the_text() -> None:
    real, made = decode_update(TEXT), decode_update(shadow(TEXT))
    assert [span.units for span in made.strings] == [span.units for span in real.strings]
    for name in ("blocks", "dependencies", "deleted", "roots", "kinds", "embeds", "marks", "placed"):
        assert getattr(made, name) == getattr(real, name)


def test_shadow_of_ascii_has_its_size() -> None:
    update = bytes.fromhex("01010500040101740268690" + "0")
    assert shadow(update) == update.replace(b"hi", b"xx")
