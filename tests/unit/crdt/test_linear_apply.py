"""What splits one long string in many places costs the number of places and the length, not their product."""

from collections.abc import Callable, Iterator
from time import process_time

import pytest
from pycrdt import Doc, Text

from coedit.crdt.document import YjsDocument
from coedit.crdt.items import YjsItems
from coedit.crdt.positions import TextPositions
from coedit.crdt.whole_characters import Step, WholeCharacters
from coedit.identifiers import document_id
from coedit.protocol.yjs import delete_set
from coedit.protocol.yjs.shadow import shadow
from coedit.protocol.yjs.update import decode_update
from tests.many_splits import deleting, formatting, inserting, typed

NAME = document_id("notes")
UNITS = 100_000
LONG_UNITS = 4 * UNITS
APART = 40
UPDATES: dict[str, Callable[[int], bytes]] = {
    "deletes from the end": lambda units: deleting((clock, 1) for clock in reversed(range(0, units, APART))),
    "inserts from the end": lambda units: inserting(reversed(range(0, units - 1, APART))),
    "formats from the end": lambda units: formatting(reversed(range(0, units - 1, APART))),
}
IN_ORDER: dict[str, Callable[[int], bytes]] = {
    "deletes": lambda units: deleting((clock, 1) for clock in range(0, units, APART)),
    "inserts": lambda units: inserting(range(0, units - 1, APART)),
    "formats": lambda units: formatting(range(0, units - 1, APART)),
}


def taken(units: int, update: bytes) -> tuple[YjsDocument, list[Step], float]:
    """Return a document of so many letters that took an update, what came of it, and the seconds it took."""
    document = YjsDocument(NAME, client_id=2**33)
    whole = WholeCharacters(document, 2**33 + 1)
    whole.take(typed("a" * units), decode_update(typed("a" * units)))
    decoded = decode_update(update)
    started = process_time()
    steps = whole.take(update, decoded)
    return document, steps, process_time() - started


def seconds_of_yjs(kind: str) -> float:
    """Return how long Yjs takes to apply the same as it came: the floor that is to be far away, in the same run."""
    peer: Doc[Text] = Doc()
    peer.get("content", type=Text)
    peer.apply_update(typed("a" * LONG_UNITS))
    update = UPDATES[kind](LONG_UNITS)
    started = process_time()
    peer.apply_update(update)
    return process_time() - started


@pytest.mark.parametrize("kind", UPDATES)
def test_to_take_an_update_costs_a_part_of_what_yjs_costs(kind: str) -> None:
    """About a tenth here, and less the longer the text is: the places count once, and not the text with each."""
    assert taken(LONG_UNITS, UPDATES[kind](LONG_UNITS))[2] < seconds_of_yjs(kind) / 3


@pytest.mark.parametrize("kind", UPDATES)
def test_to_follow_what_was_taken_costs_a_part_of_what_yjs_costs(kind: str) -> None:
    assert seconds_to_follow(LONG_UNITS, kind) < FOLLOWERS * seconds_of_yjs(kind) / 3


def seconds_to_follow(units: int, kind: str) -> float:
    """Return how long it takes all who follow, on a gateway and in a snapshotter."""
    _, steps, _ = taken(units, UPDATES[kind](units))
    seconds = 0.0
    for apply in followers(units):
        started = process_time()
        for step in steps:
            apply(step)
        seconds += process_time() - started
    return seconds


FOLLOWERS = 3


def followers(units: int) -> Iterator[Callable[[Step], None]]:
    text = typed("a" * units)
    items = YjsItems()
    items.apply(text)
    yield lambda step: items.apply(step.taken.update)
    folded = YjsDocument(NAME, text)
    yield lambda step: folded.follow(step.taken.update, step.taken.delta)
    positions = TextPositions("content")
    positions.apply(shadow(text))
    yield lambda step: positions.apply(shadow(step.taken.update))


@pytest.mark.parametrize("kind", UPDATES | IN_ORDER)
def test_what_is_taken_is_what_yjs_makes_of_the_update_as_it_came(kind: str) -> None:
    units = UNITS
    update = (UPDATES | IN_ORDER)[kind](units)
    peer: Doc[Text] = Doc()
    text = peer.get("content", type=Text)
    peer.apply_update(typed("a" * units))
    peer.apply_update(update)

    document, steps, _ = taken(units, update)

    assert len(steps) == 1
    follower = YjsItems()
    follower.apply(typed("a" * units))
    follower.apply(steps[0].taken.update)
    afresh: Doc[Text] = Doc()
    afresh_text = afresh.get("content", type=Text)
    afresh.apply_update(follower.since(b"\0"))
    assert str(text) == str(afresh_text) == "".join(part for part, _ in text.diff())
    assert text.diff() == afresh_text.diff()
    assert document.render() == document.content
    assert peer.get_state() == follower.state_vector()


@pytest.mark.parametrize("kind", UPDATES)
def test_an_update_that_comes_again_does_nothing(kind: str) -> None:
    update = UPDATES[kind](UNITS)
    document = YjsDocument(NAME, client_id=2**33)
    whole = WholeCharacters(document, 2**33 + 1)
    for data in (typed("a" * UNITS), update):
        assert whole.take(data, decode_update(data))
    before = document.content
    assert whole.take(update, decode_update(update)) == []
    assert document.content is before


IN_PARTS: dict[str, bytes] = {
    "deletes": UPDATES["deletes from the end"](4_000),
    "what was known, and deletes": typed("a" * 4_000)[:-1] + UPDATES["deletes from the end"](4_000)[1:],
    "items, and deletes of both": inserting(range(0, 3_999, 20))[:-1]
    + b"\2\7\1\3\5"
    + UPDATES["deletes from the end"](4_000)[2:],
}


@pytest.mark.parametrize("kind", IN_PARTS)
@pytest.mark.parametrize("units", [0, 50], ids=["all new", "some deleted before"])
def test_what_is_applied_in_parts_is_what_is_applied_at_once(
    kind: str, units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deleting((clock, 1) for clock in range(units)) if units else b"\0\0"
    at_once = taken_in(IN_PARTS[kind], before)
    monkeypatch.setattr(delete_set, "PART_RANGES", 7)
    assert len(delete_set.in_parts(IN_PARTS[kind], decode_update(IN_PARTS[kind]))) > 10
    in_parts = taken_in(IN_PARTS[kind], before)
    for (one, document), (other, same_document) in zip(at_once, in_parts, strict=True):
        assert other == one
        assert same_document == document


def taken_in(update: bytes, before: bytes) -> list[tuple[object, object]]:
    """Return what a document and one who follows it have, when the text and something before were taken."""
    server, follower = YjsDocument(NAME, client_id=2**33), YjsDocument(NAME)
    whole = WholeCharacters(server, 2**33 + 1)
    deltas = []
    for data in (typed("a" * 4_000), before, update):
        for step in whole.take(data, decode_update(data)):
            follower.follow(step.taken.update, step.taken.delta)
            deltas.append(step.taken.delta)
    assert follower.render() == server.render() == server.content == follower.content
    assert follower.state_vector() == server.state_vector()
    return [(delta, server.content) for delta in deltas]
