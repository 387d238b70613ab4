"""Carets between the two worlds: Yjs clients say them by items, OT clients by offsets.

What it takes is a second copy of the items, without letters; it is made when the first caret has to be carried over.
"""

import asyncio
import logging

from coedit.crdt.items import YjsItems
from coedit.crdt.positions import Beside, TextPositions
from coedit.errors import CoeditError
from coedit.ot.commit import Caret
from coedit.protocol.yjs.person import RelativePosition
from coedit.protocol.yjs.shadow import shadow
from coedit.protocol.yjs.update import Id, decode_state_vector
from services.gateway.metrics import LOOP_ERRORS

logger = logging.getLogger(__name__)

_LONG_BYTES = 64 * 1024
_NOTHING_KNOWN = b"\0"


class YjsCarets:
    """The places in one text, at the revision that the items have."""

    def __init__(self, root: str, items: YjsItems) -> None:
        self._root = root
        self._items = items
        self._positions: TextPositions | None = None
        self._known: dict[int, int] = {}
        self._missed: list[bytes] = []
        """What came while the copy was made."""
        self._making: asyncio.Task[None] | None = None
        self.is_broken = False
        """Whether carets cannot be told here, and will not be."""

    @property
    def is_ready(self) -> bool:
        """Whether carets can be told now."""
        return self._positions is not None

    async def make(self) -> None:
        """Make what it takes, once for all who ask; a text that cannot be read has no carets."""
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(self._make())
        await asyncio.shield(self._making)

    def apply(self, update: bytes) -> None:
        """Go along with an update that the items have taken."""
        if len(update) > _LONG_BYTES:
            self.leave_behind()
        if self._positions is not None:
            self._take(self._positions, update)
        elif self._making is not None:
            self._missed.append(update)

    def leave_behind(self) -> None:
        """Go along no more, for too much comes at once: it is all made anew, beside the loop, for the next caret."""
        if self._positions is not None:
            self._positions, self._making = None, None

    def caret(self, anchor: RelativePosition, head: RelativePosition) -> Caret | None:
        """Return the offsets; None: one of them is beside something that is not here, or not yet."""
        ends = self._offset(anchor), self._offset(head)
        return None if ends[0] is None or ends[1] is None else Caret(ends[0], ends[1])

    def items(self, caret: Caret) -> tuple[Id | None, Id | None]:
        """Return the items behind both ends; None: the text ends there."""
        return self._item(caret.anchor), self._item(caret.head)

    def _offset(self, position: RelativePosition) -> int | None:
        if self._positions is None:
            return None
        if position.item is None:
            return 0 if position.is_behind else self._positions.length
        client, clock = position.item
        if clock >= self._known.get(client, 0):
            return None
        return self._positions.offset_of(Beside(client, clock, position.is_behind))

    def _item(self, offset: int) -> Id | None:
        found = None if self._positions is None else self._positions.item_at(offset)
        return None if found is None else Id(found.client, found.clock)

    async def _make(self) -> None:
        try:
            positions = TextPositions(self._root)
            # Of a large document it takes long enough to be felt by everyone else.
            await asyncio.to_thread(_add, positions, [self._items.since(_NOTHING_KNOWN)])
            while self._missed:
                missed, self._missed = self._missed, []
                await asyncio.to_thread(_add, positions, missed)
        except CoeditError as error:
            self._give_up(error)
            return
        self._known = decode_state_vector(positions.state_vector())
        self._positions = positions

    def _take(self, positions: TextPositions, update: bytes) -> None:
        try:
            positions.apply(shadow(update))
            self._known = decode_state_vector(positions.state_vector())
        except CoeditError as error:
            self._give_up(error)

    def _give_up(self, error: CoeditError) -> None:
        self._positions, self.is_broken = None, True
        LOOP_ERRORS.labels("yjs-carets").inc()
        logger.warning("carets cannot be told", extra={"event": "carets", "error": str(error)})


def _add(positions: TextPositions, updates: list[bytes]) -> None:
    for update in updates:
        positions.apply(shadow(update))
