"""Who is where, for the Yjs clients of one gateway, as far as real systems do not show it."""

import asyncio
import time
from typing import Any

import orjson
import pytest
from pycrdt import Doc, Text

from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.commit import Caret
from coedit.presence.roster import Presence, YjsState, shared_fields
from coedit.protocol.events import PresenceChanged, YjsTaken
from coedit.protocol.yjs.awareness import OUTDATED_SECONDS, Entry, read_entries, write_entries
from coedit.protocol.yjs.ids import awareness_id
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs.sync import AwarenessMessage, SyncUpdate
from services.gateway.heavy.beside import LONG_BYTES
from tests.system import eventually
from tests.unit.gateway.yjs.fakes import FakeYjsOutlet, FakeYjsStore, document_of, seat_of

OTTO = Presence(ClientId("otto"), AuthorId("otto"), "Otto", "#ff0000", Revision(3), Caret(1, 3))


def entries(outlet: FakeYjsOutlet) -> list[Entry]:
    """All that a client was told of others, in order."""
    told: list[Entry] = []
    for message in outlet.messages:
        reader = Reader(message)
        if reader.uint() == 1:
            told += read_entries(reader.bytes())
    return told


def last(outlet: FakeYjsOutlet, client: int) -> Any:
    states = [orjson.loads(entry.state) for entry in entries(outlet) if entry.client == client]
    return states[-1] if states else None


def said(*said: Entry) -> AwarenessMessage:
    return AwarenessMessage(write_entries(said))


