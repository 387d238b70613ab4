"""Clients that read slowly, not at all, or come back after a long time."""

from typing import Any

from redis.asyncio import Redis

from coedit.client import Document, connect
from coedit.identifiers import DocumentId
from coedit.store.keys import shard_of
from tests.conftest import MakeSystem
from tests.integration.raw_client import RawClient
from tests.system import eventually

_BLOCK = "x" * 60_000
_BLOCKS = 250  # 15 MB: more than the network's own buffers take


async def _write_blocks(document: Document) -> None:
    for _ in range(_BLOCKS):
        await document.insert(0, _BLOCK)
        await document.settle()
        await document.delete(0, len(_BLOCK))
        await document.settle()


async def test_client_that_stopped_reading_is_caught_up_in_order(make_system: MakeSystem) -> None:
    system = make_system()
    async with connect(system.url) as session, RawClient(system.url) as slow:
        document = await session.open("busy")
        await slow.hello()
        revision = (await slow.open("busy"))["revision"]
        await _write_blocks(document)
        while revision < document.revision:
            for commit in (await slow.expect("commit"))["commits"]:
                assert commit["revision"] == revision + 1
                revision += 1


async def test_client_that_never_reads_is_dropped_and_others_go_on(make_system: MakeSystem) -> None:
    system = make_system(settings={"COEDIT_GATEWAY_LAG_SECONDS": "1"})
    async with connect(system.url) as session, RawClient(system.url) as stuck:
        document = await session.open("busy")
        await stuck.hello()
        await stuck.open("busy")
        await _write_blocks(document)
        dropped = 'coedit_gateway_closed_total{close_code="4508"} 1.0'
        await eventually(lambda: dropped in system.metrics("gateway-0"), "the stuck client is dropped")
        assert await stuck.close_code() == 4508, "it reads on within seconds, and sees why"
        assert session.reconnects == 0
        assert document.rejections == []


async def test_client_that_was_away_long_resumes_from_the_archive(make_system: MakeSystem) -> None:
    """Its base revision is no longer in the log: the commits since come from the segments, and its edit is kept."""
    settings = {
        "COEDIT_SNAPSHOTTER_COMMITS": "100",
        "COEDIT_SNAPSHOTTER_TAIL": "10",
        "COEDIT_SNAPSHOTTER_SEGMENT_COMMITS": "50",
        "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5",
    }
    system = make_system(settings=settings)
    async with connect(system.url) as session:
        document = await session.open("history")
        await document.insert(0, "the beginning")
        await document.settle()
        async with RawClient(system.url) as away:
            welcome = await away.hello()
            opened = await away.open("history")
        for number in range(1200):
            await document.insert(0, f"{number} ")
            await document.settle()
        await eventually(lambda: _floor(system.redis_url, "history", above=1000), "the log is trimmed")
        async with RawClient(system.url) as back:
            identity = {"client_id": welcome["client_id"], "resume_token": welcome["resume_token"]}
            await back.hello(**identity)
            held = {"epoch": opened["epoch"], "revision": opened["revision"], "mac": opened["mac"]}
            answer = await back.open("history", **held)
            assert answer["mode"] == "resumed"
            delta = [{"retain": 13}, {"insert": "!"}]
            submit: dict[str, Any] = {
                "type": "submit",
                "document": "history",
                "client_sequence": 1,
                "epoch": 1,
            }
            await back.send(submit | {"base_revision": opened["revision"], "delta": delta})
            acked = await _follow(back, opened["revision"])
            assert acked == 1202
        await document.until(lambda: document.revision == acked)
        assert document.text.endswith("0 the beginning!")


async def _follow(client: RawClient, revision: int) -> int:
    """Read commits, without a gap, up to one's own ack; return its revision."""
    while True:
        message = await client.receive()
        assert isinstance(message, dict), message
        if message["type"] == "ack":
            assert message["revision"] == revision + 1
            return revision + 1
        for commit in message.get("commits", ()):
            assert commit["revision"] == revision + 1
            revision += 1


async def _floor(url: str, name: str, *, above: int) -> bool:
    redis = Redis.from_url(url)
    try:
        document_id = DocumentId(name)
        floor = await redis.hget(shard_of(document_id, 8).document(document_id), "floor")
        return floor is not None and int(floor) > above
    finally:
        await redis.aclose()


async def test_client_just_behind_a_snapshot_is_decided_at_once_by_the_next_owner(
    make_system: MakeSystem,
) -> None:
    """It need not be carried on aside: the next owner reads what the log has from before the snapshot, too."""
    system = make_system(settings={"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.1"})
    shard = shard_of(DocumentId("notes"), 8)
    async with RawClient(system.url) as late, Redis.from_url(system.redis_url) as redis:
        await late.hello()
        await late.open("notes")
        async with connect(system.url) as session:
            document = await session.open("notes")
            for _ in range(5):
                await document.insert(0, "x")
                await document.settle()
            await document.until(lambda: document.state.snapshot_revision == 5)
        system.processes["transformer-0"].kill()
        system.processes["transformer-0"].start()
        system.wait_ready("transformer-0")
        added = (await redis.xinfo_stream(shard.ops))["entries-added"]
        submission = {"client_sequence": 1, "epoch": 1, "base_revision": 0, "delta": [{"insert": "late"}]}
        await late.send({"type": "submit", "document": "notes"} | submission)
        assert (await late.expect("ack"))["revision"] == 6
        assert (await redis.xinfo_stream(shard.ops))["entries-added"] == added + 1
