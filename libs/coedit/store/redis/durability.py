"""What an ack promises, and what that takes on the Redis at hand.

- ``memory``: Redis has the edit.
- ``fsync``: it is on the disk of the master. With ``appendfsync always`` Redis syncs before it replies and before it
  delivers what a script published. With ``everysec``, where there is WAITAOF, whoever wrote waits for it, some 100 ms.
- ``replicated``: on the disk of the master, and in the memory of all its replicas, for which whoever wrote waits.

Who waits tells nobody before: not by publishing, and not by reading either.
"""

import asyncio
import logging
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from coedit.errors import CoeditError, UnavailableError
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes

logger = logging.getLogger(__name__)

Level = Literal["memory", "fsync", "replicated"]

_WAIT_MS = 2000
_MINIMUM_VERSION = (7, 0)


class UnsafeRedisError(CoeditError):
    """This Redis would break the configured durability; the message says why, and the remedy."""

    code = "unsafe-redis"


class Durability:
    """A level, and once `check` has seen the Redis at hand, what has to be waited for."""

    def __init__(self, level: Level = "memory", replica_count: int = 1) -> None:
        self._level = level
        self._replica_count = replica_count if level == "replicated" else 0
        self._waits_for_disk = False
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def must_wait(self) -> bool:
        """Whether what was written must not be told yet when Redis replies."""
        return self._waits_for_disk or self._replica_count > 0

    def ask(self, pipe: Pipeline) -> int:
        """Add to a pipeline that has written something what waits for it, and for all that was written before.

        In the same pipeline, since WAIT and WAITAOF are about the writes of their own connection, and a client's
        commands may each take another one of its pool. Return how many of the last replies `confirmed` is to check.
        """
        if self._replica_count:
            pipe.execute_command("WAIT", self._replica_count, _WAIT_MS)
        if self._waits_for_disk:
            pipe.execute_command("WAITAOF", 1, 0, _WAIT_MS)
        return (self._replica_count > 0) + self._waits_for_disk

    def ask_after_reading(self, pipe: Pipeline, shard: Shard) -> int:
        """Add to a pipeline that only read what waits for all that it can have seen, whoever wrote it.

        That takes a write: Redis 7.0 waits for all that was there before its connection's last command, Valkey 9.1
        only for what the connection itself wrote (both tried). Return what `ask` does, with that write counted.
        """
        if not self.must_wait:
            return 0
        pipe.set(shard.barrier, b"")
        return 1 + self.ask(pipe)

    async def wait(self, redis: Redis, shard: Shard) -> None:
        """Return once all that a shard's node has now is durable.

        Raises:
            TimeoutError: it is not within two seconds.
            RedisError, OSError: Redis cannot say.
        """
        async with redis.pipeline(transaction=False) as pipe:
            if asked := self.ask_after_reading(pipe, shard):
                self.confirmed(await pipe.execute(raise_on_error=False), asked)

    def confirmed(self, replies: list[Any], asked: int) -> list[Any]:
        """Return the replies to what a pipeline was for, if the last ``asked`` say that all of it is durable.

        Raises:
            TimeoutError: it is not, or not known to be.
            RedisError: Redis could not say.
        """
        own = len(replies) - asked
        for answer in replies[own:]:
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, list) and answer[0] < 1:
                raise TimeoutError("it is not on disk yet")
            # Not True, which is the answer to the write of a reader.
            if type(answer) is int and answer < self._replica_count:
                raise TimeoutError(f"{answer} of {self._replica_count} replicas have it")
        return replies[:own]

    async def check(self, nodes: Nodes) -> None:
        """Look the masters up, and refuse one that would lose what an ack promises.

        A server that becomes a master later is looked at then: it is too late to refuse it, but not to say so.

        Raises:
            UnsafeRedisError: with the reason and the remedy.
            UnavailableError: it cannot be asked.
        """
        try:
            await nodes.refresh()
            for redis in nodes.masters():
                facts = await redis.info()
                _refuse_server(facts, is_cluster=nodes.is_cluster)
                await self._check_settings(redis, facts)
                if self._level == "replicated":
                    self._check_replicas(facts, await _setting(redis, "min-replicas-to-write"))
        except TROUBLE as error:
            raise UnavailableError(f"Redis does not answer: {error}") from error
        nodes.on_change(lambda: self._watch(nodes))

    def _watch(self, nodes: Nodes) -> None:
        task = asyncio.get_running_loop().create_task(self._look_again(nodes))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _look_again(self, nodes: Nodes) -> None:
        for redis in nodes.masters():
            try:
                await self._check_settings(redis, await redis.info())
            except UnsafeRedisError as error:
                logger.error("a master breaks the level", extra={"event": error.code, "reason": str(error)})
            except TROUBLE as error:
                logger.warning(
                    "a master cannot be checked", extra={"event": "unchecked", "error": repr(error)}
                )

    async def _check_settings(self, redis: Redis, facts: dict[str, Any]) -> None:
        policy = await _setting(redis, "maxmemory-policy")
        if policy not in ("noeviction", None):
            raise UnsafeRedisError(
                f"maxmemory-policy is {policy}: it would evict edits; set it to noeviction"
            )
        if self._level != "memory":
            await self._check_disk(redis, facts)

    async def _check_disk(self, redis: Redis, facts: dict[str, Any]) -> None:
        if await _setting(redis, "appendonly") == "no":
            raise UnsafeRedisError(
                "appendonly is no: nothing reaches the disk; set appendonly yes, or COEDIT_DURABILITY=memory"
            )
        if await _setting(redis, "no-appendfsync-on-rewrite") == "yes":
            raise UnsafeRedisError(
                "no-appendfsync-on-rewrite is yes: edits are unsynced during a rewrite; set it to no"
            )
        fsync = await _setting(redis, "appendfsync")
        if fsync == "always":
            return
        if fsync in ("everysec", None) and await _has_waitaof(redis):
            self._waits_for_disk = True
            logger.warning(
                "appendfsync is not always: each batch waits for the disk, some 100 ms",
                extra={"event": "waitaof", "appendfsync": fsync},
            )
        elif fsync is None:
            logger.warning("this Redis does not tell its appendfsync", extra={"event": "unknown-fsync"})
        else:
            raise UnsafeRedisError(
                f"appendfsync is {fsync}, and {_name(facts)} cannot wait for the disk otherwise: set it to always, "
                "or COEDIT_DURABILITY=memory (with everysec, Valkey and Redis from 7.2 on can wait, by WAITAOF)"
            )

    def _check_replicas(self, facts: dict[str, Any], minimum: str | None) -> None:
        connected = int(facts.get("connected_slaves", 0))
        if connected < self._replica_count:
            raise UnsafeRedisError(
                f"durability is replicated, and {connected} of {self._replica_count} replicas are connected: "
                "connect the others, or lower COEDIT_REPLICA_COUNT"
            )
        if connected > self._replica_count:
            raise UnsafeRedisError(
                f"{connected} replicas are connected, and acks wait for {self._replica_count}: a failover could "
                f"choose another one; set COEDIT_REPLICA_COUNT={connected}"
            )
        if minimum == "0":
            raise UnsafeRedisError(
                "min-replicas-to-write is 0: a master that lost its replicas would go on taking what it can never "
                "ack; set it to 1"
            )


