"""Looks for a text in every byte that a system has stored: in each of Redis's keys, and in each of its objects."""

import zlib
from collections.abc import Iterator
from typing import Any, cast

import msgpack
from redis import Redis

from tests.system import System


def places_of(system: System, marker: str) -> list[str]:
    """Return where ``marker`` stands: names of keys and of files."""
    needle = marker.encode()
    with Redis.from_url(system.redis_url) as redis:
        found = [str(key) for key in redis.scan_iter() if _holds(needle, _stored(redis, key))]
    objects = system.folder / "objects"
    files = [path for path in objects.rglob("*") if path.is_file()]
    return found + [
        str(path.relative_to(objects)) for path in files if _holds(needle, [path.name, path.read_bytes()])
    ]


def _stored(redis: Redis, key: bytes) -> list[Any]:
    """Return all that lies under a key: as it is dumped, which may be compressed, and as it is read."""
    kind = cast("bytes", redis.type(key)).decode()
    read: dict[str, Any] = {
        "string": redis.get,
        "hash": redis.hgetall,
        "stream": redis.xrange,
        "set": redis.smembers,
        "zset": lambda name: redis.zrange(name, 0, -1),
        "none": lambda _: None,  # it went meanwhile
    }
    return [key, redis.dump(key), read[kind](key)]


def _holds(needle: bytes, stored: Any) -> bool:
    return any(needle in part for part in _parts(stored))


def _parts(stored: Any) -> Iterator[bytes]:
    """Yield every text and every run of bytes in a value, and in what it turns out to pack."""
    match stored:
        case str():
            yield stored.encode()
        case bytes():
            yield stored
            for unpack in (zlib.decompress, _unpacked):
                try:
                    inner = unpack(stored)
                except (zlib.error, ValueError):
                    continue
                yield from _parts(inner)
        case dict():
            yield from _parts([*stored.keys(), *stored.values()])
        case list() | tuple() | set():
            for part in stored:
                yield from _parts(part)


def _unpacked(packed: bytes) -> Any:
    unpacked = msgpack.unpackb(packed, strict_map_key=False)
    if not isinstance(unpacked, dict | list):
        raise ValueError("no packed map or list")
    return unpacked
