"""What a document takes in Redis after a whole recorded session: ``COEDIT_TRACES=folder python -m bench.memory``.

The trace automerge-paper, 259,778 edits of one writer, each a commit, is written by the commit script; then a
snapshotter of the default settings folds, archives and trims it; then another one evicts it. Redis is asked after each.
"""

import asyncio
import os
import tempfile
import time
from itertools import islice
from pathlib import Path

from redis.asyncio import Redis

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import encode_commit
from coedit.replay.traces import SequentialTrace, read_trace, transaction_deltas
from coedit.store.documents.log import Position
from coedit.store.keys import shard_of
from coedit.store.redis.connection import connect
from coedit.store.writes.commit import BatchWrite, CommitScript, Committed, DocumentWrite
from tests.redis_server import redis_server
from tests.snapshotter_setup import CHAIN_KEY, SHARDS, Store, snapshotter, until

_DOCUMENT = DocumentId("automerge-paper")
_BATCH = 500
_PATIENCE_SECONDS = 900.0
_DEFAULTS = {"scan_seconds": 1, "quiet_seconds": 5, "lease_seconds": 10}


async def measure(trace: SequentialTrace, folder: Path) -> None:
    """Write the trace, and print what Redis holds of it before and after each step."""
    (folder / "redis").mkdir()
    objects = folder / "objects"
    with redis_server(folder / "redis") as url:
        redis = connect(url)
        store = Store(redis, objects.as_uri())
        empty_bytes = await _used_bytes(redis)
        count = await _write(redis, trace)
        await _tell(redis, f"{count} commits, before any snapshot", empty_bytes)
        started = time.perf_counter()
        async with snapshotter(url, objects.as_uri(), **_DEFAULTS):
            await until(lambda: _is_settled(redis), _PATIENCE_SECONDS)
        seconds = time.perf_counter() - started
        await _tell(redis, "folded, archived and trimmed", empty_bytes)
        loaded = await store.reader.load(_DOCUMENT)
        async with snapshotter(url, objects.as_uri(), idle_seconds=0.1):
            await until(lambda: _is_evicted(redis), _PATIENCE_SECONDS)
        await _tell(redis, "idle, evicted", empty_bytes)
        evicted = await store.reader.load(_DOCUMENT)
        stored_bytes = sum(file.stat().st_size for file in objects.rglob("*") if file.is_file())
        segments = await store.archive.segments(_DOCUMENT)
        print(
            f"object store: {_mib(stored_bytes)}, {len(segments)} history segments; snapshotter {seconds:.0f} s"
        )
        print(
            "the same text and revision as recorded:",
            loaded.document.text == evicted.document.text == trace.text,
            evicted.revision == count,
        )
        await redis.aclose()


async def _write(redis: Redis, trace: SequentialTrace) -> int:
    shard, mac, head = shard_of(_DOCUMENT, SHARDS), "", 0
    await redis.set(shard.owner, "bench")
    script = CommitScript(redis, "bench")
    deltas = transaction_deltas(trace.transactions)
    while page := list(islice(deltas, _BATCH)):
        before = _position(head, mac)
        commits: list[bytes] = []
        for delta in page:
            head += 1
            commit = Commit(
                revision=Revision(head),
                delta=delta,
                author=AuthorId("bench"),
                client_id=ClientId("bench"),
                client_sequence=ClientSequence(head),
                at=head,
                epoch=1,
            )
            sealed = CHAIN_KEY.seal(_DOCUMENT, commit, mac)
            mac = sealed.mac
            commits.append(encode_commit(sealed))
        write = DocumentWrite(_DOCUMENT, before, _position(head, mac), b"", tuple(commits))
        old, new = (f"{number}-0" for number in (before.head, head))
        (outcome,) = await script.run([BatchWrite(shard, old, new, [write])])
        if not isinstance(outcome, Committed):
            raise TypeError(f"the commit script answered {outcome}")
    return head


def _position(head: int, mac: str) -> Position:
    return Position(1 if head else 0, Revision(head), mac, Revision(0), Revision(0), 0)


async def _is_settled(redis: Redis) -> bool:
    shard = shard_of(_DOCUMENT, SHARDS)
    return await redis.zscore(shard.changed, _DOCUMENT) is None


async def _is_evicted(redis: Redis) -> bool:
    return not await redis.exists(shard_of(_DOCUMENT, SHARDS).document(_DOCUMENT))


async def _tell(redis: Redis, when: str, empty_bytes: int) -> None:
    shard = shard_of(_DOCUMENT, SHARDS)
    keys = {"log": shard.log(_DOCUMENT), "position": shard.document(_DOCUMENT)}
    sizes = {name: await redis.memory_usage(key, samples=0) or 0 for name, key in keys.items()}
    kept = await redis.xlen(shard.log(_DOCUMENT))
    more = await _used_bytes(redis) - empty_bytes
    print(
        f"{when}: log {_mib(sizes['log'])} ({kept} commits), position {sizes['position']} B; "
        f"all of Redis {_mib(more)} more than empty",
        flush=True,
    )


async def _used_bytes(redis: Redis) -> int:
    await redis.memory_purge()
    return int((await redis.info("memory"))["used_memory"])


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.2f} MiB"


def main() -> None:
    """Measure with the trace in the folder that COEDIT_TRACES names."""
    trace = read_trace((Path(os.environ["COEDIT_TRACES"]) / "automerge-paper.json.gz").read_bytes())
    if not isinstance(trace, SequentialTrace):
        raise TypeError("the trace has several writers")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(trace, Path(folder)))


if __name__ == "__main__":
    main()
