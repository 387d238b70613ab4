"""The time of day by Redis's clock, which every service can read: their own differ, and may be wrong by hours."""

import asyncio
import time

from coedit.errors import UnavailableError
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes

_AGAIN_SECONDS = 60.0


class RedisClock:
    """Asks Redis now and then, and counts on from there; until it was asked, from this machine's clock.

    A cluster's masters have a clock each: the first is asked.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._began_at = time.time() - time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since 1970."""
        return self._began_at + time.monotonic()

    async def ask(self) -> None:
        """Ask what time it is.

        Raises:
            UnavailableError: Redis cannot tell now; what was known goes on.
        """
        masters = self._nodes.masters()
        asked = time.monotonic()
        try:
            seconds, microseconds = await masters[0].time()
        except (*TROUBLE, IndexError) as error:
            raise UnavailableError(f"Redis does not tell the time: {error!r}") from error
        halfway = (asked + time.monotonic()) / 2
        self._began_at = seconds + microseconds / 1_000_000 - halfway

    async def step(self) -> None:
        """Rest, and ask again: a clock may be set. Raises as `ask` does."""
        await asyncio.sleep(_AGAIN_SECONDS)
        await self.ask()
