"""A document for Yjs clients: it goes along with its feed, or sends its clients away."""

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pycrdt import Doc, Text

from coedit.crdt.items import YjsItems
from coedit.errors import LostItemsError, QuarantinedError, UnavailableError, WrongRootError
from coedit.identifiers import ClientSequence
from coedit.protocol.events import DamageFound, HeadAt, Rejected, Repeated, YjsHeld, YjsTaken
from coedit.protocol.server_session import CloseCode
from coedit.protocol.yjs import gate
from coedit.protocol.yjs.deleted import Deleted
from coedit.protocol.yjs.sync import SyncStep1, SyncStep2, SyncUpdate, read_messages
from coedit.protocol.yjs.update import Block, Update, decode_update, encode_state_vector
from services.gateway.heavy.beside import LONG_BYTES
from services.gateway.yjs import document as yjs_document
from services.gateway.yjs import seat as yjs_seat
from services.gateway.yjs.unanswered import ANSWER_SECONDS
from tests.system import eventually
from tests.unit.gateway.yjs.fakes import FakeYjsOutlet, FakeYjsStore, document_of, seat_of


def _update(text: str = "new", client: int = 7) -> bytes:
    doc: Doc[Any] = Doc(client_id=client)
    doc.get("content", type=Text).insert(0, text)
    return doc.get_update()


