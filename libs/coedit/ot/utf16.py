"""The one place where text changes its unit.

Inside `coedit.ot` text is a *unit string*: one Python character for each UTF-16 code unit, so that a
character beyond the Basic Multilingual Plane (an emoji, say) is two surrogates. ``len``, slicing and
comparing then mean what they mean in a browser. Text of any other kind is a plain ``str`` of code points;
ASCII and BMP text is the same in both.
"""

import re

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def to_units(text: str) -> str:
    """Return ``text`` (code points) as a unit string; surrogates that it holds already are kept."""
    if text.isascii() or not _ASTRAL.search(text):
        return text
    return _ASTRAL.sub(_pair_of_match, text)


def from_units(units: str) -> str:
    """Return a unit string as text of code points; the inverse of `to_units`.

    Half of a pair, which no valid delta holds, is left as it is.
    """
    if units.isascii():
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def unit_length(text: str) -> int:
    """Return how many UTF-16 code units ``text`` (code points) takes."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8_length(units: str) -> int:
    """Return how many bytes a unit string takes in UTF-8."""
    return len(units) if units.isascii() else len(from_units(units).encode("utf-8", "surrogatepass"))


def splits_pair(units: str, index: int) -> bool:
    """Tell whether ``index`` lies between the two halves of one surrogate pair."""
    return (
        0 < index < len(units)
        and "\ud800" <= units[index - 1] <= "\udbff"
        and "\udc00" <= units[index] <= "\udfff"
    )


def has_lone_surrogate(units: str) -> bool:
    """Tell whether a unit string holds half of a surrogate pair."""
    if units.isascii():
        return False
    try:  # the decoder in C is ten times as fast as a pattern
        units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return True
    return False


def _pair_of_match(match: re.Match[str]) -> str:
    point = ord(match.group()) - 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))
