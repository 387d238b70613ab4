"""How often what waits in a shard was begun, and ended whoever began it.

An input may end a process: by a defect below Python, by memory, by a call that never comes back. The next owner of the
shard reads it again. So before the first batch of a shard that was gained, its owner notes where it begins; what was
noted there by others is what was not finished. Then the entries that they read are decided one by one, and at last the
one that everybody ended over is refused. Whoever lives on takes its note back.
"""

import logging
import time
from typing import cast

from redis.asyncio import Redis

from coedit.store.documents.tries import Care
from coedit.store.keys import Shard
from services.transformer.metrics import APART

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 1.0
"""Whoever was fenced after less processor time was not held up by what it decided, but by the machine, or paused."""
_KEPT_SECONDS = 86_400

_Id = tuple[int, int]
"""An entry's, as Redis orders them."""
_NOWHERE: _Id = (0, 0)


class Attempts:
    """The notes of one process, in ``begun:{s}``; those of others are what it learns from."""

    def __init__(self, redis: Redis, token: str) -> None:
        self._redis = redis
        self._token = token
        self._lives: dict[Shard, int] = {}
        """How often this process was fenced in a shard by what it decided; that counts as another's attempt."""
        self._apart_until: dict[Shard, _Id] = {}
        """Of shards that were gained: behind which entry a batch may have several again, and nothing is noted."""
        self._begun_at: dict[Shard, float] = {}
        """Of shards with a note that is not finished; by the processor time of this process."""

    @property
    def unfinished(self) -> set[Shard]:
        """The shards of which something was begun here, and not finished."""
        return set(self._begun_at)

    def gained(self, shard: Shard) -> None:
        """Take note that a shard was gained: what waits there may have ended somebody."""
        self._apart_until[shard] = _NOWHERE

    async def lost(self, shard: Shard, *, is_fenced: bool = False) -> None:
        """Take back what is noted of a shard that is gone, unless it was lost by what was decided.

        ``is_fenced``: the shard was lost while this process was deciding.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        self._apart_until.pop(shard, None)
        begun_at = self._begun_at.pop(shard, None)
        if begun_at is None:
            return
        if is_fenced and time.process_time() - begun_at > _BUSY_SECONDS:
            self._lives[shard] = self._lives.get(shard, 0) + 1
        else:
            await self._redis.hdel(shard.begun, self._own(shard))

    async def begin(self, shard: Shard, cursor: str, last: str) -> Care:
        """Return how to begin with what is behind ``cursor``, of which the entries up to ``last`` were read.

        Notes it, unless something of the shard is finished already.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        if shard not in self._apart_until:
            return Care()
        noted = cast("dict[bytes, bytes]", await self._redis.hgetall(shard.begun))
        care, until = _care(noted, self._own(shard), cursor)
        if care.is_apart:
            self._keep_apart(shard, until or last)
        is_apart = _id(cursor) < self._apart_until[shard]
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(shard.begun, self._own(shard), f"{cursor} {Care(is_apart).mode} {last}")
            pipe.expire(shard.begun, _KEPT_SECONDS)
            await pipe.execute()
        self._begun_at[shard] = time.process_time()
        return Care(is_apart, care.is_refused, care.is_blind)

    async def finish(self, shard: Shard, cursor: str) -> None:
        """Take note that what was begun last is written, up to ``cursor``.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        if shard not in self._apart_until:
            return
        self._begun_at.pop(shard, None)
        # As long as entries are apart the next note comes in the place of this one.
        if _id(cursor) >= self._apart_until[shard]:
            del self._apart_until[shard]
            await self._redis.delete(shard.begun)

    def _keep_apart(self, shard: Shard, until: str) -> None:
        """Decide what others had read when they ended one by one."""
        if self._apart_until[shard] == _NOWHERE:
            APART.inc()
            facts = {"event": "apart", "shard": shard.number, "until": until}
            logger.warning("what ended others is decided one by one", extra=facts)
        self._apart_until[shard] = max(self._apart_until[shard], _id(until))

    def _own(self, shard: Shard) -> str:
        return f"{self._token}:{self._lives.get(shard, 0)}"


def _care(noted: dict[bytes, bytes], own: str, cursor: str) -> tuple[Care, str]:
    """Return what follows from what others noted at a place, and up to where they had read; empty: nobody says."""
    there = [note.decode().split(" ") for name, note in noted.items() if name.decode() != own]
    here = [(mode, *last) for place, mode, *last in there if place == cursor]
    care = Care.after([mode for mode, *_ in here])
    return care, max((last for _, *lasts in here for last in lasts), key=_id, default="")


def _id(entry_id: str) -> _Id:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)
