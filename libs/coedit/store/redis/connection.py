"""Connections to Redis."""

from collections.abc import Callable
from typing import Any

from prometheus_client import Counter
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from coedit.errors import UnavailableError
from coedit.store.redis.server_pin import Pins, ServerPin

TROUBLE = (RedisError, OSError, TimeoutError)
"""What an operation on Redis raises when Redis cannot do it now."""

_DOUBTFUL = (AskError, ClusterDownError, ReadOnlyError, RedisConnectionError, RedisTimeoutError, OSError)
"""After which a shard may lie elsewhere; MOVED is an ASK, and MASTERDOWN a CLUSTERDOWN, to redis-py."""


def shakes_topology(error: Exception) -> bool:
    """Return whether an error says, or may say, that what was asked for lies elsewhere."""
    return isinstance(error, _DOUBTFUL)


def told(trouble: BaseException) -> UnavailableError:
    """Return what people are told of trouble with Redis: why nothing is saved. Their programs try again."""
    if isinstance(trouble, OutOfMemoryError):
        return UnavailableError("the server is full: edits are saved once there is room")
    for code, reason in _REASONS.items():
        if code in str(trouble):
            return UnavailableError(f"the server cannot {reason}: edits are saved once it can")
    return UnavailableError("the server's store cannot be reached at the moment: edits are saved once it can")


_REASONS = {"MISCONF": "write to its disk", "NOREPLICAS": "reach its replicas"}
"""By the code of Redis's error, for which redis-py has no class."""


OnDoubt = Callable[[], None]

ANSWER_SECONDS = 5.0
"""How long Redis may take to answer."""

CONNECTS = Counter(
    "coedit_redis_connects_total",
    "Connections to Redis that were made, after a loss of one as well, or failed; by outcome.",
    ["outcome"],
)
_MADE, _FAILED = CONNECTS.labels("made"), CONNECTS.labels("failed")


class _SteadyConnection(Connection):
    """Says of a socket that was closed under it that the connection is lost; uvloop has a RuntimeError for that."""

    async def connect(self) -> None:
        if self.is_connected:  # asked for before each command
            return
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        except _DOUBTFUL:
            _FAILED.inc()
            raise
        _MADE.inc()

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        try:
            await super().send_packed_command(*args, **options)
        except RuntimeError as error:
            raise RedisConnectionError(f"the socket is closed: {error}") from error


class _SteadySSLConnection(_SteadyConnection, SSLConnection):
    """The same over TLS."""


class _DoubtingConnection(_SteadyConnection):
    """Calls ``on_doubt`` for errors that say, or may say, that what is looked for lies elsewhere."""

    def __init__(self, *, on_doubt: OnDoubt, **options: Any) -> None:
        super().__init__(**options)
        self._on_doubt = on_doubt

    async def connect(self) -> None:
        try:
            await super().connect()
        except _DOUBTFUL:
            self._on_doubt()
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except _DOUBTFUL:
            self._on_doubt()
            raise


class _DoubtingSSLConnection(_DoubtingConnection, SSLConnection):
    """The same over TLS."""


async def _refuse_replica(connection: Connection) -> None:
    """Prepare a connection, unless it is one to a replica, which would answer reads with what is old."""
    await connection.on_connect()
    await connection.send_command("ROLE")
    role = await connection.read_response()
    if role[0] != b"master":
        raise RedisConnectionError("it is not the master")


def connect(
    url: str,
    *,
    max_connections: int = 64,
    answer_seconds: float = ANSWER_SECONDS,
    on_doubt: OnDoubt | None = None,
    only_master: bool = False,
    pins: Pins | None = None,
) -> Redis:
    """Return a client for the one Redis at ``url``; it connects on first use.

    ``answer_seconds`` bounds every answer; a blocking read must ask for less than that. ``on_doubt`` is called
    when an error makes it doubtful that this is still the right server; ``only_master`` refuses a replica.
    With ``pins`` all connections reach one server, a master, or none (see `coedit.store.redis.server_pin`).
    """
    # A unix socket knows no keepalive.
    options: dict[str, Any] = {} if url.startswith("unix:") else {"socket_keepalive": True}
    if on_doubt is not None:
        options["on_doubt"] = on_doubt
    pin = ServerPin()
    if pins is not None:
        options["redis_connect_func"] = pin.connected
    elif only_master:
        options["redis_connect_func"] = _refuse_replica
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
        **options,
    )
    if on_doubt is not None:
        pool.connection_class = _DoubtingSSLConnection if url.startswith("rediss:") else _DoubtingConnection
    elif not url.startswith("unix:"):
        pool.connection_class = _SteadySSLConnection if url.startswith("rediss:") else _SteadyConnection
    redis = Redis.from_pool(pool)
    if pins is not None:
        pins.add(redis, pin)
    return redis
