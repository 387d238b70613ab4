"""Where in a text an item is, and which item is where: for carets, which Yjs clients say by items.

It is made of shadows (`coedit.protocol.yjs.shadow`), since pycrdt counts in bytes of UTF-8: here every unit is one
byte, so that a byte, a UTF-16 unit and a clock are the same.
"""

from typing import Any, NamedTuple

from pycrdt import Assoc, Doc, StickyIndex, Text

from coedit.crdt.linear_apply import apply_update
from coedit.crdt.panics import panics_caught
from coedit.errors import DamagedError


class Beside(NamedTuple):
    """A place in a text: left of an item, or right of it if ``is_behind``."""

    client: int
    clock: int
    is_behind: bool = False


class TextPositions:
    """The items of one shared text, without its letters."""

    def __init__(self, root: str) -> None:
        self._doc: Doc[Any] = Doc()
        self._text: Text = self._doc.get(root, type=Text)

    def apply(self, shadow: bytes) -> None:
        """Add what the shadow of an update brings.

        Raises:
            DamagedError: Yjs failed on it.
        """
        with panics_caught("a shadow cannot be applied"):
            apply_update(self._doc, shadow)

    def state_vector(self) -> bytes:
        """Return how far the items of each client are here."""
        return self._doc.get_state()

    @property
    def length(self) -> int:
        """How many UTF-16 units the text has; an embed is one."""
        return len(self._text)

    def offset_of(self, place: Beside) -> int | None:
        """Return how many units are in front of ``place``, whose item is here; None: that cannot be told."""
        item = {"client": place.client, "clock": place.clock}
        assoc = Assoc.BEFORE if place.is_behind else Assoc.AFTER
        try:
            with panics_caught("a place in the text cannot be told"):
                index = StickyIndex.from_json({"item": item, "assoc": assoc.value}, self._text).get_index()
        except DamagedError:
            return None
        return int(index)

    def item_at(self, offset: int) -> Beside | None:
        """Return the item behind ``offset`` units; None: the text ends there, or before.

        Raises:
            DamagedError: Yjs failed on it.
        """
        if offset >= self.length:
            return None
        with panics_caught("an item in the text cannot be told"):
            item = self._text.sticky_index(offset, Assoc.AFTER).to_json()["item"]
        return Beside(item["client"], item["clock"])
