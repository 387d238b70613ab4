"""Changes of what is well formed: of bytes, and of values of JSON. Pure: what comes follows from the random numbers."""

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from coedit.protocol.yjs.lib0 import write_uint

Json = Any
_MOST_GROWTH_BYTES = 4096
_NUMBERS = (0, 1, 127, 128, 255, 256, 2**16, 2**31, 2**32, 2**35, 2**53 - 1, 2**53, 2**63)
_DEEP_LEVELS = 80
VALUES: tuple[Json, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**53, -(2**53), 1e308, "", "x", "\x00", "\u2028", "😀" * 40, "é" * 300),
    *([], {}, [[]], {"__proto__": 1}, {"": ""}, ["a"] * 300, {"insert": "x"}, {"retain": 1}, {"delete": 1}),
    *("../..", "%00", "http://[", "NaN", "1e999", "-0", "true"),
)
"""What stands where something else was expected."""


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Return ``data`` after one to three changes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        rng.choice(_OF_BYTES)(changed, rng)
    return bytes(changed)


def mutate_value(value: Json, rng: random.Random) -> Json:
    """Return ``value``, of JSON, with something else at one or two places; the original stays as it was."""
    holder = [deepcopy(value)]
    for _ in range(rng.randint(1, 2)):
        container, key = rng.choice(_places(holder))
        rng.choice(_OF_VALUES)(container, key, rng)
        if not holder:
            return None
    return holder[0]


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xED, 0xFF, rng.randrange(256)])


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randint(0, len(data)) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    at = rng.randint(0, len(data))
    del data[at : at + rng.randint(1, 8)]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = rng.randint(0, len(data))
    piece = bytes(data[at : at + rng.randint(1, 32)])
    data[at:at] = piece * min(rng.choice([1, 2, 64]), _MOST_GROWTH_BYTES // (len(piece) or 1))


def _number(data: bytearray, rng: random.Random) -> None:
    """A number as lib0 writes it, where a length or a clock may stand."""
    at = rng.randint(0, len(data))
    data[at : at + rng.randint(0, 2)] = write_uint(rng.choice(_NUMBERS))


def _half_pair(data: bytearray, rng: random.Random) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.choice([b"\xed\xa0\xbd", b"\xed\xb8\x80", b"\\ud83d", b"\xf0\x9f", "😀".encode()])


_OF_BYTES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _overwrite, _cut, _drop, _repeat, _number, _half_pair),
)


def _places(value: Json) -> list[tuple[Json, Any]]:
    """Return every container with each of its keys or indices."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _replace(container: Json, key: Any, rng: random.Random) -> None:
    container[key] = deepcopy(rng.choice(VALUES))


def _remove(container: Json, key: Any, rng: random.Random) -> None:
    del container[key]


def _wrap(container: Json, key: Any, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 2, _DEEP_LEVELS])):
        container[key] = [container[key]] if rng.random() < 0.5 else {"x": container[key]}


def _add(container: Json, key: Any, rng: random.Random) -> None:
    if isinstance(container, dict):
        container[rng.choice(["extra", "__proto__", "type", "document", "\x00", "é"])] = deepcopy(
            rng.choice(VALUES)
        )
    else:
        container.insert(key, deepcopy(rng.choice(VALUES)))


def _shift(container: Json, key: Any, rng: random.Random) -> None:
    if isinstance(container[key], int):
        container[key] += rng.choice([-1, 1, 2**31, -(2**40)])
    else:
        _replace(container, key, rng)


_OF_VALUES: tuple[Callable[[Json, Any, random.Random], None], ...] = (_replace, _remove, _wrap, _add, _shift)
