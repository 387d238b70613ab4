"""Who works on which shard: leases with a random token, shared out evenly among the living.

A lease keeps two processes from doing the same work twice; it does not keep data safe. What must not happen twice is
fenced by the scripts, which compare the token with the one in Redis before they write.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable

from redis.asyncio import Redis

from coedit.store.keys import Shard, members

logger = logging.getLogger(__name__)

# Both compare and act in one step: a lease that expired and went to somebody else is left alone.
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class ShardLeases:
    """The leases that one process holds on the shards of a deployment, in one role.

    ``keep`` is called every third of ``ttl_seconds``. Each member takes free shards until it has its fair share, and
    gives back what is above it, so that shards move when members come and go.
    """

    def __init__(
        self, redis: Redis, role: str, key: Callable[[Shard], str], shard_count: int, ttl_seconds: float
    ) -> None:
        self._redis = redis
        self._role = role
        self._key = key
        self._shards = [Shard(number) for number in range(shard_count)]
        self._ttl_ms = int(ttl_seconds * 1000)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)
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
        share = -(-len(self._shards) // await self._count_members())
        kept = await self._renewed()
        self.held = set(kept)
        for shard in sorted(self.held, key=lambda shard: shard.number)[share:]:
            await self.release(shard)
        if len(self.held) < share:
            await self._take(share - len(self.held))
        return self.held - kept, (before - kept) | (kept - self.held)

    async def release(self, shard: Shard) -> None:
        """Give a shard back, so that another takes it at once."""
        self.held.discard(shard)
        await self._release(keys=[self._key(shard)], args=[self.token])

    async def leave(self) -> None:
        """Give everything back and be counted no more."""
        await self._redis.zrem(members(self._role), self.token)
        await asyncio.gather(*(self.release(shard) for shard in list(self.held)))

    async def _count_members(self) -> int:
        seconds, microseconds = await self._redis.time()
        now_ms = seconds * 1000 + microseconds // 1000
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(members(self._role), {self.token: now_ms})
            pipe.zremrangebyscore(members(self._role), "-inf", now_ms - self._ttl_ms)
            pipe.zcard(members(self._role))
            *_, count = await pipe.execute()
        return max(1, int(count))

    async def _renewed(self) -> set[Shard]:
        held = list(self.held)
        if not held:
            return set()
        async with self._redis.pipeline(transaction=False) as pipe:
            for shard in held:
                await self._renew(keys=[self._key(shard)], args=[self.token, self._ttl_ms], client=pipe)
            kept = await pipe.execute()
        return {shard for shard, alive in zip(held, kept, strict=True) if alive}

    async def _take(self, wanted: int) -> None:
        for shard in await self._free():
            if wanted == 0:
                return
            if await self._redis.set(self._key(shard), self.token, nx=True, px=self._ttl_ms):
                self.held.add(shard)
                wanted -= 1

    async def _free(self) -> list[Shard]:
        # Members begin at different shards, so that they do not race for the same ones.
        start = int.from_bytes(self.token.encode()[:4]) % len(self._shards)
        shards = self._shards[start:] + self._shards[:start]
        async with self._redis.pipeline(transaction=False) as pipe:
            for shard in shards:
                pipe.exists(self._key(shard))
            taken = await pipe.execute()
        return [shard for shard, is_taken in zip(shards, taken, strict=True) if not is_taken]
