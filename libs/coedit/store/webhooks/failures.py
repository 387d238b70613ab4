"""What could not be delivered: ``failed:{s}`` of all shards, as one list, the newest first."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from coedit.errors import InvalidRequestError
from coedit.store.keys import Shard
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script


class _Place(NamedTuple):
    """Where a failure stands; greater is newer."""

    at_ms: int
    sequence: int
    shard: int

    def __str__(self) -> str:
        return f"{self.at_ms}-{self.sequence}-{self.shard}"


@dataclass(frozen=True, slots=True)
class Failure:
    """One event that an endpoint was not told."""

    id: str
    """By which it is sent again."""
    message_id: str
    """The ``webhook-id`` that it was tried with, and will be."""
    endpoint: str
    kind: str
    body: dict[str, Any]
    attempts: int
    reason: str
    happened_at_ms: int
    failed_at_ms: int


class Failures:
    """Lists failures, and has them sent again."""

    def __init__(self, nodes: Nodes, shard_count: int) -> None:
        self._nodes = nodes
        self._shards = [Shard(number) for number in range(shard_count)]
        self._send_again = Script("send_again.lua")

    async def list(self, before: str, limit: int) -> list[Failure]:
        """Return the newest failures older than the one with the id ``before``; empty: the newest of all.

        Raises:
            InvalidRequestError: ``before`` is no such id.
            RedisError, OSError: Redis cannot be asked now.
        """
        bound = self._place(before) if before else None
        # Of the same moment the id's shard and those below it may have more.
        newest = "+" if bound is None else f"{bound.at_ms}-{bound.sequence}"
        found: list[Any] = await self._nodes.each(
            self._shards,
            lambda shard: shard,
            lambda pipe, shard: pipe.xrevrange(shard.failed, max=newest, count=limit + 1),
        )
        placed = [
            (_place(f"{entry_id.decode()}-{shard.number}"), fields)
            for shard, entries in zip(self._shards, found, strict=True)
            for entry_id, fields in entries
        ]
        older = sorted(
            (item for item in placed if bound is None or item[0] < bound), key=lambda item: item[0]
        )
        return [_failure(*item) for item in older[::-1][:limit]]

    async def endpoint_of(self, failure_id: str) -> str | None:
        """Return whom a failure was for; None: there is no such failure.

        Raises:
            InvalidRequestError: it is no id.
            RedisError, OSError: Redis cannot be asked now.
        """
        place = self._place(failure_id)
        entry_id, shard = f"{place.at_ms}-{place.sequence}", Shard(place.shard)
        found: Any = await self._nodes.at(shard).xrange(shard.failed, entry_id, entry_id)
        return found[0][1][b"endpoint"].decode() if found else None

    async def send_again(self, failure_id: str, endpoint: str) -> bool:
        """Put a failure back into its endpoint's queue; return False where it is not there.

        Raises:
            InvalidRequestError: it is no id.
            RedisError, OSError: it may or may not be sent again.
        """
        place = self._place(failure_id)
        shard = Shard(place.shard)
        keys = [shard.failed, shard.deliveries(endpoint), shard.due(endpoint), shard.endpoints]
        arguments = [f"{place.at_ms}-{place.sequence}", endpoint]
        return bool(await self._send_again.run(self._nodes.at(shard), keys, arguments))

    def _place(self, failure_id: str) -> _Place:
        parts = failure_id.split("-")
        if len(parts) != 3 or not all(
            part.isascii() and part.isdigit() and len(part) <= 16 for part in parts
        ):
            raise InvalidRequestError("that is no failure's id")
        place = _place(failure_id)
        if place.shard >= len(self._shards):
            raise InvalidRequestError("that is no failure's id")
        return place


def _place(failure_id: str) -> _Place:
    at_ms, sequence, shard = map(int, failure_id.split("-"))
    return _Place(at_ms, sequence, shard)


def _failure(place: _Place, fields: dict[bytes, bytes]) -> Failure:
    return Failure(
        str(place),
        fields[b"id"].decode(),
        fields[b"endpoint"].decode(),
        fields[b"type"].decode(),
        orjson.loads(fields[b"body"]),
        int(fields[b"attempts"]),
        fields[b"reason"].decode(),
        int(fields[b"since"].partition(b"-")[0]),
        place.at_ms,
    )
