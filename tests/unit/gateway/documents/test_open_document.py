"""An open document's races: between what is read and what its channel brings."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.errors import DivergedError, RevisionTooOldError, UnavailableError
from coedit.identifiers import ClientId, ClientSequence, Revision
from coedit.ot.bridge import Bridge
from coedit.protocol.events import HeadAt, Repeated, encode_events
from services.gateway.documents.mending import BehindClientError
from tests.system import eventually
from tests.unit.gateway.documents.scenes import joined, joined_at_5, opened_at_5, settled
from tests.unit.gateway.fakes import FakeOutlet, FakeStore, revisions


async def test_commits_that_were_read_to_open_are_not_kept() -> None:
    document = FakeStore(head=5).document()
    loaded = (await document.content()).loaded
    assert (loaded.revision, loaded.recent) == (5, ())


async def test_gap_in_what_the_channel_brings_is_filled_in_order() -> None:
    store, document, outlet = await joined_at_5()
    store.head = 8
    store.publish(8, 8)
    await settled(document)
    store.commit()
    assert revisions(outlet.sent) == [6, 7, 8, 9]
    assert outlet.dropped == []


async def test_head_tells_of_a_last_commit_that_was_missed() -> None:
    store, document, outlet = await joined_at_5()
    store.head = 6
    store.on_message(encode_events([HeadAt(1, Revision(6), "1/6")]))
    await settled(document)
    assert revisions(outlet.sent) == [6]


async def test_commit_just_before_the_subscription_is_in_what_is_read_after_it() -> None:
    """Nobody will tell of it: the state must be read once Redis has confirmed, not before."""
    store = FakeStore(head=5)
    document = store.document()

    async def commit() -> None:
        store.commit()

    store.before_subscribed = commit
    await document.check_held(1, Revision(5), "1/5")
    assert document.feed.head == 6
    assert [commit["revision"] for commit in await document.page_after(Revision(5))] == [6]


async def test_own_commit_comes_as_an_ack() -> None:
    store, _, outlet = await joined_at_5("ada")
    store.commit()
    assert [(message["type"], message["revision"]) for message in outlet.sent] == [("ack", 6)]


async def test_commits_that_come_while_a_gap_is_mended_are_not_taken_for_another_history() -> None:
    """The position is read, a commit comes by the channel, and only then the answer is looked at."""
    store, document, outlet = await joined_at_5()

    left = [1, 2]

    async def commit() -> None:
        if left:
            store.commit(left.pop())

    store.after_position = store.after_load = commit
    document._on_subscribed_again()
    await settled(document)
    assert outlet.dropped == []
    assert document.feed.head == store.head


async def test_commit_that_comes_before_the_head_is_known_is_no_other_history() -> None:
    store, outlet = FakeStore(head=5), FakeOutlet()
    document = store.document()
    is_read, is_open = asyncio.Event(), asyncio.Event()

    async def commit_early() -> None:
        if not is_read.is_set():
            is_read.set()
            store.commit()  # confirmed by Redis, and the head is not read yet

    async def commit_late() -> None:
        if document.feed.head < 9:
            store.commit()

    async def open_first() -> None:
        if asyncio.current_task() is document.mending.task:
            await is_open.wait()

    store.before_position, store.after_position = commit_early, open_first
    content = await document.content()
    joined(document, outlet, content.revision)
    store.after_load = commit_late
    store.commit()
    is_open.set()
    await settled(document)
    assert outlet.dropped == []
    assert document.feed.head == store.head


async def test_document_whose_head_could_not_be_read_is_read_by_the_next_who_opens() -> None:
    store, outlet = FakeStore(head=5), FakeOutlet()
    document = store.document()

    async def fail() -> None:
        raise RedisConnectionError("gone")

    store.before_position, was = fail, store.before_position
    with pytest.raises(RedisConnectionError):
        await document.content()
    store.before_position = was
    content = await document.content()
    joined(document, outlet, content.revision)
    await settled(document)
    assert (document.feed.epoch, document.feed.head) == (1, 5)
    assert outlet.dropped == []


async def test_other_history_is_told_to_everybody() -> None:
    store, document, outlet = await joined_at_5()
    store.epoch, store.head = 2, 3
    document._on_subscribed_again()
    await settled(document)
    # Who is not further than where the two part can go on: they open again, and are told then.
    assert [(error.code, error.retryable) for error in outlet.dropped] == [("unavailable", True)]
    assert (document.feed.epoch, document.feed.head) == (2, 3)


async def test_what_redis_lost_is_given_back_from_memory_and_by_clients() -> None:
    store, document, outlet = await joined_at_5()
    store.commit(3)
    await settled(document)
    store.head = 2
    document._on_subscribed_again()
    await eventually(lambda: bool(outlet.sent) and outlet.sent[-1]["type"] == "recall", "the client is asked")
    given, seen = store.offers[:2]
    assert (seen.revision, seen.mac) == (8, "1/8")
    assert (given.before, [commit.revision for commit in given.commits]) == ("1/5", [6, 7, 8])
    assert (outlet.sent[-1]["revision"], outlet.sent[-1]["mac"]) == (2, "1/2")
    assert document.is_behind
    store.head = 8
    await settled(document)
    assert (document.is_behind, document.feed.head, outlet.dropped) == (False, 8, [])


async def test_other_mac_at_the_revision_that_is_known_is_another_history() -> None:
    store, document, outlet = await joined_at_5()
    store.commit()
    store.fork_at, store.head = 4, 9
    document._on_subscribed_again()
    await settled(document)
    assert [error.code for error in outlet.dropped] == ["unavailable"]
    given, seen = store.offers  # what the document has gone on without, for the owner to report
    assert seen.revision == 6
    assert (given.before, [commit.mac for commit in given.commits]) == ("1/5", ["1/6"])
    with pytest.raises(DivergedError):
        await document.check_held(1, Revision(5), "1/5")
    await document.check_held(1, Revision(3), "1/3")


async def test_what_redis_has_of_another_history_is_not_given_out_with_our_commits_behind_it() -> None:
    """It was written on before we could give back what it had lost: whoever opens it waits until that is known."""
    store, document = await opened_at_5()
    store.commit(3)
    store.fork_at, store.head = 7, 7
    with pytest.raises(UnavailableError):
        await document.content()
    store.fork_at, store.head = None, 7  # behind, and ours
    content = await document.content()
    assert [commit["revision"] for commit in await document.page_after(Revision(content.revision))] == [8]


async def test_what_was_lost_together_with_its_epoch_is_given_back() -> None:
    """An epoch began, was written in, and no snapshot covers it yet: Redis comes back in the one before."""
    store, outlet = FakeStore(head=5), FakeOutlet()
    store.epoch, store.began_at = 2, {2: 6}
    document = store.document()
    await document.content()
    joined(document, outlet, 4)
    store.commit(3)
    await settled(document)
    store.epoch, store.head = 1, 5
    document._on_subscribed_again()
    await eventually(lambda: bool(store.offers), "it is offered")
    given, seen = store.offers[:2]
    assert given.before == "1/5"
    assert (seen.epoch, seen.revision, [commit.revision for commit in given.commits]) == (2, 8, [6, 7, 8])
    store.epoch, store.head = 2, 8
    await settled(document)
    assert (document.feed.epoch, document.feed.head, outlet.dropped) == (2, 8, [])
    store.epoch, store.head = 1, 5
    with pytest.raises(BehindClientError):
        await document.check_held(2, Revision(8), "2/8")
    # A gateway that knows nothing of the epoch takes the same history for what it is.
    assert (await store.document().check_held(2, Revision(5), "1/5")).epoch == 1


async def test_beginning_of_an_epoch_that_was_lost_is_told_to_the_owner() -> None:
    """Nothing was written in it: the history is the same, and only its number might be given twice."""
    store, outlet = FakeStore(head=5), FakeOutlet()
    store.epoch, store.began_at = 2, {2: 6}
    document = store.document()
    await document.content()
    joined(document, outlet)
    store.epoch = 1
    document._on_subscribed_again()
    await settled(document)
    assert [(seen.epoch, seen.revision, seen.mac) for seen in store.offers] == [(2, 5, "1/5")]
    assert (document.feed.epoch, document.feed.head) == (1, 5)


async def test_commit_of_another_history_is_not_told_behind_ours() -> None:
    """It comes by the channel before the two were compared, and its revision is the next one."""
    store, document, outlet = await joined_at_5()
    store.commit(3)

    async def commit() -> None:
        store.after_position = store.before_position
        store.head = 9
        store.publish(9, 9)

    store.fork_at, store.head, store.after_position = 7, 8, commit
    document._on_subscribed_again()
    await settled(document)
    assert revisions(outlet.sent) == [6, 7, 8]
    assert [error.code for error in outlet.dropped] == ["unavailable"]


async def test_document_that_was_read_just_before_its_epoch_ended_is_not_given_out() -> None:
    """Its client would be in an epoch of which nobody tells it any more."""
    store, document = await opened_at_5()
    store.commit()

    async def begin_epoch() -> None:
        store.after_load = store.before_position
        document.feed.epoch = 2

    store.after_load = begin_epoch
    with pytest.raises(UnavailableError):
        await document.content()


async def test_client_of_another_history_is_not_resumed_with_our_commits_behind_it() -> None:
    store, document = await opened_at_5()
    store.commit(3)
    store.fork_at, store.head = 7, 7
    with pytest.raises(UnavailableError):
        await document.check_held(1, Revision(7), "1/7'")


async def test_owner_of_a_document_that_was_written_on_too_soon_sees_where_the_histories_part() -> None:
    store = FakeStore(head=2)
    document = store.document()
    await document.content()
    store.commit(3)
    store.fork_at, store.head = 4, 4
    document._on_subscribed_again()
    await eventually(lambda: bool(store.offers), "it is offered")
    given, seen = store.offers[:2]
    assert (seen.revision, given.before) == (5, "1/2")
    assert [commit.mac for commit in given.commits] == ["1/3", "1/4", "1/5"]
    store.epoch = 2
    await settled(document)
    assert (document.feed.epoch, document.feed.head) == (2, 4)


async def test_bridged_document_is_given_back_by_a_gateway_that_opened_it_just_now() -> None:
    """Its OT clients keep commits without their Yjs updates, and what was read to open it is all there is."""
    store, outlet = FakeStore(head=5), FakeOutlet()
    store.bridge = Bridge(Revision(1), "text", "content")
    document = store.document()
    await document.content()
    joined(document, outlet)
    store.commit(2)
    store.head = 3
    document._on_subscribed_again()
    await eventually(lambda: bool(store.offers), "it is offered")
    given, _ = store.offers[:2]
    assert (given.before, [commit.revision for commit in given.commits]) == ("1/3", [4, 5, 6, 7])
    store.head = 7
    await settled(document)
    assert outlet.dropped == []


async def test_gap_that_is_kept_nowhere_ends_the_waiting() -> None:
    """What was lost between the archive and the newest snapshot never comes: its clients open the document again."""
    store, document, outlet = await joined_at_5()
    store.head, store.kept_from = 9, 8
    document._on_subscribed_again()
    await settled(document)
    assert [error.code for error in outlet.dropped] == ["unavailable"]
    assert document.feed.head == 9


async def test_page_of_what_redis_has_lost_may_come_back() -> None:
    """To whoever is caught up it is no reason to give up an edit: what the feed knows is being given back."""
    store, document = await opened_at_5()
    store.head = 3
    with pytest.raises(UnavailableError):
        await document.page_after(Revision(1))
    store.kept_from, store.head = 3, 5
    with pytest.raises(RevisionTooOldError):
        await document.page_after(Revision(1))


async def test_repeat_of_a_commit_that_was_missed_fills_the_gap() -> None:
    """The commit's own message was lost: its author, who sends again, must get the ack all the same."""
    store, document, outlet = await joined_at_5("ada")
    store.head = 6
    store.on_message(encode_events([Repeated(ClientId("ada"), ClientSequence(6), Revision(6))]))
    await settled(document)
    assert [(message["type"], message["revision"]) for message in outlet.sent] == [("ack", 6)]
