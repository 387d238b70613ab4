"""Values of any kind, as they stand in arrays and maps, passed over within bounds."""

from collections.abc import Callable

from coedit.errors import InvalidUpdateError
from coedit.protocol.yjs.lib0 import Reader

_MAX_DEPTH = 64
_TEXT, _OBJECT, _ARRAY = 119, 118, 117
_READ: dict[int, Callable[[Reader], object]] = {
    127: lambda _: None,  # undefined
    126: lambda _: None,  # null
    125: Reader.skip_int,
    124: lambda reader: reader.skip(4),
    123: lambda reader: reader.skip(8),
    122: lambda reader: reader.skip(8),
    121: lambda _: None,  # false
    120: lambda _: None,  # true
    _TEXT: Reader.text,
    116: Reader.skip_bytes,
}


def skip_any(reader: Reader, depth: int = 0) -> None:
    """Pass over one value.

    Raises:
        InvalidUpdateError: it is cut off, nests too deeply, or is of no known kind.
    """
    if depth > _MAX_DEPTH:
        raise InvalidUpdateError(f"a value nests deeper than {_MAX_DEPTH} levels")
    kind = reader.byte()
    if kind in (_OBJECT, _ARRAY):
        for _ in range(reader.uint()):
            if kind == _OBJECT:
                reader.text()
            skip_any(reader, depth + 1)
        return
    read = _READ.get(kind)
    if read is None:
        raise InvalidUpdateError(f"a value of kind {kind} is not known")
    read(reader)
