"""Renews a process's leases from a thread, over connections of its own, whatever its event loop is busy with.

What a lease was lost by, the next owner would meet as well: an input that takes long would go from one to the next for
ever. Whoever is stuck for good ends (`coedit.runtime.loop_watch`), and its thread with it.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from types import TracebackType

from coedit.errors import CoeditError
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.leases import ShardLeases
from coedit.store.redis.topology import Nodes

logger = logging.getLogger(__name__)


class LeaseThread:
    """Renews what ``leases`` holds while it is entered; takes and gives back nothing.

    ``connect`` returns the masters anew, for the loop of the thread. ``on_error`` is called in the thread.
    """

    def __init__(
        self, leases: ShardLeases, connect: Callable[[], Nodes], on_error: Callable[[], None]
    ) -> None:
        self._leases = leases
        self._connect = connect
        self._on_error = on_error
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._is_running = threading.Event()

    def __enter__(self) -> None:
        self._thread.start()
        self._is_running.wait()

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._loop is not None  # noqa: S101 - it runs
        self._loop.call_soon_threadsafe(self._stop.set)
        # Not joined: what it waits for may be a Redis that does not answer.

    def _run(self) -> None:
        asyncio.run(self._renew_until_stopped())

    async def _renew_until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_running.set()
        nodes = self._connect()
        try:
            while not self._stop.is_set():
                await self._renew(nodes)
                await self._pause()
        finally:
            await nodes.aclose()

    async def _renew(self, nodes: Nodes) -> None:
        try:
            if not nodes.masters():
                await nodes.refresh()
            await self._leases.renew(nodes)
        except (CoeditError, *TROUBLE) as error:
            self._on_error()
            facts = {"event": "lease-thread", "error": repr(error)}
            logger.warning("leases could not be renewed beside the loop; tried again", extra=facts)

    async def _pause(self) -> None:
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopping}, timeout=self._leases.interval_seconds)
        stopping.cancel()
