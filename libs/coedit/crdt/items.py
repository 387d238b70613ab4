"""The items of a Yjs document, whatever shape it has: for whoever only hands them on."""

from collections.abc import Iterable
from typing import Any

from pycrdt import Doc

from coedit.crdt.linear_apply import apply_update
from coedit.crdt.panics import panics_caught


class YjsItems:
    """Items that updates are added to; what one has is told by its state vector.

    Yjs does not roll back: one of which a method raised is to be dropped.
    """

    def __init__(self) -> None:
        self._doc: Doc[Any] = Doc()

    @classmethod
    def of(cls, updates: Iterable[bytes]) -> "YjsItems":
        """Return the items that ``updates`` bring, of which each rests on those before it.

        Raises:
            DamagedError: Yjs failed on one.
        """
        items = cls()
        for update in updates:
            items.apply(update)
        return items

    def become(self, other: "YjsItems") -> None:
        """Have the items of ``other``, which is of no more use."""
        self._doc = other._doc  # noqa: SLF001 - of the same class

    def apply(self, update: bytes) -> None:
        """Add what an update brings; everything that it rests on is here.

        Raises:
            DamagedError: Yjs failed on it.
        """
        with panics_caught("a Yjs update cannot be applied"):
            apply_update(self._doc, update)

    def since(self, state_vector: bytes) -> bytes:
        """Return all that somebody with ``state_vector`` lacks, and what was ever deleted, as one update.

        Raises:
            DamagedError: Yjs failed on it.
        """
        with panics_caught("a Yjs update cannot be made"):
            return self._doc.get_update(state_vector)

    def state_vector(self) -> bytes:
        """Return how far the items of each client are here."""
        return self._doc.get_state()
