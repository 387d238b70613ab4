"""Keeps a client on the server that it has met: another one may lack what came last, so it is not written to unseen."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError


class ServerChangedError(RedisConnectionError):
    """The address leads to another server than before, or to the same one after a restart or a change of role."""


@dataclass(frozen=True, slots=True)
class Server:
    """One life of a server: its run id and the id of the history of writes that it continues."""

    identity: str
    is_promoted: bool
    """Whether it was a replica before: it may lack what its master had."""


class ServerPin:
    """The server that all connections of one client must reach: the first that is met after `release`."""

    def __init__(self) -> None:
        self.server = Server("", is_promoted=False)
        self.has_changed = False
        """Whether a connection led to another server; no new one is made until `release`."""

    def release(self) -> None:
        """Let the next connection decide; whoever calls this forgets what it knew of the old server."""
        self.server, self.has_changed = Server("", is_promoted=False), False

    async def connected(self, connection: Any) -> None:
        """Greet the server of a new connection, and look who it is: redis-py's ``redis_connect_func``.

        Raises:
            ServerChangedError: it is another one.
        """
        await connection.on_connect()
        await connection.send_command("INFO", "server", "replication")
        found = _server(await connection.read_response())
        if found is None:
            raise RedisConnectionError("it is not the master")
        if self.server.identity and found != self.server:
            self.has_changed = True
            raise ServerChangedError("Redis restarted, or another server took over")
        self.server = found


class Pins:
    """The pins of a topology's clients."""

    def __init__(self) -> None:
        self._pins: WeakKeyDictionary[Redis, ServerPin] = WeakKeyDictionary()

    def add(self, redis: Redis, pin: ServerPin) -> None:
        """Take note of a client's pin."""
        self._pins[redis] = pin

    def of(self, redis: Redis) -> ServerPin:
        """Return the pin of a client."""
        return self._pins[redis]


def _server(answer: Any) -> Server | None:
    """Return the server that an answer to INFO is from; None if it is a replica."""
    lines = bytes(answer).decode(errors="replace").splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    if facts.get("role") != "master":
        return None
    identity = f"{facts.get('run_id', '')}:{facts.get('master_replid', '')}"
    # A replica that became a master keeps the id of the history that it followed until then.
    return Server(identity, is_promoted=facts.get("master_replid2", "").strip("0") != "")
