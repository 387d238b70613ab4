"""The table of characters of two items: what is deleted is forgotten, in one walk however many ranges there are."""

import random
from collections.abc import Callable
from time import process_time

from coedit.protocol.yjs.pairs import Pairs
from coedit.protocol.yjs.update import Block, Id, decode_update
from coedit.protocol.yjs.whole import whole
from tests.many_splits import AUTHOR, deleting, typed

GROWTH = 8
MOST_GROWTH = 24
"""Between the 8 of what is linear and the 64 of what is quadratic."""


def pairs_of(text: str) -> Pairs:
    pairs = Pairs()
    pairs.add(typed(text), decode_update(typed(text)), {})
    return pairs


def test_what_is_left_is_what_no_range_touched() -> None:
    rng = random.Random(7)
    for _ in range(300):
        pairs = Pairs()
        strings = [(5, 20), (40, 10), (50, 6), (80, 30)]
        for first, length in strings:
            data = typed("😀" * (length // 2)).replace(b"\0\4\1", bytes((first, 4, 1)), 1)
            pairs.write(data, decode_update(data), {})
        there = {clock for first, length in strings for clock in range(first, first + length)}
        for _ in range(3):
            ranges = _whole_characters(rng)
            pairs.remove(ranges)
            there -= {clock for block in ranges for clock in range(block.first, block.end)}
            for clock in range(120):
                is_second = clock in there and clock % 2 == (0 if clock < 40 else 1)
                assert (pairs.character(Id(AUTHOR, clock)) is not None) == is_second


def _whole_characters(rng: random.Random) -> list[Block]:
    """Return ranges that cut no character: those below 40 begin at odd clocks, the others at even ones."""
    low = [(at, min(39, at + 2 * rng.randrange(1, 8))) for at in rng.sample(range(1, 39, 2), 2)]
    high = [(at, at + 2 * rng.randrange(1, 8)) for at in rng.sample(range(40, 120, 2), 3)]
    return [Block(AUTHOR, first, end) for first, end in low + high]


def _least(seconds: Callable[[int], float], count: int) -> float:
    """Return the least of three: on a busy machine, whose caches are others', one alone says little."""
    return min(seconds(count) for _ in range(3))


def test_the_time_to_forget_grows_as_the_number_of_ranges() -> None:
    def seconds(count: int) -> float:
        pairs = pairs_of("😀" * count)
        deleted = [Block(AUTHOR, clock, clock + 2) for clock in range(0, 2 * count, 4)]
        started = process_time()
        pairs.remove(deleted)
        return process_time() - started

    assert _least(seconds, GROWTH * 20_000) < MOST_GROWTH * _least(seconds, 20_000)


def test_the_time_to_keep_characters_whole_grows_as_the_number_of_cuts() -> None:
    def seconds(count: int) -> float:
        pairs = pairs_of("😀" * count)
        data = deleting((clock, 1) for clock in range(0, 2 * count, 2))
        update = decode_update(data)
        started = process_time()
        assert len(whole(data, update, pairs, {AUTHOR: 2 * count}, {}).deletes) == count
        return process_time() - started

    assert _least(seconds, GROWTH * 10_000) < MOST_GROWTH * _least(seconds, 10_000)
