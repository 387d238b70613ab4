"""Who works on which shard: leases with a random token, shared out evenly among the living.

A lease keeps two processes from doing the same work twice; it does not keep data safe. What must not happen twice is
fenced by the scripts, which compare the token with the one in Redis before they write.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any

from coedit.store.keys import Shard, members, moves
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes

logger = logging.getLogger(__name__)

_LONGEST_BLOCK_MS = 2000

# Both compare and act in one step: a lease that expired and went to somebody else is left alone.
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class ShardLeases:
    """The leases that one process holds on the shards of a deployment, in one role.

    ``keep`` is called every third of ``ttl_seconds``, and when `wait_for_move` says so. Each member takes free shards
    until it has its fair share, and gives back what is above it, so that shards move when members come and go. Trouble
    with one node of several leaves the leases on the others alone.
    """

    def __init__(
        self, nodes: Nodes, role: str, key: Callable[[Shard], str], shard_count: int, ttl_seconds: float
    ) -> None:
        self._nodes = nodes
        self._role = role
        self._key = key
        self._shards = [Shard(number) for number in range(shard_count)]
        self._ttl_ms = int(ttl_seconds * 1000)
        self._member_count = 0
        self._last_move = "0-0"
        self._is_member = False
        self.token = secrets.token_urlsafe(12)
        self.held: set[Shard] = set()

    @property
    def interval_seconds(self) -> float:
        """How often `keep` wants to be called."""
        return self._ttl_ms / 3000

    async def keep(self) -> tuple[set[Shard], set[Shard]]:
        """Renew, take and give back leases; return the shards gained and the shards lost.

        A shard that expired and was taken again is in both: somebody else may have worked on it in between.
        """
        before = set(self.held)
        kept = await self.renew(self._nodes)
        self.held = set(kept)
        share = await self._share()
        surplus = sorted(self.held, key=lambda shard: shard.number)[share:]
        if surplus:
            await self._release(surplus)
        if len(self.held) < share:
            await self._take(share - len(self.held))
        return self.held - kept, (before - kept) | (kept - self.held)

    async def renew(self, nodes: Nodes) -> set[Shard]:
        """Renew what is held, by way of ``nodes``, and change nothing else; return what may still be ours.

        Raises:
            RedisError, OSError: no node can be asked now.
        """
        held = list(self.held)
        if not held:
            return set()
        kept = await nodes.each(
            held,
            lambda shard: shard,
            lambda pipe, shard: pipe.eval(_RENEW, 1, self._key(shard), self.token, self._ttl_ms),
            raise_on_error=False,
        )
        _refuse_only_errors(kept)
        # Whether a lease could be renewed may be unknown: if it is somebody else's, the scripts will say so.
        return {shard for shard, alive in zip(held, kept, strict=True) if alive}

    async def wait_for_move(self, stop: asyncio.Event) -> None:
        """Return when a member came or gave shards back, on ``stop``, or after `interval_seconds`.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        listening = asyncio.create_task(self._listen())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                listening.result()
        finally:
            listening.cancel()
            stopping.cancel()

    async def leave(self) -> None:
        """Give everything back, so that others take it at once, and be counted no more."""
        self._is_member = False
        name = members(self._role)
        try:
            await self._nodes.of(name).zrem(name, self.token)
            await self._release(list(self.held))
        except TROUBLE as error:
            facts = {"event": "leave-error", "role": self._role, "error": repr(error)}
            logger.warning("leases could not be given back; they end by themselves", extra=facts)

    async def _release(self, shards: Collection[Shard]) -> None:
        """Give shards back. Where that fails the lease ends by itself, renewed no more."""
        self.held -= set(shards)
        await self._nodes.each(
            list(shards),
            lambda shard: shard,
            lambda pipe, shard: pipe.eval(_RELEASE, 1, self._key(shard), self.token),
            raise_on_error=False,
        )
        await self._tell_move()

    async def _tell_move(self) -> None:
        """Wake the others of the role; they would look by themselves, but only a third of a lease later."""
        name = moves(self._role)
        await self._nodes.of(name).xadd(name, {"member": self.token}, maxlen=1, approximate=False)

    async def _listen(self) -> None:
        """Wait for a move, in blocking reads that are each shorter than Redis may take to answer."""
        left_ms, name = self._ttl_ms // 3, moves(self._role)
        while left_ms > 0:
            block_ms = min(left_ms, _LONGEST_BLOCK_MS)
            found = await self._nodes.of(name).xread({name: self._last_move}, block=block_ms)
            if found:
                self._last_move = _last_id(found)
                return
            left_ms -= block_ms

    async def _share(self) -> int:
        try:
            self._member_count = await self._count_members()
        except TROUBLE as error:
            if self._member_count == 0:
                raise
            # They are counted on one node; the leases lie on all of them.
            facts = {"event": "members-unknown", "error": repr(error)}
            logger.warning("the members cannot be counted; as many as before are assumed", extra=facts)
        return -(-len(self._shards) // self._member_count)

    async def _count_members(self) -> int:
        redis = self._nodes.of(members(self._role))
        seconds, microseconds = await redis.time()
        now_ms = seconds * 1000 + microseconds // 1000
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zadd(members(self._role), {self.token: now_ms})
            pipe.zremrangebyscore(members(self._role), "-inf", now_ms - self._ttl_ms)
            pipe.zcard(members(self._role))
            *_, count = await pipe.execute()
        if not self._is_member:
            self._is_member = True
            await self._tell_move()
        return max(1, int(count))

    async def _take(self, wanted: int) -> None:
        for shard in await self._free():
            if wanted == 0:
                return
            if await self._nodes.at(shard).set(self._key(shard), self.token, nx=True, px=self._ttl_ms):
                self.held.add(shard)
                wanted -= 1

    async def _free(self) -> list[Shard]:
        # Members begin at different shards, so that they do not race for the same ones.
        start = int.from_bytes(self.token.encode()[:4]) % len(self._shards)
        shards = self._shards[start:] + self._shards[:start]
        taken = await self._nodes.each(
            shards,
            lambda shard: shard,
            lambda pipe, shard: pipe.exists(self._key(shard)),
            raise_on_error=False,
        )
        _refuse_only_errors(taken)
        return [shard for shard, is_taken in zip(shards, taken, strict=True) if not is_taken]


def _refuse_only_errors(answers: list[Any]) -> None:
    """Raise the first of the errors, if there is no other answer: then it is not one node's trouble."""
    if answers and all(isinstance(answer, Exception) for answer in answers):
        raise answers[0]


def _last_id(reply: Any) -> str:
    """Return the id of the last entry that XREAD found in one stream, in either protocol version of Redis."""
    pages = next(iter(reply.values())) if isinstance(reply, dict) else [reply[0][1]]
    entry_id: bytes = pages[0][-1][0]
    return entry_id.decode()
