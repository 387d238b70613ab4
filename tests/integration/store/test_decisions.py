"""Decisions to delete documents, on a real Valkey: what Redis notes of them, and what applications are told."""

from typing import Any

import pytest
from redis.asyncio import Redis

from coedit.errors import DeletedError, UnknownDocumentError
from coedit.identifiers import AuthorId, DocumentId
from coedit.protocol.webhooks.events import unpacked
from coedit.store.deletion.decisions import Decisions
from coedit.store.keys import Shard
from coedit.store.objects.deletions import DeletionRecords
from coedit.store.objects.object_store import open_object_store
from coedit.store.redis.topology import Nodes

NOTES, ADA, SHARD = DocumentId("notes"), AuthorId("ada"), Shard(0)


@pytest.fixture
def decisions(redis: Redis) -> Decisions:
    return Decisions(Nodes(redis), lambda _: SHARD, DeletionRecords(open_object_store("memory://")))


async def noted(redis: Redis) -> str:
    note: Any = await redis.hget(SHARD.deleted, NOTES)
    return note.decode().split()[1] if note else ""


async def test_what_comes_late_of_an_older_decision_changes_nothing(
    redis: Redis, decisions: Decisions
) -> None:
    """A gateway stood still behind its decision, and another has decided since."""
    trashed = await decisions.trash(NOTES, ADA, 60)
    await decisions.restore(NOTES, ADA)
    await decisions.tell(NOTES, trashed)
    assert await noted(redis) == "restored"
    await decisions.erase(NOTES, ADA)
    await decisions.tell(NOTES, trashed)
    await decisions.forget(NOTES, trashed.number)
    assert await noted(redis) == "erasing"


async def test_what_is_erased_is_not_restored(decisions: Decisions) -> None:
    with pytest.raises(UnknownDocumentError):
        await decisions.restore(NOTES, ADA)
    await decisions.erase(NOTES, ADA)
    for decide in (decisions.restore(NOTES, ADA), decisions.trash(NOTES, ADA, 60)):
        with pytest.raises(DeletedError):
            await decide


async def test_time_in_the_trash_that_is_over_leads_to_erasure_only(decisions: Decisions) -> None:
    await decisions.trash(NOTES, ADA, 0)
    with pytest.raises(DeletedError):
        await decisions.restore(NOTES, ADA)
    newest = await decisions.expire(NOTES)
    assert newest is not None
    assert newest.state == "erasing"


async def test_applications_are_told_once_of_each_deletion(redis: Redis, decisions: Decisions) -> None:
    await redis.xadd(SHARD.happened, {"event": b""})  # somebody wants to be told
    trashed = await decisions.trash(NOTES, ADA, 60)
    await decisions.tell(NOTES, trashed)
    erasing = await decisions.erase(NOTES, ADA)
    erased = await decisions.done(NOTES, erasing)
    await decisions.tell(NOTES, erased)
    await decisions.tell(NOTES, erased)
    found: Any = await redis.xrange(SHARD.happened)
    told = [unpacked(fields[b"event"]) for _, fields in found[1:]]
    assert [(kind, data["erased"]) for kind, data in told] == [
        ("document.deleted", False),
        ("document.deleted", True),
    ]
