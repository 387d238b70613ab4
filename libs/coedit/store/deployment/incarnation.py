"""Whether Redis still holds what it held: each shard's incarnation, and the deployment's marker in the object store.

A Redis that lost its data looks like one that is new. So each shard has an incarnation in Redis, and the deployment a
marker where it cannot be lost together with it: an incarnation that is absent while the marker is there was lost.
And since a server that restarted, or another one that took over, may lack what came last, the incarnation names the
server on which it was last worked with.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, cast

import msgpack

from coedit.errors import ObjectStoreError, UnavailableError
from coedit.store.deployment.deployment import MARKER, check_shard_count, shards_of_marker
from coedit.store.keys import Shard
from coedit.store.objects.object_store import ObjectStore
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.server_pin import Server
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

Doubt = Literal["", "wiped", "restarted", "promoted"]


@dataclass(frozen=True, slots=True)
class Incarnation:
    """What a shard in Redis is; ``suspect_until_ms`` is a time by Redis's clock, 0: nothing is suspect."""

    id: str
    suspect_until_ms: int
    reason: Doubt = ""
    """Why it is suspect, where that was found just now."""


@dataclass(frozen=True, slots=True)
class Grace:
    """For how long a shard is suspect, so that those who hold what Redis lost can come back and say so."""

    loss_seconds: float
    """After a wipe, or a failover to a replica."""
    restart_seconds: float
    """After a restart on the same data."""


class Incarnations:
    """The incarnations of a deployment's shards, as the owner with the lease token ``token`` finds and makes them."""

    def __init__(
        self,
        nodes: Nodes,
        objects: ObjectStore,
        token: str,
        shard_count: int,
        grace: Grace,
        on_loss: Callable[[Shard], Awaitable[None]] | None = None,
    ) -> None:
        """``on_loss`` is awaited before a shard that may have lost something begins anew."""
        self._on_loss = on_loss
        self._nodes = nodes
        self._objects = objects
        self._token = token
        self._shard_count = shard_count
        self._grace_ms: dict[Doubt, int] = {
            "": 0,
            "wiped": int(grace.loss_seconds * 1000),
            "promoted": int(grace.loss_seconds * 1000),
            "restarted": int(grace.restart_seconds * 1000),
        }
        self._incarnate = Script("incarnate.lua")
        self._clear = Script("clear_suspicion.lua")

    async def begin_deployment(self) -> None:
        """Make the marker where there is none, once every shard has an incarnation; safe to do at every start.

        Raises:
            ShardCountError: it was begun with another number of shards.
            UnavailableError: a store cannot do it now.
        """
        marker = await self._objects.read(MARKER)
        if marker is None:
            await self._incarnate_all()
            await self._objects.create(MARKER, msgpack.packb({"format": 1, "shard_count": self._shard_count}))
            marker = await self._objects.read(MARKER)
        if marker is None:
            raise ObjectStoreError("the deployment's marker was made and is not there")
        check_shard_count(shards_of_marker(marker), self._shard_count)

    async def _incarnate_all(self) -> None:
        try:
            await self._nodes.each(
                [Shard(number) for number in range(self._shard_count)],
                lambda shard: shard,
                lambda pipe, shard: pipe.hsetnx(shard.incarnation, "id", secrets.token_hex(8)),
            )
        except TROUBLE as error:
            raise UnavailableError(f"the deployment cannot be begun in Redis now: {error}") from error

    async def examine(self, shard: Shard, server: Server) -> Incarnation | None:
        """Return what a shard that was just gained is, on this ``server``; None if it is not ours.

        Raises:
            RedisError, OSError: Redis cannot tell now.
        """
        fields = ["id", "server", "suspect_until"]
        known = cast("list[bytes | None]", await self._nodes.at(shard).hmget(shard.incarnation, fields))
        found_id, found_server, suspect_until = (value.decode() if value else "" for value in known)
        if found_id and found_server == server.identity:
            return Incarnation(found_id, int(suspect_until or 0))
        if found_id and not found_server:  # nobody has worked with it yet
            return await self._begin(shard, found_id, found_id, server, "")
        if self._on_loss is not None:
            await self._on_loss(shard)
        reason: Doubt = "wiped" if not found_id else "promoted" if server.is_promoted else "restarted"
        return await self._begin(shard, found_id, secrets.token_hex(8), server, reason)

    async def clear(self, shard: Shard, incarnation: Incarnation, last_offer: str) -> bool:
        """Note that a shard is suspect no more; False if it is not ours, or not as we know it."""
        return bool(
            await self._clear.run(
                self._nodes.at(shard),
                [shard.owner, shard.incarnation, shard.offers],
                [self._token, incarnation.id, last_offer],
            )
        )

    async def _begin(
        self, shard: Shard, known_id: str, new_id: str, server: Server, reason: Doubt
    ) -> Incarnation | None:
        answer = await self._incarnate.run(
            self._nodes.at(shard),
            [shard.owner, shard.incarnation],
            [self._token, known_id, new_id, server.identity, self._grace_ms[reason]],
        )
        found = cast("list[bytes]", answer)
        return Incarnation(found[0].decode(), int(found[1]), reason) if found else None