async def test_step_1_is_answered_with_what_is_lacking(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    assert outlet.text == "xxx"


async def test_commits_are_told_in_the_order_they_come(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    store.commit(2)
    assert outlet.text == "xxxxx"


async def test_what_is_committed_while_the_document_is_read_is_not_missed(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    async def commit() -> None:
        store.after_load = _nothing
        store.commit(2)

    store.after_load = commit
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    assert outlet.text == "xxxxx"


async def _nothing() -> None:
    pass


async def test_gap_is_filled_from_the_log(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    on_message, store.on_message = store.on_message, lambda _: None
    store.commit(2)
    store.on_message = on_message
    store.commit()
    await eventually(lambda: outlet.text == "xxxxxx", "the gap is filled")
    assert outlet.ended == []


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Make whoever applies something long wait: has begun, may end."""
    begun, may_end = threading.Event(), threading.Event()

    def slow(updates: Iterable[bytes]) -> YjsItems:
        assert threading.current_thread() is not threading.main_thread()
        begun.set()
        assert may_end.wait(30)
        return YjsItems.of(updates)

    class Slow(YjsItems):
        of = staticmethod(slow)

    monkeypatch.setattr(yjs_document, "YjsItems", Slow)
    yield begun, may_end
    may_end.set()


_PARTS, _PART = 3000, "y" * 30
_MUCH = _PART * _PARTS


def _commit_much(store: FakeYjsStore) -> None:
    """Commit many parts in one update."""
    text: Text = store.author.get("content", type=Text)
    with store.author.transaction():
        for _ in range(_PARTS):
            text.insert(0, _PART)
    super(FakeYjsStore, store).commit()


def _paste(store: FakeYjsStore, pasted: str) -> None:
    store.author.get("content", type=Text).insert(0, pasted)
    super(FakeYjsStore, store).commit()


async def test_long_paste_is_told_at_once_without_a_copy_of_the_document(
    store: FakeYjsStore, outlet: FakeYjsOutlet, request: pytest.FixtureRequest
) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    begun, _ = request.getfixturevalue("at_work")
    _paste(store, "y" * 2 * LONG_BYTES)
    assert outlet.text == "y" * 2 * LONG_BYTES + "xxx"
    assert not begun.is_set()


async def test_paste_of_a_mib_is_applied_beside_the_loop(
    store: FakeYjsStore, outlet: FakeYjsOutlet, request: pytest.FixtureRequest
) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    begun, may_end = request.getfixturevalue("at_work")
    _paste(store, "y" * 2**20)
    await eventually(begun.is_set, "it is being applied")
    assert outlet.text == "xxx"
    may_end.set()
    await eventually(lambda: outlet.text == "y" * 2**20 + "xxx", "it is told")


async def test_what_comes_while_a_long_update_is_applied_takes_one_copy_of_the_document(
    store: FakeYjsStore, outlet: FakeYjsOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(b"\0"))
    copies: list[int] = []
    may_end = threading.Event()

    def slow(updates: Iterable[bytes]) -> YjsItems:
        updates = list(updates)
        copies.append(len(updates) - 1)
        assert may_end.wait(30)
        return YjsItems.of(updates)

    class Slow(YjsItems):
        of = staticmethod(slow)

    monkeypatch.setattr(yjs_document, "YjsItems", Slow)
    _commit_much(store)
    await eventually(lambda: copies == [1], "the first is being applied")
    for _ in range(3):
        _commit_much(store)
    store.commit()
    may_end.set()
    await eventually(lambda: outlet.text == _MUCH * 4 + "xxxx", "all are told")
    assert copies == [1, 4]
    assert document_of(seat).revision == 8
    store.commit()
    assert outlet.text == _MUCH * 4 + "xxxxx"


async def test_long_update_is_applied_beside_the_loop_and_what_comes_meanwhile_after_it(
    store: FakeYjsStore, outlet: FakeYjsOutlet, request: pytest.FixtureRequest
) -> None:
    desk = store.desk()
    seat = await seat_of(desk, outlet)
    await seat.hear(SyncStep1(b"\0"))
    begun, may_end = request.getfixturevalue("at_work")
    _commit_much(store)
    await eventually(begun.is_set, "the long one is being applied")
    store.commit(2)
    second = FakeYjsOutlet()
    opening = asyncio.create_task(seat_of(desk, second))
    assert outlet.text == "xxx"
    assert (await seat.document.deleted_of({})) is None  # whoever asks is told of what was
    assert document_of(seat).revision == 3
    may_end.set()
    expected = _MUCH + "xxxxx"
    await eventually(lambda: outlet.text == expected, "both are told")
    await (await opening).hear(SyncStep1(b"\0"))
    assert second.text == expected
    store.commit()
    assert (outlet.text, second.text) == (expected + "x", expected + "x")
    assert outlet.ended == second.ended == []


async def test_long_update_that_comes_between_another_and_who_opens_the_document_is_told(
    store: FakeYjsStore, outlet: FakeYjsOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens it then would load it, past what the others are still to be told."""
    desk = store.desk()
    seat = await seat_of(desk, outlet)
    await seat.hear(SyncStep1(b"\0"))
    begun, may_end = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    catching_up = iter(zip(begun, may_end, strict=True))

    def slow(updates: Iterable[bytes]) -> YjsItems:
        updates = list(updates)
        if updates[0] != store.updates[0]:  # it is not all of the log, which is loaded
            has_begun, ends = next(catching_up)
            has_begun.set()
            assert ends.wait(30)
        return YjsItems.of(updates)

    class Slow(YjsItems):
        of = staticmethod(slow)

    monkeypatch.setattr(yjs_document, "YjsItems", Slow)
    _commit_much(store)
    await eventually(begun[0].is_set, "the first is being applied")
    first = document_of(seat)._catching_up
    assert first is not None
    first.add_done_callback(lambda _: _commit_much(store))  # and so before who waits for it has a turn
    second = FakeYjsOutlet()
    opening = asyncio.create_task(seat_of(desk, second))
    await asyncio.sleep(0)
    may_end[0].set()
    await eventually(begun[1].is_set, "the second is being applied")
    await asyncio.wait({opening}, timeout=0.5)  # for what may not happen
    may_end[1].set()
    await (await asyncio.wait_for(opening, 30)).hear(SyncStep1(b"\0"))
    await eventually(lambda: outlet.text == second.text, "who was here is told of both")
    store.commit()
    assert outlet.text == second.text == _MUCH * 2 + "xxxx"
    assert outlet.ended == second.ended == []


async def test_damage_that_is_found_while_a_long_update_is_applied_sends_everybody_away(
    store: FakeYjsStore, outlet: FakeYjsOutlet, request: pytest.FixtureRequest
) -> None:
    seat = await seat_of(store.desk(), outlet)
    begun, may_end = request.getfixturevalue("at_work")
    _commit_much(store)
    await eventually(begun.is_set, "the long one is being applied")
    store.tell(DamageFound("a test says so"))
    may_end.set()
    await eventually(lambda: bool(outlet.ended), "its client is sent away")
    assert outlet.ended == [(CloseCode.SYNC_AGAIN, "quarantined")]
    assert document_of(seat).revision == 3


async def test_another_history_sends_everybody_away_and_the_next_begins_afresh(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    desk = store.desk()
    await seat_of(desk, outlet)
    store.epoch, store.head = 2, 2
    store.tell(HeadAt(2, 2, "2/2"))  # type: ignore[arg-type]
    await eventually(lambda: bool(outlet.ended), "its client is sent away")
    assert outlet.ended[0][0] is CloseCode.SYNC_AGAIN
    again = FakeYjsOutlet()
    seat = await seat_of(desk, again)
    await seat.hear(SyncStep1(b"\0"))
    assert again.text == "xx"


async def test_update_that_yjs_fails_on_sends_everybody_away(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    await seat_of(store.desk(), outlet)
    store.updates.append(b"\x01\x01")
    store.head += 1
    store.publish(4, 4)
    assert outlet.ended[0][0] is CloseCode.SYNC_AGAIN


async def test_damage_sends_everybody_away_and_nobody_opens_it(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    desk = store.desk()
    await seat_of(desk, outlet)
    store.tell(DamageFound("a test says so"))
    assert outlet.ended == [(CloseCode.SYNC_AGAIN, "quarantined")]
    with pytest.raises(QuarantinedError):
        await seat_of(_damaged(store).desk(), FakeYjsOutlet())


def _damaged(store: FakeYjsStore) -> FakeYjsStore:
    class Damage:
        message = "a test says so"

    async def of(_: object) -> Any:
        return Damage

    store.of = of  # type: ignore[method-assign]
    return store


async def test_client_of_another_root_is_refused(store: FakeYjsStore) -> None:
    with pytest.raises(WrongRootError):
        await seat_of(store.desk(), FakeYjsOutlet(), "quill")


async def test_last_to_leave_leaves_nothing_behind(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    desk = store.desk()
    seat, other = await seat_of(desk, outlet), await seat_of(desk, FakeYjsOutlet())
    feed = document_of(seat).document.feed
    followers = [feed.follower]
    await desk.leave(seat)
    await desk.leave(seat)
    followers.append(feed.follower)
    await desk.leave(other)
    followers.append(feed.follower)
    assert followers == [document_of(seat), document_of(seat), None]
    assert not desk._documents


async def test_update_is_confirmed_by_its_commit_or_by_its_answer(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    seat = await seat_of(store.desk(), outlet)
    for _ in range(3):
        await seat.hear(SyncUpdate(_update()))
    assert [submission.client_sequence for submission in store.submitted] == [1, 2, 3]
    assert outlet.confirmed == []
    store.commit_of(seat.client_id, 1)
    assert outlet.confirmed == [True]
    store.tell(YjsTaken(seat.client_id, ClientSequence(2)))
    store.tell(Repeated(seat.client_id, ClientSequence(3), document_of(seat).revision))
    assert outlet.confirmed == [True, True, True]
    assert seat.is_answered


async def test_empty_update_is_confirmed_without_asking_anybody(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep2(b"\0\0"))
    assert (outlet.confirmed, store.submitted) == ([True], [])


async def test_unanswered_update_is_sent_again(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncUpdate(_update()))
    now = time.monotonic()
    seat.send_again(now + ANSWER_SECONDS - 1)
    assert len(store.submitted) == 1
    seat.send_again(now + ANSWER_SECONDS + 1)
    assert store.submitted[0] == store.submitted[1]
    seat.send_again(now + ANSWER_SECONDS + 2)
    store.tell(YjsTaken(seat.client_id, ClientSequence(1)))
    seat.send_again(now + 1_000)
    assert len(store.submitted) == 2


async def test_held_update_is_asked_for_and_tried_again_once_it_may_be(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    seat = await seat_of(store.desk(), outlet)
    early: Doc[Any] = Doc(client_id=9)
    early.apply_update(store.author.get_update())
    store.author.get("content", type=Text).insert(3, "later")
    early.apply_update(store.author.get_update())
    early.get("content", type=Text).insert(5, "!")
    await seat.hear(SyncUpdate(early.get_update(store.author.get_state())))
    store.tell(YjsHeld(seat.client_id, ClientSequence(1)))
    assert outlet.messages[-1][:2] == b"\x00\x00"
    assert seat.is_answered, "nobody waits for it when the gateway stops"
    store.head += 1
    store.publish(4, 4)
    await eventually(lambda: len(store.submitted) == 2, "it is tried again")


async def test_held_update_is_not_read_again_by_commits_that_it_does_not_wait_for(
    store: FakeYjsStore, outlet: FakeYjsOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have some MB, and the gateway has one loop."""
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncUpdate(_resting_on_nothing_there()))
    store.tell(YjsHeld(seat.client_id, ClientSequence(1)))
    read: list[bytes] = []

    def decode(data: bytes) -> Update:
        read.append(data)
        return decode_update(data)

    monkeypatch.setattr(yjs_seat, "decode_update", decode)
    monkeypatch.setattr(gate, "_needed", lambda _: pytest.fail("it is gone through again"))
    for _ in range(3):
        store.commit()
        await eventually(lambda: not document_of(seat)._tries_held, "what is held is looked at")
    assert (read, len(store.submitted), seat.holds) == ([], 1, True)


def _resting_on_nothing_there() -> bytes:
    doc: Doc[Any] = Doc(client_id=7)
    text = doc.get("content", type=Text)
    text.insert(0, "lost")
    before = doc.get_state()
    text.insert(4, "found")
    return doc.get_update(before)


async def test_what_fills_a_client_and_cannot_be_held_makes_it_come_again(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    """Nothing more is read from it until that has an answer, so what it lacks could never come."""
    seat = await seat_of(store.desk(), outlet)
    sending = asyncio.create_task(seat.hear(SyncUpdate(_update("x" * 5_000_000))))
    await eventually(lambda: len(store.submitted) == 1, "it is submitted")
    store.tell(Rejected(seat.client_id, ClientSequence(1), "overloaded", "a test", False, True))
    await asyncio.wait_for(sending, 15)
    assert outlet.ended == [(CloseCode.SYNC_AGAIN, "overloaded")]


async def test_too_much_that_is_held_ends_the_connection(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    for sequence in range(1, 600):
        await seat.hear(SyncUpdate(_update()))
        store.tell(YjsHeld(seat.client_id, ClientSequence(sequence)))
        if outlet.ended:
            break
    assert outlet.ended[0][0] is CloseCode.SYNC_AGAIN


async def test_client_that_sends_much_waits_for_answers(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    sending = asyncio.create_task(seat.hear(SyncUpdate(_update("x" * 5_000_000))))
    await eventually(lambda: len(store.submitted) == 1, "it is submitted")
    assert not sending.done()
    store.tell(YjsTaken(seat.client_id, ClientSequence(1)))
    await asyncio.wait_for(sending, 15)


@pytest.mark.parametrize(
    ("code", "definite", "retryable", "ended"),
    [
        ("invalid-update", True, False, CloseCode.REFUSED),
        ("not-text", True, False, CloseCode.REFUSED),
        ("quarantined", False, False, CloseCode.SYNC_AGAIN),
        ("unavailable", False, True, None),
    ],
)
async def test_refusal_ends_the_document_for_its_client(
    store: FakeYjsStore,
    outlet: FakeYjsOutlet,
    code: str,
    definite: bool,
    retryable: bool,
    ended: CloseCode | None,
) -> None:
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncUpdate(_update()))
    store.tell(Rejected(seat.client_id, ClientSequence(1), code, "a test", definite, retryable))
    assert [code for code, _ in outlet.ended] == ([] if ended is None else [ended])
    assert outlet.confirmed == ([False] if ended is CloseCode.REFUSED else [])


async def test_refusal_of_somebody_elses_is_not_ours(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    store.tell(Rejected(seat.client_id, ClientSequence(1), "invalid-update", "a test", True, False))
    assert outlet.ended == []


async def test_what_was_deleted_is_read_beside_the_loop_and_once_for_all_who_ask(
    store: FakeYjsStore, outlet: FakeYjsOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame of ten bytes asks for it, as often as a client likes."""
    _delete_every_other(store, 20_000)
    threads: list[int] = []

    def read(data: bytes) -> Deleted:
        threads.append(threading.get_ident())
        return Deleted(data)

    monkeypatch.setattr(yjs_document, "Deleted", read)
    seat = await seat_of(store.desk(), outlet)
    known = encode_state_vector({store.author.client_id: 2})
    await asyncio.gather(*(seat.hear(SyncStep1(known)) for _ in range(20)))
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    store.commit()
    await seat.hear(SyncStep1(known))
    assert len(threads) == 2


async def test_deletes_of_what_somebody_has_are_told_before_what_is_lacking(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    _delete_every_other(store, 10)
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncStep1(encode_state_vector({store.author.client_id: 4})))
    *_, deletes, lacking = outlet.messages
    assert (deletes[:2], lacking[:2]) == (b"\0\2", b"\0\1")
    (told,) = read_messages(deletes)
    assert isinstance(told, SyncUpdate)
    assert decode_update(told.update).deleted == (Block(store.author.client_id, 3, 4),)
    await seat.hear(SyncStep1(encode_state_vector({store.author.client_id: 3})))
    assert outlet.messages[-2] == lacking


def _delete_every_other(store: FakeYjsStore, count: int) -> None:
    """Commit a text in one, and the deletes of every other letter in another."""
    text: Text = store.author.get("content", type=Text)
    text.insert(len(text), "ab" * count)
    with store.author.transaction():
        for index in range(count):
            del text[3 + index : 4 + index]
    first, store.head = store.head + 1, store.head + 2
    store.publish(first, store.head)


async def test_items_of_ours_that_are_on_their_way_are_waited_for(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    """Another gateway told them a moment earlier."""
    seat = await seat_of(store.desk(), outlet)
    on_message, store.on_message = store.on_message, lambda _: None
    store.commit()
    store.on_message = on_message
    await seat.hear(SyncStep1(store.author.get_state()))
    assert outlet.ended == []
    assert document_of(seat).revision == 4


async def test_items_of_ours_that_may_come_back_are_waited_for(
    store: FakeYjsStore, outlet: FakeYjsOutlet
) -> None:
    """Redis has lost them, and another gateway gives them back."""
    seat = await seat_of(store.desk(), outlet)
    store.suspicions = [True, True, True]
    asking = asyncio.create_task(seat.hear(SyncStep1(encode_state_vector({2**32 + 1: 4}))))
    await eventually(lambda: len(store.suspicions) < 3, "it is asked whether they may come back")
    store.commit()
    await asking
    assert outlet.messages[-1][:2] == b"\x00\x01"


async def test_items_of_ours_that_were_lost_are_not(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    with pytest.raises(LostItemsError):
        await seat.hear(SyncStep1(encode_state_vector({2**32 + 1: 4})))
    with pytest.raises(LostItemsError):
        await seat.hear(SyncStep1(encode_state_vector({2**32 + 2: 1})))
    await seat.hear(SyncStep1(encode_state_vector({5: 2**53 - 1})))


async def test_document_that_ot_clients_write_first_is_loaded_for_all(outlet: FakeYjsOutlet) -> None:
    store = FakeYjsStore(is_bridged=False)
    seat = await seat_of(store.desk(), outlet)
    await seat.hear(SyncUpdate(_update()))
    store.commit()
    await eventually(lambda: len(store.submitted) == 2, "the document is asked for")
    wish = store.submitted[1]
    assert (wish.update, wish.root) == (b"", "content")
    store.is_bridged = True
    store.tell(YjsTaken(wish.client_id, wish.client_sequence))
    await eventually(lambda: outlet.text == "x", "all of it is told")
    assert outlet.ended == []
    assert not seat.is_answered


async def test_document_that_cannot_be_bridged_says_why() -> None:
    store = FakeYjsStore(is_bridged=False)
    store.commit()
    opening = asyncio.create_task(seat_of(store.desk(), FakeYjsOutlet(), "quill"))
    await eventually(lambda: len(store.submitted) == 1, "the document is asked for")
    wish = store.submitted[0]
    store.tell(Rejected(wish.client_id, wish.client_sequence, "wrong-root", "a test", True, False))
    with pytest.raises(WrongRootError):
        await opening


async def test_nothing_is_submitted_while_redis_is_mended(store: FakeYjsStore, outlet: FakeYjsOutlet) -> None:
    seat = await seat_of(store.desk(), outlet)
    document_of(seat).document.mending.is_behind = True
    await seat.hear(SyncUpdate(_update()))
    assert store.submitted == []
    with pytest.raises(UnavailableError):
        seat.document.submit(store.submitted)  # type: ignore[arg-type]
    document_of(seat).document.mending.is_behind = False
    seat.send_again(time.monotonic() + ANSWER_SECONDS + 1)
    assert len(store.submitted) == 1
