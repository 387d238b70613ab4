"""Submissions on their way in: trouble with one Redis node is told to its own clients only."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.errors import CoeditError, UnavailableError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.store.documents.log import DocumentLog
from coedit.store.keys import Shard
from coedit.store.streams.ops import Addressed, OpsStream
from services.gateway.redis.submit import Submitter
from services.gateway.traces import OT_DOOR, received
from tests.unit.conftest import Begin

HERE, THERE = DocumentId("here"), DocumentId("there")
SHARDS = {HERE: Shard(0), THERE: Shard(1)}
SUBMISSION = Submission(
    ClientId("c"), ClientSequence(1), AuthorId("ada"), 1, Revision(0), Delta().insert("x")
)


class FakeOps:
    """Takes what is added, but for ``failing`` shards."""

    def __init__(self, *failing: Shard) -> None:
        self._failing = failing
        self.added: list[dict[Shard, Sequence[Addressed]]] = []

    async def add(self, shards: dict[Shard, Sequence[Addressed]]) -> dict[Shard, Exception]:
        self.added.append(shards)
        return {shard: RedisConnectionError("gone") for shard in shards if shard in self._failing}


class FakeLog:
    def shard(self, document_id: DocumentId) -> Shard:
        return SHARDS[document_id]


def submitter(*failing: Shard) -> tuple[Submitter, dict[DocumentId, list[CoeditError]]]:
    """Return one with a submission to each document, and where their errors are told."""
    made = Submitter(cast("OpsStream", FakeOps(*failing)), cast("DocumentLog", FakeLog()), 10)
    told: dict[DocumentId, list[CoeditError]] = {name: [] for name in SHARDS}
    for name in SHARDS:
        made.submit(name, SUBMISSION, told[name].append)
    return made, told


async def test_only_those_whose_node_failed_are_told() -> None:
    made, told = submitter(SHARDS[THERE])
    await made.step()
    assert told[HERE] == []
    assert [type(error) for error in told[THERE]] == [UnavailableError]


async def test_step_fails_where_every_node_failed_so_that_its_loop_backs_off() -> None:
    made, told = submitter(*SHARDS.values())
    with pytest.raises(RedisConnectionError):
        await made.step()
    assert all(told.values())


async def test_wait_of_a_traced_submission_is_a_span_that_ends_with_what_became_of_it(begin: Begin) -> None:
    spans = begin()
    ops = FakeOps(SHARDS[THERE])
    made = Submitter(cast("OpsStream", ops), cast("DocumentLog", FakeLog()), 10)
    for name in SHARDS:
        trace = received(name, 1, OT_DOOR, 1)
        assert trace is not None
        made.submit(name, SUBMISSION, lambda _: None, trace)
        made.submit(name, SUBMISSION, lambda _: None)
    await made.step()
    here, there = spans.get_finished_spans()
    for span, shard in ((here, Shard(0)), (there, Shard(1))):
        traced, plain = (addressed.submission.traceparent for addressed in ops.added[0][shard])
        assert span.context is not None
        assert traced == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
        assert plain == ""
        assert span.attributes is not None
        assert span.attributes["messaging.batch.message_count"] == 2
    assert [span.status.is_ok for span in (here, there)] == [True, False]


async def test_what_comes_soon_after_others_is_gathered() -> None:
    ops = FakeOps()
    made = Submitter(cast("OpsStream", ops), cast("DocumentLog", FakeLog()), 10, gather_seconds=0.2)
    made.submit(HERE, SUBMISSION, lambda _: None)
    await made.step()
    gathering = asyncio.create_task(made.step())
    for name in SHARDS:
        made.submit(name, SUBMISSION, lambda _: None)
        for _ in range(10):  # turns of the loop, in each of which a step without gathering would add
            await asyncio.sleep(0)
    await gathering
    assert [set(shards) for shards in ops.added] == [{Shard(0)}, {Shard(0), Shard(1)}]
