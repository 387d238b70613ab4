"""What each process says of itself now and then, so that one can be asked about all of them.

A note lies in Redis under `coedit.store.keys.process`, and goes by itself once its process says nothing more. Which
processes there are stands in ``members:ROLE``: those that share shards are there by their leases, gateways by this.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgpack

from coedit.store.keys import Shard, members, process
from coedit.store.redis.clocks import Clocks
from coedit.store.redis.topology import Nodes

Role = Literal["gateway", "transformer", "presence", "snapshotter"]
ROLES: tuple[Role, ...] = ("gateway", "transformer", "presence", "snapshotter")
NOTE_SECONDS = 2.0
"""Between two notes of a process."""
_TTL_MS = 10_000
_MOST_PROCESSES = 1000
"""Of a role, that are told of."""


@dataclass(frozen=True, slots=True)
class ProcessNote:
    """One process; of one that says nothing of itself, since it is of an earlier version, only role and token."""

    role: Role
    token: str
    version: str = ""
    host: str = ""
    pid: int = 0
    uptime_seconds: float = 0.0
    about: dict[str, Any] | None = None
    """What is to be said of a process of its role, in plain JSON."""


_SAID = ("version", "host", "pid", "uptime_seconds", "about")
"""What a note holds; what else one of a later version has is passed over."""


class Notes:
    """Writes the notes of one process, whose ``token`` nobody else has; ``about`` returns what is to be said now."""

    def __init__(
        self, nodes: Nodes, role: Role, token: str, version: str, about: Callable[[], dict[str, Any]]
    ) -> None:
        self.clocks = Clocks(nodes)
        self._nodes = nodes
        self._role: Role = role
        self._token = token
        self._about = about
        self._fixed = {"version": version, "host": platform.node()[:64], "pid": os.getpid()}
        self._began_at = time.monotonic()

    async def write(self, on_round_trip: Callable[[float], None]) -> None:
        """Ask what time it is, and write a note; ``on_round_trip`` is told how long each master took to answer.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        try:
            for seconds in await self.clocks.look():
                on_round_trip(seconds)
        finally:  # one master of several that does not answer keeps nobody from saying that it lives
            await self._write()

    async def _write(self) -> None:
        uptime_seconds = round(time.monotonic() - self._began_at, 1)
        packed: bytes = msgpack.packb(
            self._fixed | {"uptime_seconds": uptime_seconds, "about": self._about()}
        )
        key = process(self._role, self._token)
        await self._nodes.of(key).set(key, packed, px=_TTL_MS)
        if self._role == "gateway":
            await self._be_member()

    async def withdraw(self) -> None:
        """Be counted no more; the note goes by itself.

        Raises:
            RedisError, OSError: Redis cannot be asked now; then one is counted for some seconds.
        """
        if self._role == "gateway":
            name = members(self._role)
            await self._nodes.of(name).zrem(name, self._token)

    async def _be_member(self) -> None:
        name = members(self._role)
        redis = self._nodes.of(name)
        now_ms = self.clocks.now_ms(redis)
        if now_ms is None:  # a master that is new here; the next note has it
            return
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zadd(name, {self._token: int(now_ms)})
            pipe.zremrangebyscore(name, "-inf", int(now_ms) - _TTL_MS)
            await pipe.execute()


async def living(nodes: Nodes, role: Role) -> list[str]:
    """Return the tokens of a role's processes that gave a sign of life lately.

    Raises:
        RedisError, OSError: Redis cannot be asked now.
    """
    return [token for token, silent_ms in (await _members(nodes, role)).items() if silent_ms < _TTL_MS]


async def read_notes(nodes: Nodes) -> list[ProcessNote]:
    """Return what all processes that live say of themselves, by role.

    Raises:
        RedisError, OSError: Redis cannot be asked now.
    """
    found = []
    for role in ROLES:
        found += await _read_of(nodes, role)
    return found


async def _read_of(nodes: Nodes, role: Role) -> list[ProcessNote]:
    """Return the notes of those who have one, and of those who have none and gave another sign of life lately."""
    silent = await _members(nodes, role)
    if not silent:
        return []
    keys = [process(role, token) for token in silent]
    packed = cast("list[bytes | None]", await nodes.at(Shard(0)).mget(keys))
    return [
        _note(role, token, note)
        for (token, silent_ms), note in zip(silent.items(), packed, strict=True)
        if note is not None or silent_ms < _TTL_MS
    ]


async def _members(nodes: Nodes, role: Role) -> dict[str, float]:
    """Return the tokens of a role's processes, and for how long (ms) each gave no sign of life in ``members:ROLE``."""
    name = members(role)
    redis = nodes.of(name)
    seconds, _ = await redis.time()
    found = await redis.zrange(name, 0, _MOST_PROCESSES - 1, withscores=True)
    tokens = cast("list[tuple[bytes, float]]", found)
    return {token.decode(): seconds * 1000 - at_ms for token, at_ms in tokens}


def _note(role: Role, token: str, packed: bytes | None) -> ProcessNote:
    fields = {} if packed is None else msgpack.unpackb(packed)
    return ProcessNote(role, token, **{name: fields[name] for name in _SAID if name in fields})
