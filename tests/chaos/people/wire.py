"""Sockets for those who keep to no protocol: bytes of HTTP and of WebSocket frames as they like them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from struct import pack
from urllib.parse import urlsplit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
TEXT, BINARY = 1, 2
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_SECONDS = 3.0


@asynccontextmanager
async def dialled(url: str) -> AsyncIterator[Connection]:
    """A TCP connection, aborted in the end."""
    address = urlsplit(url)
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def upgrade(
    connection: Connection, path: str, *headers: str, protocol: str = "coedit.v1.json"
) -> bytes:
    """Ask for a WebSocket; return the head of the answer, empty if there is none."""
    reader, writer = connection
    lines = [
        *(f"GET {path} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {_KEY}"),
        *("Sec-WebSocket-Version: 13", f"Sec-WebSocket-Protocol: {protocol}", *headers),
    ]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.insert(1, f"Host: {_host(writer)}")
    writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass"))
    with suppress(asyncio.IncompleteReadError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    return b""


def frame_head(length: int, kind: int = BINARY) -> bytes:
    """Return the head of a last and masked frame of so many bytes; the mask is zero, so that it changes nothing."""
    if length < 126:
        return pack("!BB", 0x80 | kind, 0x80 | length) + bytes(4)
    if length < 1 << 16:
        return pack("!BBH", 0x80 | kind, 0x80 | 126, length) + bytes(4)
    return pack("!BBQ", 0x80 | kind, 0x80 | 127, length) + bytes(4)


async def status_of(reader: asyncio.StreamReader, seconds: float = _SECONDS) -> str:
    """Return the status of the HTTP answer that comes, or what came instead of it."""
    try:
        async with asyncio.timeout(seconds):
            line = await reader.readline()
    except TimeoutError:
        return "no answer"
    return line.split()[1].decode() if line.startswith(b"HTTP/") else "hung up"


def _host(writer: asyncio.StreamWriter) -> str:
    host, port = writer.get_extra_info("peername")[:2]
    return f"{host}:{port}"
