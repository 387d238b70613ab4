"""The one place where text changes its unit.

Inside `coedit.ot` text is a *unit string*: one Python character for each UTF-16 code unit, so that a
character beyond the Basic Multilingual Plane (an emoji, say) is two surrogates. ``len``, slicing and
comparing then mean what they mean in a browser. Text of any other kind is a plain ``str`` of code points;
ASCII and BMP text is the same in both.
"""

from array import array, typecodes

_WIDE = "w" if "w" in typecodes else "u"
"""The type of an array of four bytes for each character, which is how text gets past the codecs: they call an error
handler for every surrogate, also for those that are pairs."""
_CODEC, _FIRST, _SECOND, _PLANE = (
    ("utf-16-le", slice(0, None, 4), slice(1, None, 4), slice(2, None, 4))
    if array("H", [1]).tobytes()[0]
    else ("utf-16-be", slice(2, None, 4), slice(3, None, 4), slice(1, None, 4))
)
"""How UTF-16 is written here, and which of the four bytes are its two, and which tells of a character beyond it."""


def to_units(text: str) -> str:
    """Return ``text`` (code points) as a unit string; surrogates that it holds already are kept."""
    if text.isascii():
        return text
    encoded = text.encode(_CODEC, "surrogatepass")
    return text if len(encoded) == 2 * len(text) else _from_code_units(encoded)


def from_units(units: str) -> str:
    """Return a unit string as text of code points; the inverse of `to_units`.

    Half of a pair, which no valid delta holds, is left as it is.
    """
    if units.isascii() or not _has_surrogates(units):
        return units
    return _code_units(units).decode(_CODEC, "surrogatepass")


def unit_length(text: str) -> int:
    """Return how many UTF-16 code units ``text`` (code points) takes."""
    return len(text) if text.isascii() else len(text.encode(_CODEC, "surrogatepass")) // 2


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
    if units.isascii() or not _has_surrogates(units):
        return False
    try:
        _code_units(units).decode(_CODEC)
    except UnicodeDecodeError:
        return True
    return False


def _has_surrogates(text: str) -> bool:
    try:
        text.encode(_CODEC)
    except UnicodeEncodeError:
        return True
    return False


def _code_units(text: str) -> bytes:
    """Return text in UTF-16; surrogates are as good as the characters that they are halves of."""
    wide = array(_WIDE, text).tobytes()
    if any(wide[_PLANE]):  # characters in code points among them
        return text.encode(_CODEC, "surrogatepass")
    encoded = bytearray(len(wide) // 2)
    encoded[0::2], encoded[1::2] = wide[_FIRST], wide[_SECOND]
    return bytes(encoded)


def _from_code_units(encoded: bytes) -> str:
    """Return UTF-16 as a unit string."""
    wide = bytearray(2 * len(encoded))
    wide[_FIRST], wide[_SECOND] = encoded[0::2], encoded[1::2]
    characters = array(_WIDE)
    characters.frombytes(wide)
    return characters.tounicode()
