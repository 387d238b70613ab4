"""Submissions from far behind: rebased beside the batches, and as if they had been rebased within one."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.errors import OverloadedError, RevisionTooOldError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.apply import apply
from coedit.ot.commit import Caret, Commit, Submission
from coedit.ot.roles import rebase as rebase_module
from coedit.ot.roles.authority import Accepted, Authority
from coedit.ot.roles.rebase import Rebase
from coedit.protocol.events import Committed, Event, Rejected, Repeated, decode_events
from coedit.protocol.log_entry import ChainKey, decode_commit, encode_commit
from coedit.store.documents.log import Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.streams.ops import Addressed, Entry, OpsStream, encode_submissions
from services.transformer.deciding import aside as aside_module
from services.transformer.deciding.aside import Aside
from services.transformer.deciding.batch import BatchDecider
from services.transformer.deciding.bridging import Bridging
from services.transformer.deciding.large_updates import LargeUpdates
from services.transformer.deciding.orders import Orders
from services.transformer.deciding.yjs import YjsDecider
from services.transformer.documents.working import WorkingDocument, WorkingDocuments

DOCUMENT = DocumentId("notes")
TEXT = "the quick brown fox jumps over the lazy dog"


class World:
    """One document with a long history, and the transformer that has the newest of it in memory."""

    def __init__(self, commits: int) -> None:
        self.authority = Authority(1, Revision(0), "", Delta().insert(TEXT), max_units=10_000_000)
        self.log: list[Commit] = []
        self.added: list[Addressed] = []
        self.trouble: list[Exception] = []
        self.cursor = 0
        chance = random.Random(commits)
        for _ in range(commits):
            self.commit(Delta().retain(chance.randrange(len(TEXT))).insert("x"))
        self.working = WorkingDocument(
            self.authority, Position(1, self.authority.head, "", Revision(0), Revision(0), 0)
        )
        self.commits = self
        """As a reader of documents it reads commits, too."""
        self.aside = Aside(
            cast("DocumentReader", self), cast("OpsStream", self), lambda _: Shard(0), cast("Tries", self)
        )
        key = ChainKey.derive(b"secret")
        no_yjs = YjsDecider(
            key, cast("Bridging", None), cast("LargeUpdates", None), cast("Orders", None), 10_000_000
        )
        self.decider = BatchDecider(cast("WorkingDocuments", self), key, self.aside, no_yjs)

    @asynccontextmanager
    async def noted(
        self, kind: str, document_id: DocumentId, which: str, *, takes_turn: bool = True
    ) -> AsyncIterator[None]:
        assert takes_turn == (kind == "rebase")
        assert (kind in ("rebase", "decide"), document_id) == (True, DOCUMENT)
        assert ":" not in which
        yield

    def commit(self, delta: Delta, client: str = "writer", sequence: int | None = None) -> None:
        """Commit and store, as a batch of somebody else's would."""
        authority = self.authority
        revision = Revision(authority.head + 1)
        number = ClientSequence(revision if sequence is None else sequence)
        commit = Commit(revision, delta, AuthorId("ada"), ClientId(client), number, at=0, epoch=1)
        authority.append(commit, apply(authority.document, delta))
        authority.forget_old()
        self.log.append(commit)

    async def decide(self, *submissions: Submission) -> list[Event]:
        """Let a batch of submissions come, and be stored."""
        self.cursor += 1
        fields: Any = {b"submissions": encode_submissions([Addressed(DOCUMENT, one) for one in submissions])}
        batch = await self.decider.decide(Shard(0), "0-0", [Entry(f"{self.cursor}-0", 0, fields)])
        (write,) = batch.documents
        self.log += [decode_commit(entry) for entry in write.commits]
        self.working.stored = write.after
        return decode_events(write.message) if write.message else []

    async def again(self) -> list[Event]:
        """Let everything come to its end aside, and come again."""
        while self.aside._jobs:
            await self.aside.step()
        submissions, self.added = [cast("Submission", one.submission) for one in self.added], []
        return await self.decide(*submissions) if submissions else []

    async def get(self, _: DocumentId) -> WorkingDocument:
        return self.working

    async def history(self, _: DocumentId, first: int, last: int) -> tuple[list[Commit], int]:
        if self.trouble:
            raise self.trouble.pop()
        commits = self.log[first - 1 : last]
        return commits, sum(len(encode_commit(commit)) for commit in commits)

    async def add(self, shards: dict[Shard, Sequence[Addressed]]) -> dict[Shard, Exception]:
        self.added += [one for submissions in shards.values() for one in submissions]
        return {}


def submission(
    delta: Delta, *, client: str = "away", base: int = 0, caret: Caret | None = None
) -> Submission:
    return Submission(ClientId(client), ClientSequence(1), AuthorId("ada"), 1, Revision(base), delta, caret)


EDIT = submission(Delta().retain(4).delete(6).insert("slow ").retain(10).insert("!"), caret=Caret(9, 20))


def committed(events: Sequence[Event]) -> Commit:
    (event,) = events
    assert isinstance(event, Committed), event
    return decode_commit(event.commits[-1])