def _refuse_server(facts: dict[str, Any], *, is_cluster: bool) -> None:
    version = tuple(int(part) for part in str(facts["redis_version"]).split(".")[:2])
    if version < _MINIMUM_VERSION:
        raise UnsafeRedisError(f"{_name(facts)} is too old; coedit needs Redis 7.0 or newer, or Valkey")
    if facts.get("redis_mode") == "cluster" and not is_cluster:
        raise UnsafeRedisError(
            "it is a node of a cluster, which has only a part of the documents: use redis+cluster://"
        )
    if facts.get("role") != "master":
        raise UnsafeRedisError(
            "it is a replica, which takes no writes: let COEDIT_REDIS_URL name the master, or use redis+sentinel://"
        )


def _name(facts: dict[str, Any]) -> str:
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts['redis_version']}"


async def _has_waitaof(redis: Redis) -> bool:
    try:
        await redis.execute_command("WAITAOF", 0, 0, 1)  # type: ignore[no-untyped-call]
    except ResponseError:
        return False
    return True


async def _setting(redis: Redis, name: str) -> str | None:
    """Return a setting of Redis, or None where a hosted Redis does not tell."""
    try:
        found = await redis.config_get(name)
    except ResponseError:
        return None
    value = found.get(name)
    return None if value is None else str(value)
