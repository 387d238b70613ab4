"""What programs want of a text, said without positions, as deltas."""

from coedit.errors import NoMatchError
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.ot.parts.ops import Op


def replaced(document: Delta, old: str, new: str, *, is_everywhere: bool = False) -> Delta:
    """Return what puts ``new`` in the place of ``old``, which stands in the document once, or at least once.

    Raises:
        NoMatchError: it does not stand there, or several times.
        LoneSurrogateError: ``new`` holds half of a surrogate pair.
    """
    text = document.text
    places = _places(text, old)
    if not places:
        raise NoMatchError("what is to be replaced does not stand in the document")
    if len(places) > 1 and not is_everywhere:
        raise NoMatchError(f"what is to be replaced stands in the document {len(places)} times")
    ops: list[Op] = []
    before, length = 0, _units(old)
    for place in places:
        ops += Delta().retain(_units(text[before:place])).insert(new).delete(length).ops
        before = place + len(old)
    return Delta(ops)


def appended(document: Delta, text: str) -> Delta:
    """Return what puts ``text`` at the end.

    Raises:
        LoneSurrogateError: it holds half of a surrogate pair.
    """
    return Delta(Delta().retain(document.document_length).insert(text).ops)


def made(document: Delta, text: str) -> Delta:
    """Return what makes ``text`` of the document; what stays keeps its format.

    Raises:
        LoneSurrogateError: it holds half of a surrogate pair.
    """
    plain = Delta().insert(document.text) if document.document_length else Delta()
    return diff(plain, Delta().insert(text))


def _places(text: str, old: str) -> list[int]:
    """Return where ``old`` stands, one behind the other, in code points."""
    places: list[int] = []
    at = text.find(old) if old else -1
    while at >= 0:
        places.append(at)
        at = text.find(old, at + len(old))
    return places


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