async def test_edit_from_far_behind_is_merged_as_if_it_had_been_rebased_at_once() -> None:
    world = World(3000)
    at_once = world.authority.decide(EDIT, world.log)
    assert await world.decide(EDIT) == []
    commit = committed(await world.again())
    assert isinstance(at_once, Accepted)
    assert (commit.revision, commit.delta, commit.caret) == (3001, at_once.delta, at_once.caret)
    assert world.authority.document == at_once.document


async def test_others_are_committed_while_it_is_rebased_and_it_is_carried_over_them() -> None:
    world = World(3000)
    near = submission(Delta().insert("near"), client="near", base=3000)
    first = await world.decide(EDIT, near)
    assert committed(first).client_id == "near"
    await world.aside.step()
    world.commit(Delta().insert("meanwhile "))
    world.working.stored = world.working.stands_at()
    at_once = world.authority.decide(EDIT, world.log)
    commit = committed(await world.again())
    assert isinstance(at_once, Accepted)
    assert (commit.revision, commit.delta) == (3003, at_once.delta)


async def test_large_edit_comes_to_an_end_though_the_document_goes_on() -> None:
    """Each commit that comes in between costs it more than a batch has time for."""
    world = World(30)
    large = submission(
        Delta.from_json([{"retain": 1}, {"insert": "y"}] * 40 + [{"insert": {"n": n}} for n in range(12_000)])
    )
    events = await world.decide(large)
    rounds = 0
    while not events:
        rounds += 1
        assert rounds < 5
        world.commit(Delta().insert("on and on "))
        world.working.stored = world.working.stands_at()
        events = await world.again()
    assert committed(events).client_id == "away"


async def test_edit_that_was_committed_long_ago_is_a_repeat() -> None:
    world = World(10)
    world.commit(Delta().insert("committed"), client="away", sequence=1)
    for _ in range(2000):
        world.commit(Delta().insert("x"))
    world.working.stored = world.working.stands_at()
    assert await world.decide(EDIT) == []
    assert await world.again() == [Repeated(EDIT.client_id, EDIT.client_sequence, Revision(11))]


async def test_edit_that_is_sent_again_while_it_is_rebased_is_committed_once() -> None:
    world = World(3000)
    assert await world.decide(EDIT, EDIT) == []
    await world.aside.step()
    assert await world.decide(EDIT) == []
    assert committed(await world.again()).revision == 3001
    assert await world.decide(EDIT) == []
    assert await world.again() == [Repeated(EDIT.client_id, EDIT.client_sequence, Revision(3001))]


async def test_rebase_that_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it costs: the ops that it grows to, and those of the commits, count."""
    monkeypatch.setattr(rebase_module, "MAX_STEPS", 20_000)
    world = World(2000)
    split = submission(Delta().delete(len(TEXT)))
    small = submission(Delta().insert("small"), client="small")
    assert await world.decide(split, small) == []
    rejected, merged = sorted(await world.again(), key=lambda event: isinstance(event, Committed))
    assert isinstance(rejected, Rejected)
    assert (rejected.client_id, rejected.code, rejected.definite) == ("away", "revision-too-old", True)
    assert committed([merged]).client_id == "small"


async def test_edit_that_is_committed_beyond_what_may_be_rebased_is_a_repeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be a lie to say that it never will be."""
    monkeypatch.setattr(rebase_module, "MAX_STEPS", 1_000)
    world = World(1500)
    world.commit(Delta(), client="away", sequence=1)
    for _ in range(600):
        world.commit(Delta().insert("x"))
    world.working.stored = world.working.stands_at()
    await world.decide(EDIT)
    assert await world.again() == [Repeated(EDIT.client_id, EDIT.client_sequence, Revision(1501))]


async def test_history_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside_module, "MAX_HISTORY_BYTES", 10_000)
    world = World(1000)
    await world.decide(EDIT)
    (rejected,) = await world.again()
    assert isinstance(rejected, Rejected)
    assert rejected.code == RevisionTooOldError.code


async def test_edit_whose_history_cannot_be_read_is_merged_when_it_is_sent_again() -> None:
    world = World(3000)
    world.trouble = [RedisConnectionError("gone")]
    await world.decide(EDIT)
    assert await world.again() == []
    await world.decide(EDIT)
    assert committed(await world.again()).revision == 3001


async def test_what_waits_aside_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside_module, "_MAX_JOBS", 2)
    world = World(1000)
    edits = [submission(Delta().insert("x"), client=f"c{number}") for number in range(3)]
    (rejected,) = await world.decide(*edits)
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.retryable) == (OverloadedError.code, True)
    assert len([event for event in await world.again() if isinstance(event, Committed)][-1].commits) == 2


def test_steps_count_the_ops_of_both() -> None:
    world = World(10)
    appended = Rebase.begin(submission(Delta().retain(43).insert("x")))
    assert appended.over(world.log)
    assert appended.steps == sum(len(commit.delta.ops) + 2 for commit in world.log)
    part = Rebase.begin(appended.submission)
    assert not part.over(world.log, 5)
    assert part.revision < appended.revision
