"""How a whole deployment is: what Redis, the object store and the processes' notes say, at one moment."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from coedit.store.deployment.deployment import MARKER
from coedit.store.deployment.notes import ProcessNote, read_notes
from coedit.store.keys import Shard
from coedit.store.objects.object_store import ObjectStore, ObjectStoreError
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.durability import Level
from coedit.store.redis.topology import Nodes
from coedit.store.streams.ops import OpsStream, Queue

HOT_SECONDS = 60
"""Who was edited in so long counts as hot."""
_PATIENCE_SECONDS = 5.0
_AT_ONCE = 64
"""So many shards are asked for in one go: to pack and read that takes some milliseconds."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard; who works on it, by the first letters of their tokens, empty: nobody does."""

    shard: int
    transformer: str = ""
    snapshotter: str = ""
    presence: str = ""
    queued: int = 0
    queue_age_seconds: float = 0.0
    changed: int = 0
    """Documents with commits above their snapshot."""
    waiting_seconds: float = 0.0
    """How long ago the last commit was of the document that has waited longest for a snapshot of it."""
    hot: int = 0
    quarantined: int = 0
    suspect: bool = False
    """Whether it waits for what Redis lost."""
    error: str = ""
    """Why nothing is known of it."""


@dataclass(frozen=True, slots=True)
class MasterStatus:
    """One of Redis's masters."""

    address: str
    latency_ms: float = 0.0
    memory_share: float = 0.0
    """Of ``maxmemory``; 0: it has none."""
    replicas: int = 0
    append_only: bool = False
    is_writing: bool = False
    """Whether its last write to its file went well."""
    evicts: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The object store, by one reading."""

    kind: str
    latency_ms: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """All of it."""

    durability: Level
    replica_count: int
    masters: Sequence[MasterStatus]
    shards: Sequence[ShardStatus]
    store: StoreStatus
    processes: Sequence[ProcessNote] = field(default=())
    error: str = ""
    """Why nothing is known of the processes."""


class Survey:
    """Looks at a deployment; `look` costs some commands for each shard, and one reading of the object store."""

    def __init__(
        self,
        nodes: Nodes,
        objects: ObjectStore,
        shard_count: int,
        durability: tuple[Level, int],
        store_kind: str,
    ) -> None:
        """``durability`` is the level and the number of replicas, ``store_kind`` what the object store is called."""
        self._nodes = nodes
        self._objects = objects
        self._shards = [Shard(number) for number in range(shard_count)]
        self._ops = OpsStream(nodes)
        self._durability = durability
        self._store_kind = store_kind

    async def look(self) -> DeploymentStatus:
        """Return how it is; what cannot be reached is said to be so."""
        masters, shards, store, (processes, error) = await asyncio.gather(
            self._masters(), self._all_shards(), self._store(), self._processes()
        )
        return DeploymentStatus(*self._durability, masters, shards, store, processes, error)

    async def _masters(self) -> list[MasterStatus]:
        return list(await asyncio.gather(*map(_master, self._nodes.masters())))

    async def _processes(self) -> tuple[list[ProcessNote], str]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await read_notes(self._nodes), ""
        except TROUBLE as error:
            return [], type(error).__name__

    async def _store(self) -> StoreStatus:
        began_at = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await self._objects.read(MARKER)
        except (ObjectStoreError, OSError, TimeoutError) as error:
            return StoreStatus(self._store_kind, _ms_since(began_at), type(error).__name__)
        return StoreStatus(self._store_kind, _ms_since(began_at), "" if found else "no marker")

    async def _all_shards(self) -> list[ShardStatus]:
        known: dict[Shard, ShardStatus] = {}
        placed = self._nodes.by_node(self._shards)
        parts = await asyncio.gather(*(self._shards_on(redis, some) for redis, some in placed.items()))
        for part in parts:
            known |= part
        return [known.get(shard, ShardStatus(shard.number, error="nowhere")) for shard in self._shards]

    async def _shards_on(self, redis: Redis, shards: list[Shard]) -> dict[Shard, ShardStatus]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                queues = await self._ops.queues(shards)
                found: dict[Shard, ShardStatus] = {}
                for at in range(0, len(shards), _AT_ONCE):
                    found |= await _page(redis, shards[at : at + _AT_ONCE], queues)
                return found
        except TROUBLE as error:
            return {shard: ShardStatus(shard.number, error=type(error).__name__) for shard in shards}


async def _page(
    redis: Redis, shards: Sequence[Shard], queues: Mapping[Shard, Queue]
) -> dict[Shard, ShardStatus]:
    seconds, microseconds = await redis.time()
    now_ms = seconds * 1000 + microseconds // 1000
    async with redis.pipeline(transaction=False) as pipe:
        for shard in shards:
            _ask(pipe, shard, now_ms)
        replies = await pipe.execute()
    return {
        shard: _shard(shard, replies[at : at + _QUESTIONS], queues[shard], now_ms)
        for shard, at in zip(shards, range(0, len(replies), _QUESTIONS), strict=True)
        if shard in queues
    }


_QUESTIONS = 9


def _ask(pipe: Any, shard: Shard, now_ms: int) -> None:
    since_ms = now_ms - HOT_SECONDS * 1000
    pipe.get(shard.owner)
    pipe.get(shard.folder)
    pipe.get(shard.keeper)
    pipe.zcard(shard.changed)
    pipe.zrange(shard.changed, 0, 0, withscores=True)
    pipe.zcount(shard.changed, since_ms, "+inf")
    pipe.zcount(shard.idle, since_ms, "+inf")
    pipe.hlen(shard.damaged)
    pipe.hget(shard.incarnation, "suspect_until")


def _shard(shard: Shard, replies: Sequence[Any], queue: Queue, now_ms: int) -> ShardStatus:
    owner, folder, keeper, changed, oldest, hot, hot_idle, quarantined, suspect_until = replies
    return ShardStatus(
        shard.number,
        _shown(owner),
        _shown(folder),
        _shown(keeper),
        queued=queue.length,
        queue_age_seconds=queue.age_seconds,
        changed=changed,
        waiting_seconds=round(max(0.0, now_ms - oldest[0][1]) / 1000, 1) if oldest else 0.0,
        hot=hot + hot_idle,
        quarantined=quarantined,
        suspect=int(suspect_until or 0) > 0,  # over only once whoever owns it says so
    )


def _shown(token: bytes | None) -> str:
    return shown_token(token.decode()) if token else ""


def shown_token(token: str) -> str:
    """Return as much of a lease's token as logs show: enough to tell processes apart."""
    return token[:6]


async def _master(redis: Redis) -> MasterStatus:
    options = redis.connection_pool.connection_kwargs
    address = str(options.get("path") or f"{options.get('host')}:{options.get('port')}")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            began_at = time.perf_counter()
            await redis.time()
            latency_ms = _ms_since(began_at)
            facts: dict[str, Any] = await redis.info()
    except (RedisError, OSError, TimeoutError) as error:
        return MasterStatus(address, error=type(error).__name__)
    bound_bytes = int(facts.get("maxmemory", 0))
    return MasterStatus(
        address,
        latency_ms,
        memory_share=round(int(facts.get("used_memory", 0)) / bound_bytes, 4) if bound_bytes else 0.0,
        replicas=int(facts.get("connected_slaves", 0)),
        append_only=bool(facts.get("aof_enabled", 0)),
        is_writing=facts.get("aof_last_write_status", "ok") == "ok",
        evicts=facts.get("maxmemory_policy", "noeviction") != "noeviction",
    )


def _ms_since(began_at: float) -> float:
    return round((time.perf_counter() - began_at) * 1000, 2)
