"""A document in the two forms in which it is needed: as a delta, and packed as clients and snapshots get it."""

import zlib

import orjson

from coedit.errors import DamagedError, InvalidDeltaError
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert
from coedit.ot.parts.utf16 import to_units

_BROKEN = (AttributeError, InvalidDeltaError, KeyError, TypeError, ValueError, zlib.error)


class Rendered:
    """A value that was made in one of its forms; the other is made when it is asked for first, and kept.

    Packed is the ops as UTF-8 JSON, zlib. To unpack a large document takes tens of milliseconds, in which no other
    thread runs: who only passes it on does without.
    """

    __slots__ = ("_delta", "_packed")

    def __init__(self, delta: Delta | None = None, packed: bytes = b"") -> None:
        self._delta = Delta() if delta is None and not packed else delta
        self._packed = packed

    @property
    def delta(self) -> Delta:
        """The document.

        Raises:
            DamagedError: what it was made of is no packed document.
        """
        if self._delta is None:
            try:
                self._delta = _unpacked(self._packed)
            except _BROKEN as error:
                raise DamagedError(f"not a packed document: {error!r}", "object") from error
        return self._delta

    @property
    def packed(self) -> bytes:
        """The document packed."""
        if not self._packed:
            self._packed = pack(orjson.dumps(self.delta.to_json()))
        return self._packed

    @property
    def packed_bytes(self) -> int:
        """How much it takes packed; 0: nobody asked yet."""
        return len(self._packed)

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes as it is now."""
        return len(self._packed) + (0 if self._delta is None else 2 * self._delta.weight)

    def __eq__(self, other: object) -> bool:
        return self.delta == other.delta if isinstance(other, Rendered) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.delta)


def pack(encoded: bytes) -> bytes:
    """Return ops that are encoded as JSON, packed."""
    return zlib.compress(encoded, 6)


def _unpacked(packed: bytes) -> Delta:
    # Not Delta.from_json: its bounds are for what a client may send at once, and a checksum vouches for this.
    ops = [
        Insert(
            to_units(op["insert"]) if isinstance(op["insert"], str) else op["insert"], op.get("attributes")
        )
        for op in orjson.loads(zlib.decompress(packed))
    ]
    return Delta.from_normal(tuple(ops))
