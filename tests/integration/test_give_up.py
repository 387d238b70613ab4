"""What a document has gone on without is reported, exactly and once, whoever comes with it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from coedit.errors import QuarantinedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.events import EpochBegun, decode_events
from coedit.protocol.giving_back.donations import Donations
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from coedit.store.streams.offers import Seen
from coedit.store.writes.restore import RestoreScript
from services.transformer.recovery.restorer import Restorer
from tests.redis_server import redis_server

_SHARDS = 4
_KEY = ChainKey.derive(b"a secret of sixteen bytes")
_NAME = DocumentId("notes")


class Part(NamedTuple):
    """Commits in a row, and the mac below the first."""

    before: str
    commits: Sequence[Commit]


class Shelf:
    """A document's Redis and object store, and who restores it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        nodes = Nodes(redis)
        objects = open_object_store("memory://")
        self.log = DocumentLog(nodes, _SHARDS)
        reader = DocumentReader(self.log, Snapshots(objects), Archive(objects), _KEY)
        self.restorer = Restorer(reader, RestoreScript(nodes, "mine"), _KEY, lambda _: "incarnation")
        self.shard = self.log.shard(_NAME)

    async def own(self) -> None:
        await self.redis.set(self.shard.owner, "mine")

    async def begin_with(self, history: Sequence[Commit]) -> None:
        """Put the document where this leads."""
        await self.restorer.restore(_NAME, _donated([_part(history)]))

    async def give_up(self, *parts: Part, seen: Commit | None = None) -> None:
        """Come with these, and with the word of somebody who has seen ``seen``."""
        claim = None if seen is None else Seen(_NAME, seen.epoch, seen.revision, seen.mac)
        await self.restorer.give_up(_NAME, _donated(parts), claim)

    async def position(self) -> Position:
        position = await self.log.position(_NAME)
        assert position is not None
        return position

    async def stands(self) -> tuple[int, int, str]:
        """Epoch, head and what is lost."""
        position = await self.position()
        lost = position.lost_revisions
        return position.epoch, position.head, "" if lost is None else f"{lost[0]}-{lost[1]}"


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    with redis_server(tmp_path) as url:
        async with connect(url) as redis:
            shelf = Shelf(redis)
            await shelf.own()
            yield shelf


def _continued(commits: Sequence[Commit], text: str, count: int, *, epoch: int = 1) -> list[Commit]:
    """Return a history, and ``count`` more commits behind it."""
    history = list(commits)
    for _ in range(count):
        revision = len(history) + 1
        commit = Commit(
            Revision(revision),
            Delta().insert(f"{text}{revision} "),
            AuthorId("ada"),
            ClientId(text),
            ClientSequence(revision),
            at=revision,
            epoch=epoch,
        )
        history.append(_KEY.seal(_NAME, commit, history[-1].mac if history else ""))
    return history


def _part(history: Sequence[Commit], first: int = 0, end: int | None = None) -> Part:
    return Part(history[first - 1].mac if first else "", history[first:end])


def _donated(parts: Sequence[Part]) -> Donations:
    donations = Donations(_NAME)
    for part in parts:
        donations.add(part.commits, part.before)
    return donations


_SHARED = _continued([], "shared", 3)
_LOST = _continued(_SHARED, "lost", 5)
_OURS = _continued(_SHARED, "ours", 2)


async def test_what_a_document_has_gone_on_without_is_lost_from_where_the_two_part(shelf: Shelf) -> None:
    await shelf.begin_with(_OURS)
    async with shelf.redis.pubsub() as channel:
        await channel.ssubscribe(shelf.shard.events(_NAME))
        await channel.get_message(timeout=5)
        await shelf.give_up(_part(_LOST))
        message = await channel.get_message(ignore_subscribe_messages=True, timeout=5)
    assert await shelf.stands() == (2, 5, "4-8")
    assert message is not None
    [event] = decode_events(message["data"])
    assert isinstance(event, EpochBegun)
    assert (event.epoch, event.revision + 1, event.last_lost) == (2, 4, 8)
    await shelf.give_up(_part(_LOST))
    assert await shelf.stands() == (2, 5, "4-8")


@pytest.mark.parametrize(
    ("given", "lost"),
    [(_part(_LOST, 4), "4-8"), (_part(_LOST, 5, 6), "5-6")],
    ids=["overlapping", "right behind the head"],
)
async def test_part_of_a_history_says_as_much_as_it_can(shelf: Shelf, given: Part, lost: str) -> None:
    await shelf.begin_with(_OURS)
    await shelf.give_up(given)
    assert await shelf.stands() == (2, 5, lost)


