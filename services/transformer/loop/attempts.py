"""How often what waits in a shard was begun, and ended whoever began it.

An input may end a process: by a defect below Python, by memory, by a call that never comes back. The next owner of the
shard reads it again. So before the first batch of a shard that was gained, its owner notes where it begins; what was
noted there by others is what was not finished. Then the entries that they read are decided one by one, and at last the
one that everybody ended over is refused. Whoever lives on takes its note back. Nothing else is decided beside what is
noted: it would be blamed for what ended both.
"""

import logging
import time
from collections import defaultdict
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
        # What had to be apart before trouble with Redis still has to be.
        self._apart_until.setdefault(shard, _NOWHERE)

    def is_noting(self, shard: Shard) -> bool:
        """Return whether what is begun of a shard is noted: nothing is to be decided beside it."""
        return shard in self._apart_until

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

    async def begin(self, shard: Shard, cursor: str, last: str, *, is_suspect: bool = False) -> Care:
        """Return how to begin with what is behind ``cursor``, of which the entries up to ``last`` were read.

        Notes it, unless something of the shard is finished already; what ``is_suspect`` is always noted, and apart.

        Raises:
            RedisError, OSError: Redis cannot be asked now.
        """
        if is_suspect:
            self._apart_until.setdefault(shard, _NOWHERE)
        if shard not in self._apart_until:
            return Care()
        noted = cast("dict[bytes, bytes]", await self._redis.hgetall(shard.begun))
        care, until = _care(noted, self._own(shard), cursor, last)
        if until > _id(cursor):
            self._keep_apart(shard, until)
        is_apart = is_suspect or _id(cursor) < self._apart_until[shard]
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

    def _keep_apart(self, shard: Shard, until: _Id) -> None:
        """Decide what others had read when they ended one by one."""
        if self._apart_until[shard] == _NOWHERE:
            APART.inc()
            facts = {"event": "apart", "shard": shard.number, "until": "{}-{}".format(*until)}
            logger.warning("what ended others is decided one by one", extra=facts)
        self._apart_until[shard] = max(self._apart_until[shard], until)

    def _own(self, shard: Shard) -> str:
        return f"{self._token}:{self._lives.get(shard, 0)}"


def _care(noted: dict[bytes, bytes], own: str, cursor: str, last: str) -> tuple[Care, _Id]:
    """Return what follows from what others noted at a place, and up to where what they noted has to be apart.

    That may be noted in front of ``cursor``, by those who ended over more than has been decided since. ``last``: what
    notes of earlier versions do not say.
    """
    places: dict[str, list[tuple[str, _Id]]] = defaultdict(list)
    for name, note in noted.items():
        if name.decode() != own:
            place, mode, *lasts = note.decode().split(" ")
            places[place].append((mode, _id(lasts[0] if lasts else last)))
    until = _NOWHERE
    for place, notes in places.items():
        if _id(place) <= _id(cursor) and Care.after([mode for mode, _ in notes]).is_apart:
            until = max(until, *(read for _, read in notes))
    return Care.after([mode for mode, _ in places[cursor]]), until


def _id(entry_id: str) -> _Id:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)
