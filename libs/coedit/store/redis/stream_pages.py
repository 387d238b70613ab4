"""A stream from its beginning to its end, page by page: for who looks for something in all of it."""

from collections.abc import AsyncIterator
from typing import cast

from redis.asyncio import Redis

_PAGE = 200

Page = list[tuple[str, dict[bytes, bytes]]]


async def pages(redis: Redis, stream: str) -> AsyncIterator[Page]:
    """Yield the entries of a stream, with their ids; what is taken away meanwhile is not missed.

    Raises:
        RedisError, OSError: Redis cannot be read now.
    """
    start = "-"
    while found := await redis.xrange(stream, start, "+", count=_PAGE):
        page = [
            (name.decode(), fields) for name, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        ]
        yield page
        start = f"({page[-1][0]}"
