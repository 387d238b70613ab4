"""The WebSockets of a gateway: taken in one by one, served each by a task, pinged, and sent elsewhere in the end."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from aiohttp import web

from coedit.errors import CoeditError, InternalError, LimitedError
from coedit.protocol.server_session import CloseCode, close_code_of
from services.gateway.limits.addresses import Addresses
from services.gateway.limits.pace import Meter, Pace
from services.gateway.limits.told import refused_upgrade
from services.gateway.metrics import CONNECTIONS, ERRORS
from services.gateway.sockets.half_received import HalfReceived
from services.gateway.sockets.server_socket import HandedOver, ServerSocket
from services.gateway.sockets.turns import Turns
from services.gateway.sockets.wire import Wire

logger = logging.getLogger(__name__)

_LOOKS_A_PING = 6
"""So many times between two pings of a silent connection it is looked whether one is due."""
_LOOKED_AT_ONCE = 500
_REFUSED_BUFFER_BYTES = 16 * 1024

Begun: TypeAlias = tuple[Wire, Coroutine[Any, Any, None]]
"""A connection, and what serves it until it ends."""


class Sockets:
    """All that are open; a client that is silent for ``ping_seconds`` is pinged, and given half of that to answer."""

    def __init__(
        self, ping_seconds: float, half_received_bytes: int, addresses: Addresses, pace: Pace
    ) -> None:
        self._ping_seconds = ping_seconds
        self._addresses = addresses
        self._pace = pace
        self._budget = HalfReceived(half_received_bytes)
        self._arrivals = Turns()
        self._wires: dict[asyncio.Task[None], Wire] = {}
        self._taken = 0
        self._is_leaving = False
        self._on_end = self._ended

    async def take(
        self,
        request: web.Request,
        protocols: tuple[str, ...],
        most_bytes: int,
        begin: Callable[[ServerSocket], Begun],
    ) -> web.StreamResponse:
        """Take over the connection of an upgrade, and serve it; return what the handler of its request returns.

        Until the client is trusted, a message of ``most_bytes`` or more ends it. What ``begin`` raises is the answer
        to the client: once taken over, a connection is counted, timed, and ended here, whatever happens. Raises as
        `ServerSocket.accept` does. One from an address that has too many is refused before it is taken over.
        """
        try:
            visit = self._addresses.enter(self._addresses.of(request))
        except LimitedError as error:
            title = "More connections than one address may have"
            return refused_upgrade(error, 429, title, error.retry_after_seconds)
        try:
            async with self._arrivals:
                meter = Meter(self._pace)
                socket = await ServerSocket.accept(request, protocols, most_bytes, self._budget, visit, meter)
        except BaseException:
            visit.ended()
            raise
        try:
            wire, serving = begin(socket)
        except CoeditError as error:
            wire, serving = _refused(socket, error)
        except Exception:
            logger.exception("a defect in beginning a connection", extra={"event": "defect"})
            wire, serving = _refused(socket, InternalError("a defect of the server; it is logged there"))
        wire.address = visit.address
        return self._serve(wire, serving)

    def _serve(self, wire: Wire, serving: Coroutine[Any, Any, None]) -> HandedOver:
        task = asyncio.get_running_loop().create_task(serving)
        self._taken += 1
        wire.number = self._taken
        self._wires[task] = wire
        task.add_done_callback(self._on_end)
        CONNECTIONS.inc()
        if self._is_leaving:
            _send_away(wire)
        return HandedOver()

    def wires(self) -> list[Wire]:
        """Return the connections that there are, in the order of their numbers."""
        return list(self._wires.values())

    async def ping_step(self) -> None:
        """Wait a while, then ping who is silent, and give up who has not answered."""
        await asyncio.sleep(self._ping_seconds / _LOOKS_A_PING)
        for number, wire in enumerate(list(self._wires.values())):
            if number % _LOOKED_AT_ONCE == _LOOKED_AT_ONCE - 1:
                await asyncio.sleep(0)
            wire.keep_in_touch(time.monotonic(), self._ping_seconds)

    async def send_away(self, deadline: float) -> int:
        """Ask everybody to come back elsewhere; end whom is left at ``deadline``, by the loop's clock.

        Return how many there were.
        """
        self._is_leaving = True
        going = dict(self._wires)
        for wire in going.values():
            _send_away(wire)
        if going:
            _, left = await asyncio.wait(going, timeout=deadline - asyncio.get_running_loop().time())
            if left:
                logger.warning("not every client has gone", extra={"event": "drain-timeout"})
            for task in left:
                going[task].abort()
        return len(going)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._wires.pop(task).ended()
        CONNECTIONS.dec()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a defect in a connection", extra={"event": "defect"}, exc_info=error)


def _refused(socket: ServerSocket, error: CoeditError) -> Begun:
    ERRORS.labels(error.code).inc()
    wire = Wire(socket, _REFUSED_BUFFER_BYTES)
    wire.close(close_code_of(error), str(error))
    return wire, _say_goodbye(wire)


async def _say_goodbye(wire: Wire) -> None:
    await wire.say_goodbye()
    wire.finish()


def _send_away(wire: Wire) -> None:
    wire.close(CloseCode.SHUTTING_DOWN, "shutting down")
