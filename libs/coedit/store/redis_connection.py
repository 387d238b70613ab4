"""Connections to Redis, and whether the Redis behind them keeps what coedit promises."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from coedit.errors import CoeditError, UnavailableError
from coedit.store.server_pin import ServerPin

TROUBLE = (RedisError, OSError, TimeoutError)
"""What an operation on Redis raises when Redis cannot do it now."""

_MINIMUM_VERSION = (7, 0)
_ANSWER_SECONDS = 5.0


class UnsafeRedisError(CoeditError):
    """This Redis would break the configured durability; the message says why, and the remedy."""

    code = "unsafe-redis"


def connect(
    url: str,
    *,
    max_connections: int = 64,
    answer_seconds: float = _ANSWER_SECONDS,
    pin: ServerPin | None = None,
) -> Redis:
    """Return a client for the Redis at ``url``; it connects on first use.

    ``answer_seconds`` bounds every answer; a blocking read must ask for less than that. With a ``pin`` all
    connections reach one server, or none.
    """
    # A unix socket knows no keepalive.
    keepalive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    # Whoever finds all connections busy waits for one; the other kind of pool would raise.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=answer_seconds,
        socket_timeout=answer_seconds,
        socket_connect_timeout=2.0,
        health_check_interval=0,
        # One retry mends a connection that Redis closed; whoever calls decides about the rest.
        retry=Retry(ExponentialBackoff(cap=0.1, base=0.02), 1),
        retry_on_error=[RedisConnectionError],
        redis_connect_func=None if pin is None else pin.connected,
        **keepalive,
    )
    return Redis.from_pool(pool)


async def refuse_unsafe(redis: Redis, durability: str) -> None:
    """Refuse a Redis that would lose what an ack of level ``durability`` promises.

    Raises:
        UnsafeRedisError: with the reason and the remedy.
        UnavailableError: it cannot be asked.
    """
    try:
        await _refuse_unsafe(redis, durability)
    except TROUBLE as error:
        raise UnavailableError(f"Redis does not answer: {error}") from error


async def _refuse_unsafe(redis: Redis, durability: str) -> None:
    server = await redis.info("server")
    version = tuple(int(part) for part in str(server["redis_version"]).split(".")[:2])
    if version < _MINIMUM_VERSION:
        raise UnsafeRedisError(
            f"Redis {server['redis_version']} is too old; coedit needs 7.0 or newer, or Valkey"
        )
    policy = await _setting(redis, "maxmemory-policy")
    if policy not in ("noeviction", None):
        raise UnsafeRedisError(f"maxmemory-policy is {policy}: it would evict edits; set it to noeviction")
    if durability == "memory":
        return
    await _refuse_unsynced(redis)
    if durability == "replicated":
        await _refuse_unreplicated(redis)


async def _refuse_unsynced(redis: Redis) -> None:
    if await _setting(redis, "appendonly") == "no":
        raise UnsafeRedisError(
            "appendonly is no: nothing reaches the disk; set appendonly yes, or COEDIT_DURABILITY=memory"
        )
    fsync = await _setting(redis, "appendfsync")
    if fsync not in ("always", None):
        raise UnsafeRedisError(f"appendfsync is {fsync}: set it to always, or COEDIT_DURABILITY=memory")
    if await _setting(redis, "no-appendfsync-on-rewrite") == "yes":
        raise UnsafeRedisError(
            "no-appendfsync-on-rewrite is yes: edits are unsynced during a rewrite; set it to no"
        )


async def _refuse_unreplicated(redis: Redis) -> None:
    replication: dict[str, Any] = await redis.info("replication")
    if not replication.get("connected_slaves"):
        raise UnsafeRedisError("durability is replicated, but no replica is connected")


async def _setting(redis: Redis, name: str) -> str | None:
    """Return a setting of Redis, or None where a hosted Redis does not tell."""
    try:
        found = await redis.config_get(name)
    except ResponseError:
        return None
    value = found.get(name)
    return None if value is None else str(value)
