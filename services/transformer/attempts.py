"""How often what waits in a shard was begun, and ended whoever began it.

An input may end a process: by a defect below Python, by memory, by a call that never comes back. The next owner of the
shard reads it again. So before the first batch of a shard that was gained, its owner notes where it begins; what was
noted there by others is what was not finished. Then entries are decided one by one, and at last the one that everybody
ended over is refused.
"""

import time
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from coedit.store.keys import Shard

_NORMAL_MOST = 2
"""So many may begin a batch in vain before its entries are decided one by one."""
_APART_MOST = 2
"""So many may begin one entry in vain before it is refused."""
_APART_ENTRIES = 1024
"""After so many entries that were decided one by one, a batch may have several again."""
_BUSY_SECONDS = 1.0
"""Whoever was fenced after less processor time was not held up by what it decided, but by the machine, or paused."""
_KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Care:
    """How what waits is to be begun: ``is_apart``, one entry alone; ``is_refused``, not at all.

    ``is_blind``: whoever refused it ended as well, so that it is not even to be read.
    """

    is_apart: bool = False
    is_refused: bool = False
    is_blind: bool = False


class Attempts:
    """The notes of one process, in ``begun:{s}``; those of others are what it learns from."""

    def __init__(self, redis: Redis, token: str) -> None:
        self._redis = redis
        self._token = token
        self._lives: dict[Shard, int] = {}
        """How often this process was fenced in a shard by what it decided; that counts as another's attempt."""
        self._apart_left: dict[Shard, int] = {}
        self._begun_at: dict[Shard, float] = {}
        """By the processor time of this process."""

    def gained(self, shard: Shard) -> None:
        """Take note that a shard was gained: what waits there may have ended somebody."""
        self._apart_left[shard] = 0

    def lost(self, shard: Shard, *, is_fenced: bool = False) -> None:
        """Take note that a shard is gone; ``is_fenced``: while this process was deciding."""
        is_noted = self._apart_left.pop(shard, None) is not None
        busy_seconds = time.process_time() - self._begun_at.pop(shard, float("inf"))
        if is_fenced and is_noted and busy_seconds > _BUSY_SECONDS:
            self._lives[shard] = self._lives.get(shard, 0) + 1

    async def begin(self, shard: Shard, cursor: str) -> Care:
        """Return how to begin with what is behind ``cursor``; notes it where nothing of the shard is finished yet.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        if shard not in self._apart_left:
            return Care()
        noted = cast("dict[bytes, bytes]", await self._redis.hgetall(shard.begun))
        care = _care(noted, self._own(shard), cursor)
        if care.is_apart:
            self._apart_left[shard] = _APART_ENTRIES
        is_apart = self._apart_left[shard] > 0
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(shard.begun, self._own(shard), f"{cursor} {'apart' if is_apart else 'normal'}")
            pipe.expire(shard.begun, _KEPT_SECONDS)
            await pipe.execute()
        self._begun_at[shard] = time.process_time()
        return Care(is_apart, care.is_refused, care.is_blind)

    async def finish(self, shard: Shard, entry_count: int) -> None:
        """Take note that what was begun last is written.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        if shard not in self._apart_left:
            return
        self._begun_at.pop(shard, None)
        left = self._apart_left[shard] = self._apart_left[shard] - entry_count
        if left <= 0:
            del self._apart_left[shard]
        await self._redis.delete(shard.begun)

    def _own(self, shard: Shard) -> str:
        return f"{self._token}:{self._lives.get(shard, 0)}"


def _care(noted: dict[bytes, bytes], own: str, cursor: str) -> Care:
    """Return what follows from what others noted at a place."""
    there = [note.decode().partition(" ") for name, note in noted.items() if name.decode() != own]
    modes = [mode for place, _, mode in there if place == cursor]
    apart = modes.count("apart")
    return Care(
        is_apart=apart > 0 or len(modes) >= _NORMAL_MOST,
        is_refused=apart >= _APART_MOST,
        is_blind=apart > _APART_MOST,
    )
