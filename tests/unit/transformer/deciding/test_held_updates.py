"""What rests on items that are not there is held within bounds, of which one large update is no exception."""

from typing import Any

import pytest
from pycrdt import Doc, Text

from coedit.errors import OverloadedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId
from coedit.protocol.yjs.update import Update, decode_update
from coedit.protocol.yjs_submission import YjsSubmission
from services.transformer.deciding.early_updates import EarlyUpdates
from services.transformer.documents.yjs_side import MAX_HELD_BYTES, Held, YjsSide

_NOTES = DocumentId("notes")


def _early(size: int, sequence: int = 1) -> tuple[Held, Update]:
    """Return an update of about ``size`` bytes that rests on one that is not there."""
    doc: Doc[Any] = Doc(client_id=7)
    text = doc.get("content", type=Text)
    text.insert(0, "lost")
    before = doc.get_state()
    text.insert(4, "x" * size)
    return _held(doc.get_update(before), sequence)


def _held(data: bytes, sequence: int) -> tuple[Held, Update]:
    numbers = (ClientId("bob"), ClientSequence(sequence), AuthorId("bob"))
    return Held(YjsSubmission(*numbers, 1, "content", data), 0), decode_update(data)


def _side() -> YjsSide:
    doc: Doc[Any] = Doc(client_id=5)
    doc.get("content", type=Text).insert(0, "here")
    first, update = _held(doc.get_update(), 1)
    side = YjsSide.begin(_NOTES, first.submission, update, "a")
    assert side is not None
    side.apply(first.submission, update)
    return side


@pytest.mark.parametrize("sizes", [[MAX_HELD_BYTES + 1], [MAX_HELD_BYTES // 2, MAX_HELD_BYTES * 3 // 4]])
def test_what_would_be_more_than_the_bound_is_not_held(sizes: list[int]) -> None:
    side, early = _side(), EarlyUpdates()
    *fitting, last = (_early(size, number) for number, size in enumerate(sizes, 1))
    for held in fitting:
        side.hold(*held)
        early.keep(_NOTES, *held)
    with pytest.raises(OverloadedError):
        side.hold(*last)
    with pytest.raises(OverloadedError):
        early.keep(_NOTES, *last)
    assert early.of(_NOTES) == fitting


def test_what_is_held_is_released_once_it_may_be() -> None:
    side = _side()
    for sequence in (1, 2):
        side.hold(*_early(10, sequence))
    assert list(side.released()) == []
    doc: Doc[Any] = Doc(client_id=7)
    doc.get("content", type=Text).insert(0, "lost")
    came, update = _held(doc.get_update(), 3)
    side.apply(came.submission, update)
    assert [held.submission.client_sequence for held, _ in side.released()] == [1, 2]
