"""Submissions on their way in: trouble with one Redis node is told to its own clients only."""

from collections.abc import Sequence
from typing import cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.errors import CoeditError, UnavailableError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Submission
from coedit.store.document_log import DocumentLog
from coedit.store.keys import Shard
from coedit.store.ops_stream import Addressed, OpsStream
from services.gateway.submit import Submitter

HERE, THERE = DocumentId("here"), DocumentId("there")
SHARDS = {HERE: Shard(0), THERE: Shard(1)}


class FakeOps:
    """Takes what is added, but for ``failing`` shards."""

    def __init__(self, *failing: Shard) -> None:
        self._failing = failing

    async def add(self, shards: dict[Shard, Sequence[Addressed]]) -> dict[Shard, Exception]:
        return {shard: RedisConnectionError("gone") for shard in shards if shard in self._failing}


class FakeLog:
    def shard(self, document_id: DocumentId) -> Shard:
        return SHARDS[document_id]


def submitter(*failing: Shard) -> tuple[Submitter, dict[DocumentId, list[CoeditError]]]:
    """Return one with a submission to each document, and where their errors are told."""
    made = Submitter(cast("OpsStream", FakeOps(*failing)), cast("DocumentLog", FakeLog()), 10)
    told: dict[DocumentId, list[CoeditError]] = {name: [] for name in SHARDS}
    for name in SHARDS:
        submission = Submission(
            ClientId("c"), ClientSequence(1), AuthorId("ada"), 1, Revision(0), Delta().insert("x")
        )
        made.submit(name, submission, told[name].append)
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
