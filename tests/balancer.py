"""A load balancer for tests, of the least that one has to do: where one gateway says no, it tries another."""

import asyncio
import itertools
from contextlib import suppress
from urllib.parse import urlsplit

_REFUSED = b"HTTP/1.1 503"


class Balancer:
    """Hands each connection to the next gateway that takes it; use as an async context manager, connect to ``url``."""

    def __init__(self, gateways: list[str]) -> None:
        self._targets = [(urlsplit(url).hostname or "", urlsplit(url).port or 0) for url in gateways]
        self._turns = itertools.count()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def __aenter__(self) -> "Balancer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """End every connection at once; whoever comes again may come to any gateway."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            there = await self._connect(head)
            if there is not None:
                there_reader, there_writer, answer = there
                self._writers.add(there_writer)
                writer.write(answer)
                await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
                self._writers.discard(there_writer)
        writer.transport.abort()
        self._writers.discard(writer)

    async def _connect(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes] | None:
        first = next(self._turns)
        for turn in range(len(self._targets)):
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(
                    *self._targets[(first + turn) % len(self._targets)]
                )
                writer.write(head)
                answer = await reader.read(65536)
                if answer and not answer.startswith(_REFUSED):
                    return reader, writer, answer
                writer.transport.abort()
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()
