"""A TCP proxy that misbehaves on request: slow, narrow, asleep, deaf in one direction, half open, or cutting."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Address = tuple[str, int]
Side = Literal["near", "far"]

_BLOCK_BYTES = 65536
_QUEUED_BLOCKS = 256
_SLICES_PER_SECOND = 20


@dataclass(slots=True)
class Flow:
    """How the bytes of one direction travel; as it is made, they go through at once."""

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Up to so much is added to the delay; the order is kept."""
    bytes_per_second: float = 0.0
    """For each connection; 0 is no limit."""
    cut_probability: float = 0.0
    """For each block: half of it goes through, and then the connection is reset."""
    is_held: bool = False
    """Nothing goes through, and nothing is lost: it goes through when the flow is healed."""


class FaultProxy:
    """Stands between a client and ``host:port``; use as an async context manager, connect to ``port``.

    ``near`` is the side of who connects, ``far`` the side connected to; ``there`` and ``back`` are the directions.
    ``choose``, if given, names the far side of each new connection instead: so it can stand in for a load balancer.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        rng: random.Random | None = None,
        choose: Callable[[], Address] | None = None,
    ) -> None:
        self._choose = choose or (lambda: (host, port))
        self.rng = rng or random.Random()
        """Where its chances come from."""
        self._connections: set[_Connection] = set()
        self.there = Flow()
        self.back = Flow()
        self.refuses = False
        """Whether new connections are closed at once."""
        self.port = 0
        """Where to connect, once entered."""

    async def __aenter__(self) -> "FaultProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for connection in list(self._connections):
            connection.cut()

    def half_open(self, lost: Side) -> None:
        """Reset every connection on one side only: the other side believes in it, until it is healed."""
        for connection in list(self._connections):
            connection.half_open(lost)

    def hold(self) -> None:
        """Let no byte through, and keep the connections: the other side seems to be asleep."""
        self.there.is_held = self.back.is_held = True

    def release(self) -> None:
        """Let bytes through again, those held back first."""
        self.there.is_held = self.back.is_held = False

    def heal(self) -> None:
        """Behave from now on; connections that are half open are reset."""
        self.there, self.back = Flow(), Flow()
        self.refuses = False
        for connection in list(self._connections):
            if connection.lost is not None:
                connection.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._choose())
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, far_writer)
        self._connections.add(connection)
        there = _Pump(self, connection, reader, far_writer, lambda: self.there)
        back = _Pump(self, connection, far_reader, writer, lambda: self.back)
        try:
            await asyncio.gather(there.run(), back.run())
            await connection.flushed()
        finally:
            self._connections.discard(connection)
            connection.cut()


class _Connection:
    """Both sides of one connection."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._near, self._far = near, far
        self.lost: Side | None = None
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True
        self._near.transport.abort()
        self._far.transport.abort()

    def half_open(self, lost: Side) -> None:
        self.lost = lost
        (self._near if lost == "near" else self._far).transport.abort()

    def ended(self) -> None:
        """One side has closed: so does the other, unless it is to believe in the connection."""
        if self.lost is None and not self.is_cut:
            self.is_cut = True
            self._near.close()
            self._far.close()

    async def flushed(self) -> None:
        """Wait until what was written before an orderly end is on its way."""
        for writer in (self._near, self._far):
            with suppress(OSError):
                await writer.wait_closed()


class _Pump:
    """Carries one direction of one connection, as its flow says at each moment."""

    def __init__(
        self,
        proxy: FaultProxy,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flow: Callable[[], Flow],
    ) -> None:
        self._proxy = proxy
        self._connection = connection
        self._reader = reader
        self._writer = writer
        self._flow = flow
        self._waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_BLOCKS)

    async def run(self) -> None:
        """Carry until either side ends it; whatever was taken in before an end goes through first."""
        sending = asyncio.get_running_loop().create_task(self._send())
        with suppress(OSError):
            while block := await self._reader.read(_BLOCK_BYTES):
                await self._waiting.put((self._due(), block))
        await self._waiting.put((0.0, b""))
        await sending
        self._connection.ended()

    def _due(self) -> float:
        flow = self._flow()
        delay_seconds = flow.delay_seconds + flow.jitter_seconds * self._proxy.rng.random()
        return asyncio.get_running_loop().time() + delay_seconds

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while (item := await self._waiting.get())[1]:
            due_at, block = item
            await asyncio.sleep(max(0.0, due_at - loop.time()))
            while self._flow().is_held and not self._connection.is_cut:
                await asyncio.sleep(1 / _SLICES_PER_SECOND)
            with suppress(OSError):
                await self._write(block)

    async def _write(self, block: bytes) -> None:
        flow, connection = self._flow(), self._connection
        if flow.cut_probability and self._proxy.rng.random() < flow.cut_probability:
            self._writer.write(block[: len(block) // 2])
            # Into the socket, before the reset: what was lost is the other half.
            await asyncio.sleep(0)
            connection.cut()
        if connection.is_cut or connection.lost is not None or self._writer.is_closing():
            return  # taken in, and gone
        while flow.bytes_per_second and block and self._flow() is flow:
            size = max(1, int(flow.bytes_per_second / _SLICES_PER_SECOND))
            self._writer.write(block[:size])
            block = block[size:]
            await asyncio.sleep(1 / _SLICES_PER_SECOND)
        if block:
            self._writer.write(block)
        await self._writer.drain()
