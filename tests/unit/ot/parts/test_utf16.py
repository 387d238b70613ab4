import random
import re
import time
from collections.abc import Callable

import pytest

from coedit.ot.parts.utf16 import (
    from_units,
    has_lone_surrogate,
    splits_pair,
    to_units,
    unit_length,
    utf8_length,
)

TEXTS = ["", "abc", "é日本", "😀", "x😀y", "👩‍💻 é\x00 𠀀"]


@pytest.mark.parametrize("text", TEXTS)
def test_units_are_those_of_utf16_and_lead_back(text: str) -> None:
    units = to_units(text)
    assert len(units) == unit_length(text) == len(text.encode("utf-16-le")) // 2
    assert from_units(units) == text
    assert to_units(units) == units
    assert utf8_length(units) == len(text.encode())
    assert not has_lone_surrogate(units)


def test_only_the_middle_of_a_pair_splits_it() -> None:
    units = to_units("x😀😁")
    assert [index for index in range(-1, 7) if splits_pair(units, index)] == [2, 4]


@pytest.mark.parametrize("units", ["\ud83d", "\ude00\ud83d", "a\ud83db", "\ud83d\ud83d\ude00", "😀\ude00"])
def test_half_of_a_pair_is_found_and_kept(units: str) -> None:
    assert has_lone_surrogate(to_units(units))
    assert to_units(from_units(units)) == to_units(units)


_PIECES = ["a", "é", "漢", "\uffff", "😀", "\U00010000", "\U0010ffff", "\ud800", "\ud83d", "\ude00", "\udfff"]


@pytest.mark.parametrize("seed", range(20))
def test_conversions_mean_what_a_pattern_says_of_any_text(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(500):
        text = "".join(rng.choices(_PIECES, k=rng.randint(0, 6)))
        units = substituted(text)
        assert to_units(text) == units, ascii(text)
        assert from_units(text) == from_units(units) == _PAIR.sub(_joined, units), ascii(text)
        assert has_lone_surrogate(units) == bool(_SURROGATE.search(_PAIR.sub("", units))), ascii(text)
        assert unit_length(text) == len(units), ascii(text)


def test_many_emoji_cost_a_small_part_of_a_substitution_for_each() -> None:
    """On a transformer's loop, a million took a second and a half."""
    text = "😀" * 100_000
    units = to_units(text)

    def convert() -> None:
        assert len(to_units(text)) == len(units)
        assert len(from_units(units)) == len(text)
        assert not has_lone_surrogate(units)
        assert utf8_length(units) == 4 * len(text)

    assert 2 * cpu_seconds(convert) < cpu_seconds(lambda: substituted(text))


_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def substituted(text: str) -> str:
    return _ASTRAL.sub(_cut, text)


def _cut(match: re.Match[str]) -> str:
    point = ord(match.group()) - 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))


def _joined(match: re.Match[str]) -> str:
    high, low = map(ord, match.group())
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the least of three times that ``work`` takes of the processor."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
