import pytest

from coedit.ot.utf16 import from_units, has_lone_surrogate, splits_pair, to_units, unit_length, utf8_length

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