async def test_whoever_has_more_of_it_and_comes_later_is_heard(shelf: Shelf) -> None:
    await shelf.begin_with(_OURS)
    parts = [_part(_LOST, 5, 6), _part(_LOST, 5, 7), _part(_LOST, 4), _part(_LOST)]
    for epoch, (part, lost) in enumerate(zip(parts, ("5-6", "5-7", "4-8", "4-8"), strict=True), 2):
        await shelf.give_up(part)
        assert await shelf.stands() == (min(epoch, 4), 5, lost)


@pytest.mark.parametrize(
    "given",
    [_part(_OURS), _part(_OURS, 0, 4), _part(_SHARED), _part(_LOST, 6)],
    ids=["all of ours", "some of ours", "what all share", "what is connected with nothing"],
)
async def test_what_is_not_known_to_be_lost_is_not_reported(shelf: Shelf, given: Part) -> None:
    await shelf.begin_with(_OURS)
    await shelf.give_up(given)
    assert await shelf.stands() == (1, 5, "")


async def test_what_continues_ours_is_taken_back(shelf: Shelf) -> None:
    await shelf.begin_with(_SHARED)
    await shelf.give_up(_part(_LOST))
    assert await shelf.stands() == (1, 8, "")


async def test_what_was_seen_and_what_was_given_too_late_is_one_loss(shelf: Shelf) -> None:
    await shelf.begin_with(_OURS)
    further = _continued(_LOST, "lost", 2)
    await shelf.give_up(_part(_LOST), seen=further[-1])
    assert await shelf.stands() == (2, 5, "4-10")


async def test_what_somebody_saw_is_lost_if_nobody_has_it(shelf: Shelf) -> None:
    await shelf.give_up(seen=_OURS[-1])
    assert await shelf.stands() == (2, 0, "1-5")
    position = await shelf.position()
    assert (position.mac, position.floor, position.incarnation) == ("", 0, "incarnation")


async def test_what_was_given_up_is_not_taken_back_into_the_epoch_that_began(shelf: Shelf) -> None:
    await shelf.begin_with(_SHARED)
    await shelf.give_up(seen=_LOST[-1])
    assert await shelf.stands() == (2, 3, "4-8")
    await shelf.give_up(_part(_LOST))
    assert await shelf.stands() == (2, 3, "4-8")


async def test_epoch_whose_beginning_alone_was_lost_begins_again(shelf: Shelf) -> None:
    await shelf.begin_with(_OURS)
    await shelf.give_up(seen=replace(_OURS[-1], epoch=3))
    assert await shelf.stands() == (3, 5, "")
    await shelf.give_up(seen=replace(_LOST[4], epoch=7))  # on a history that is not ours
    assert await shelf.stands() == (8, 5, "")


async def test_epoch_begins_although_the_document_is_written_on(shelf: Shelf) -> None:
    """Of a document in which somebody types, the head that was read is never the head for long."""
    await shelf.begin_with(_OURS)
    ending = await shelf.restorer._ending(
        await shelf.restorer.restore(_NAME, Donations(_NAME)), _donated([_part(_LOST)]), None
    )
    loaded = await shelf.restorer.restore(_NAME, Donations(_NAME))
    loaded = replace(loaded, stored=await shelf.position())
    await shelf.begin_with(_continued(_OURS, "ours", 1))
    assert ending is not None
    assert await shelf.restorer._begin_epoch(_NAME, loaded, ending)
    assert await shelf.stands() == (2, 6, "4-8")


async def test_document_that_was_evicted_meanwhile_is_not_emptied(shelf: Shelf) -> None:
    await shelf.begin_with(_OURS)
    loaded = await shelf.restorer.restore(_NAME, Donations(_NAME))
    ending = await shelf.restorer._ending(loaded, _donated([_part(_LOST)]), None)
    assert ending is not None
    await shelf.redis.delete(shelf.shard.document(_NAME))
    assert await shelf.restorer._begin_epoch(_NAME, replace(loaded, stored=None), ending)
    position = await shelf.position()
    assert (position.epoch, position.head, position.mac) == (2, 5, _OURS[-1].mac)


async def test_quarantined_document_is_left_alone(shelf: Shelf) -> None:
    await shelf.begin_with(_SHARED)
    await shelf.redis.hset(shelf.shard.damaged, _NAME, b"x")
    with pytest.raises(QuarantinedError):
        await shelf.give_up(_part(_LOST))
    with pytest.raises(QuarantinedError):  # else it would be taken for told
        await shelf.give_up(seen=_LOST[-1])
    assert await shelf.stands() == (1, 3, "")


async def test_who_owns_the_shard_no_more_gives_nothing_up(shelf: Shelf) -> None:
    await shelf.begin_with(_OURS)
    await shelf.redis.set(shelf.shard.owner, "somebody else's")
    await shelf.give_up(_part(_LOST))
    assert await shelf.stands() == (1, 5, "")
