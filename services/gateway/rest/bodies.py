"""What a request brings in its body: read once it is known who asks, in a bounded time, and inflated within a bound.

A megabyte of gzip may hold a gigabyte, so nothing is inflated before somebody wants it, nor beyond what is wanted.
"""

import asyncio
import zlib
from typing import NoReturn

from aiohttp import web

from coedit.errors import InvalidRequestError, SlowBodyError, TooLargeError

_GZIP, _ZLIB = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
_WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


async def continue_later(_: web.Request) -> None:
    """Answer ``Expect: 100-continue`` not yet: `read_whole` does, for whom it is read at all."""


async def read_whole(request: web.Request, most_bytes: int, seconds: float) -> bytes:
    """Return the body, inflated.

    Raises:
        TooLargeError: it has more bytes, as it came or inflated.
        InvalidRequestError: it is not compressed as it says.
        SlowBodyError: it does not come in time.
    """
    body = _Body(request.headers.get("Content-Encoding", ""), most_bytes)
    if request.content_length is not None and request.content_length > most_bytes:
        body.refuse_size()
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body.take(chunk)
    except TimeoutError as error:
        raise SlowBodyError(f"the body did not come within {seconds:g} s") from error
    return body.whole()


class _Body:
    """Takes in chunks, and inflates them where they are compressed."""

    def __init__(self, encoding: str, most_bytes: int) -> None:
        name = encoding.strip().lower()
        if name not in _WINDOWS and name not in ("", "identity"):
            raise InvalidRequestError(f"Content-Encoding is none of identity, {', '.join(sorted(_WINDOWS))}")
        self._inflater = zlib.decompressobj(_WINDOWS[name]) if name in _WINDOWS else None
        self._most_bytes = most_bytes
        self._came_bytes = 0
        self._size = 0
        self._parts: list[bytes] = []

    def take(self, chunk: bytes) -> None:
        """Take in what came next."""
        self._came_bytes += len(chunk)
        part = chunk if self._inflater is None else self._inflated(self._inflater, chunk)
        self._size += len(part)
        # Empty blocks inflate to nothing, however many they are.
        if max(self._size, self._came_bytes) > self._most_bytes:
            self.refuse_size()
        self._parts.append(part)

    def whole(self) -> bytes:
        """Return all that was taken in."""
        if self._inflater is not None and not self._inflater.eof:
            raise InvalidRequestError("the compressed body ends too early")
        return b"".join(self._parts)

    def refuse_size(self) -> NoReturn:
        """Raise the error that says how much is allowed."""
        raise TooLargeError(f"the body is larger than {self._most_bytes} bytes")

    def _inflated(self, inflater: "zlib._Decompress", chunk: bytes) -> bytes:
        try:
            part = inflater.decompress(chunk, self._most_bytes - self._size + 1)
        except zlib.error as error:
            raise InvalidRequestError("the body is not compressed as it says") from error
        if inflater.unused_data:
            raise InvalidRequestError("something follows the compressed body")
        return part