async def test_clocks_of_what_the_server_says_grow_by_the_one_clock_that_gateways_share(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    """By its own, an hour fast, a client that goes on to another gateway would see nobody move for an hour."""
    hour_behind = time.time() - 3600
    await seat_of(store.desk(lambda: hour_behind), outlet)
    store.roster = [OTTO]
    store.tell(PresenceChanged((shared_fields(OTTO),), ()))
    otto = awareness_id(OTTO.client_id)
    await eventually(lambda: last(outlet, otto) is not None, "otto is told")
    (clock, *_) = [entry.clock for entry in entries(outlet) if entry.client == otto]
    assert abs(clock / 10 + 1_735_689_600 - hour_behind) < 1


async def test_ot_client_is_shown_where_its_caret_is(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    """Its second end is at the end of the text."""
    await seat_of(store.desk(), outlet)
    store.roster = [OTTO]
    store.tell(PresenceChanged((shared_fields(OTTO),), ()))
    otto = awareness_id(OTTO.client_id)
    await eventually(lambda: last(outlet, otto) is not None, "otto is told")
    assert last(outlet, otto) == {
        "user": {"name": "Otto", "color": "#ff0000"},
        "cursor": {
            "anchor": {
                "type": None,
                "tname": "content",
                "item": {"client": 2**32 + 1, "clock": 1},
                "assoc": 0,
            },
            "head": {"type": None, "tname": "content", "item": None, "assoc": 0},
        },
    }
    store.tell(PresenceChanged((), (OTTO.client_id,)))
    await eventually(lambda: last(outlet, otto) is None, "otto is gone")


async def test_ot_client_is_renewed_before_it_is_dropped(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    """With clocks that only grow, for that is how receivers see that it is news."""
    store.roster = [OTTO]
    seat = await seat_of(store.desk(), outlet)
    otto = awareness_id(OTTO.client_id)
    await eventually(lambda: last(outlet, otto) is not None, "otto is told")
    for times in (1, 2, 3):
        seat.document.people.step(time.monotonic() + times * OUTDATED_SECONDS / 2 + 1)
        clocks = await _clocks(outlet, otto, times + 1)
        assert clocks == sorted(set(clocks))
    seat.document.people.step(time.monotonic() + 2 * OUTDATED_SECONDS)
    assert last(outlet, otto) is not None


async def _clocks(outlet: FakeYjsOutlet, client: int, count: int) -> list[int]:
    def clocks() -> list[int]:
        return [entry.clock for entry in entries(outlet) if entry.client == client]

    await eventually(lambda: len(clocks()) == count, f"{count} states")
    return clocks()


async def test_who_is_in_the_roster_no_more_is_gone(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    """As after a channel that was lost for a while."""
    remote = Presence(ClientId("far"), AuthorId("far"), "", "", Revision(3), yjs=YjsState(5, 4, '{"a":1}'))
    store.roster = [OTTO, remote]
    seat = await seat_of(store.desk(), outlet)
    await eventually(lambda: last(outlet, 5) == {"a": 1}, "the far client is told")
    await eventually(lambda: last(outlet, awareness_id(OTTO.client_id)) is not None, "otto is told")
    store.roster = []
    document_of(seat).refresh_roster()
    await eventually(lambda: last(outlet, 5) is None, "the far client is gone")
    await eventually(lambda: last(outlet, awareness_id(OTTO.client_id)) is None, "otto is gone")


async def test_who_comes_while_the_roster_is_read_is_not_taken_back(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    def come() -> None:
        store.before_roster = lambda: None
        store.roster = [OTTO]
        store.tell(PresenceChanged((shared_fields(OTTO),), ()))

    store.before_roster = come
    seat = await seat_of(store.desk(), outlet)
    otto = awareness_id(OTTO.client_id)
    await eventually(lambda: last(outlet, otto) is not None, "otto is told")
    await asyncio.gather(*seat.document.people._tasks)
    assert [entry.is_gone for entry in entries(outlet) if entry.client == otto] == [False]


async def test_client_that_is_silent_for_long_is_gone(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    desk = store.desk()
    seat = await seat_of(desk, FakeYjsOutlet())
    await seat_of(desk, outlet)
    await seat.hear(said(Entry(5, 1, '{"a":1}')))
    await eventually(lambda: last(outlet, 5) == {"a": 1}, "the state is told")
    seat.document.people.step(time.monotonic() + OUTDATED_SECONDS + 1)
    await eventually(lambda: last(outlet, 5) is None, "it is gone")


async def test_flood_of_states_is_told_now_and_then(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    desk = store.desk()
    seat = await seat_of(desk, FakeYjsOutlet())
    await seat_of(desk, outlet)
    for clock in range(1, 1_000):
        await seat.hear(said(Entry(5, clock, f"[{clock}]")))
    await eventually(lambda: last(outlet, 5) == [999], "the last of them is told")
    assert len(entries(outlet)) == 1


async def test_what_a_state_says_goes_to_everybody_else(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    state = '{"user":{"name":"Ann","color":"#00ff00"},"more":1}'
    await seat.hear(said(Entry(5, 1, state)))
    assert store.said == [
        Presence(seat.client_id, AuthorId("ann"), "Ann", "#00ff00", Revision(3), None, YjsState(5, 1, state))
    ]
    await seat.hear(said(Entry(5, 2, "null")))
    await eventually(lambda: store.gone == [seat.client_id], "that it is gone goes too")


async def test_caret_beside_what_is_not_committed_stays_where_it_was(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(said(Entry(5, 1, _at(2**32 + 1, 1))))
    await eventually(lambda: store.said[-1].caret == Caret(1, 1), "the caret is told")
    await seat.hear(said(Entry(5, 2, _at(2**32 + 1, 3))))
    assert (store.said[-1].caret, store.said[-1].yjs) == (Caret(1, 1), YjsState(5, 2, _at(2**32 + 1, 3)))
    store.commit()
    assert (store.said[-1].revision, store.said[-1].caret) == (4, Caret(3, 3))


@pytest.mark.parametrize("does_something", [True, False])
async def test_caret_that_was_stated_after_typing_is_told_after_what_was_typed(
    store: FakeYjsStore, outlet: FakeYjsOutlet, does_something: bool
) -> None:
    """Told before, it would be carried over its owner's own insert, and stay behind where that pushed it on."""
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(said(Entry(5, 1, _at(2**32 + 1, 0))))
    await eventually(lambda: store.said[-1].caret == Caret(0, 0), "the caret is told")
    typed: Doc[Any] = Doc(client_id=5)
    typed.get("content", type=Text).insert(0, "y")
    await seat.hear(SyncUpdate(typed.get_update()))
    await seat.hear(said(Entry(5, 2, _at(2**32 + 1, 1))))
    assert store.said[-1].caret == Caret(0, 0)
    if does_something:
        store.commit_of(seat.client_id, 1)
        assert (store.said[-1].revision, store.said[-1].caret) == (4, Caret(2, 2))
    else:
        store.tell(YjsTaken(seat.client_id, ClientSequence(1)))
        assert (store.said[-1].revision, store.said[-1].caret) == (3, Caret(1, 1))


async def test_caret_that_was_stated_after_a_long_paste_is_told_after_it(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    """What carets are carried over with does not go along with so much, and is made anew."""
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(said(Entry(5, 1, _at(2**32 + 1, 0))))
    await eventually(lambda: store.said[-1].caret == Caret(0, 0), "the caret is told")
    pasted = "y" * 2 * LONG_BYTES
    typed: Doc[Any] = Doc(client_id=5)
    typed.get("content", type=Text).insert(0, pasted)
    await seat.hear(SyncUpdate(typed.get_update()))
    await seat.hear(said(Entry(5, 2, _at(2**32 + 1, 1))))
    store.commit_of(seat.client_id, 1, pasted)
    there = Caret(len(pasted) + 1, len(pasted) + 1)
    await eventually(lambda: store.said[-1].caret == there, "its place behind the paste is told")
    assert store.said[-1].revision == 4
    count = len(store.said)
    store.commit(3)
    assert len(store.said) == count


async def test_caret_beside_nothing_is_none(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    """And it is not looked for with every commit that comes."""
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(said(Entry(5, 1, _at(99, 0))))
    count = len(store.said)
    store.commit(3)
    assert store.said[-1].caret is None
    await seat.hear(SyncUpdate(b"\0\0"))
    assert len(store.said) <= count + 1


def _at(client: int, clock: int) -> str:
    end = {"type": None, "tname": "content", "item": {"client": client, "clock": clock}, "assoc": 0}
    return orjson.dumps({"cursor": {"anchor": end, "head": end}}).decode()
