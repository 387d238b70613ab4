"""Whether items were written between neighbours that somebody can have seen side by side.

Yjs puts concurrent items in one order wherever they come from, as long as each was written between two neighbours: its
left one stands before its right one, and what the right one was written behind is not between them. No editor writes
anything else. What somebody makes up is put in its place by whatever happens to be there, so that a document that
loads, and one that was there, are two for ever. So it is refused (`docs/adr/0021-neighbours-stand-side-by-side.md`).
What was collected has no place, and nothing of a text is next to it.

Where nobody else wrote at the same place at the same time, one of two neighbours was written beside the other, which
is quickly seen. The order of the others is asked of yrs, with all items of the document. Which of two comes first never
changes, so the answer is kept for all who write there later.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pycrdt import Doc

from coedit.crdt.document import YjsDocument
from coedit.crdt.item_order import ItemOrder
from coedit.crdt.linear_apply import apply_update
from coedit.crdt.panics import panics_caught
from coedit.crdt.sequence import items_in_order
from coedit.errors import DamagedError, InvalidUpdateError
from coedit.protocol.yjs.shadow import shadow
from coedit.protocol.yjs.update import Id, Placed, Update, decode_update, encode_state_vector, first_placed

FEW_PLACES = 4
"""So many are looked up on the loop: each takes one walk of yrs over the document."""
_SEVERAL_PLACES = 64
"""So many are looked up one by one; for more, all structs are read once."""
_ALLOWED = 2048
"""So many gaps are remembered that the order of all items was asked for."""
_KEPT_FOR = 1000
"""After so many updates by which it was not asked, the order is let go of."""


class Gap(NamedTuple):
    """Between which two items one was written."""

    left: Id | None
    right: Id | None


class OrderQuestion(NamedTuple):
    """What is to be found out about an update where it takes long; everything that it takes, to be asked anywhere."""

    items: bytes
    """The document, as one update."""
    update: bytes
    root: str
    gaps: tuple[Gap, ...]

    def answer(self) -> ItemOrder | None:
        """Return in which order items stand, which is so for ever; None: it is allowed without.

        Raises:
            InvalidUpdateError: an item stands between two that nobody saw side by side.
        """
        gaps: Sequence[Gap] = self.gaps
        if len(gaps) > _SEVERAL_PLACES:
            here = _Structs(decode_update(self.items), {})
            gaps = [gap for gap in gaps if not here.are_beside(*gap)]
        if not gaps:
            return None
        try:
            order = self._order()
        except DamagedError as error:
            raise InvalidUpdateError("its items come in no one order") from error
        if not all(order.allows(*gap) for gap in gaps):
            raise InvalidUpdateError("an item stands beside what has no place, or between no neighbours")
        return order

    def _order(self) -> ItemOrder:
        """Return all items in order: as they would be if the update were applied."""
        doc: Doc[Any] = Doc()
        with panics_caught("the order of the items cannot be told"):
            apply_update(doc, shadow(self.items))
            apply_update(doc, shadow(self.update))
            return ItemOrder(items_in_order(doc.get_update(), self.root))


class Neighbours:
    """Of a text: what was written last by whom, and where."""

    def __init__(self, yjs: YjsDocument, root: str) -> None:
        self._yjs = yjs
        self._root = root
        self._last: dict[int, tuple[int, Id | None]] = {}
        """Of a client the clock of its newest item, and before which one it was written; of some clients nothing."""
        self._doubted: tuple[Update, list[Gap]] | None = None
        """What `is_plain` found last."""
        self._allowed: dict[Gap, None] = {}
        """What the order of all items said of gaps, those last that were asked for last."""
        self._told: frozenset[Gap] = frozenset()
        """What was told last."""
        self._kept: ItemOrder | None = None
        """The order of the items that were here when it was made last, and that stand so for ever."""
        self._unasked = 0
        """How many updates came since it was of use."""

    def is_plain(self, update: Update, known: Mapping[int, int]) -> bool:
        """Return whether it takes little to see that all items of an update are in order; else ask in a thread.

        ``known`` is the document's state vector, here and below.
        """
        gaps = self._doubtful(update, known)
        if len(gaps) <= FEW_PLACES:
            gaps = self._looked_up(gaps, known)
        self._doubted = update, gaps
        return not gaps

    def check(self, data: bytes, update: Update, known: Mapping[int, int]) -> None:
        """Refuse an update, which is ``data``, with an item between two that nobody saw side by side.

        All that it rests on is in the document.

        Raises:
            InvalidUpdateError: there is one.
        """
        question = self.question(data, update, known)
        if question is not None:
            self.told(question.gaps, question.answer())

    def question(self, data: bytes, update: Update, known: Mapping[int, int]) -> OrderQuestion | None:
        """Return what is to be asked before an update may be applied; None: nothing, as far as is quickly seen."""
        doubted, self._doubted = self._doubted, None
        if doubted is not None and doubted[0] is update:
            gaps = doubted[1]
        else:
            gaps = self._doubtful(update, known)
        if len(gaps) <= _SEVERAL_PLACES:
            gaps = self._looked_up(gaps, known)
        if not gaps:
            return None
        return OrderQuestion(self._yjs.update(), data, self._root, tuple(gaps))

    def told(self, gaps: Sequence[Gap], order: ItemOrder | None) -> None:
        """Take note of an answer to a question about ``gaps``: it holds for all who write there from now on."""
        if order is not None:
            self._kept, self._unasked = order, 0
        for gap in gaps:
            self._remember(gap)
        # However many they are: what was asked for them is applied next.
        self._told = frozenset(gaps)

    def note(self, update: Update, known: Mapping[int, int]) -> None:
        """Take note of an update that was applied where so much was ``known``."""
        for (client, _), end, _, right in update.placed:
            if end > known.get(client, 0):
                self._last[client] = end - 1, right
        self._told = frozenset()
        self._unasked += 1
        if self._unasked > _KEPT_FOR:
            self._kept = None

    def _doubtful(self, update: Update, known: Mapping[int, int]) -> list[Gap]:
        """Return between which items new ones are put that were not written beside each other, as far as is seen."""
        gaps: list[Gap] = []
        own: _Structs | None = None
        for placed in update.placed:
            client, first = placed.at
            right, here = placed.right, known.get(client, 0)
            if placed.end <= here:
                continue
            left = placed.left_of(max(first, here))
            if self._goes_on(left, right):
                continue
            own = own or _Structs(update, known)
            if not own.are_beside(left, right) and not self._was_asked_for(Gap(left, right)):
                gaps.append(Gap(left, right))
        return gaps

    def _goes_on(self, left: Id | None, right: Id | None) -> bool:
        """Tell whether what is written there needs no neighbour, or is behind its author's newest item."""
        if left is None:
            return right is None
        clock, before = self._last.get(left.client, (-1, None))
        return clock == left.clock and right in (None, before)

    def _was_asked_for(self, gap: Gap) -> bool:
        """Tell whether a gap is allowed by an order that was made before."""
        if gap in self._told:
            return True
        if gap not in self._allowed:
            if self._kept is None or not self._kept.allows(*gap):
                return False
            self._unasked = 0
        self._remember(gap)
        return True

    def _remember(self, gap: Gap) -> None:
        self._allowed.pop(gap, None)
        self._allowed[gap] = None
        if len(self._allowed) > _ALLOWED:
            del self._allowed[next(iter(self._allowed))]

    def _looked_up(self, gaps: list[Gap], known: Mapping[int, int]) -> list[Gap]:
        return [gap for gap in gaps if not self._are_beside(gap, known)]

    def _are_beside(self, gap: Gap, known: Mapping[int, int]) -> bool:
        """Tell whether one of the two was written beside the other, as yrs has them."""
        left, right = gap
        if right is not None:
            behind = self._placed(right, known)
            if behind is None:
                return False
            if behind.left_of(right.clock) == left:
                return True
        before = self._placed(left, known) if left is not None else None
        return before is not None and right in (None, before.right)

    def _placed(self, item: Id, known: Mapping[int, int]) -> Placed | None:
        """Return where an item was put, with those that its author wrote behind it; None: it is not here, or none."""
        if item.clock >= known.get(item.client, 0):
            return None
        vector = encode_state_vector({**known, item.client: item.clock})
        try:
            with panics_caught("an item cannot be looked up"):
                found = first_placed(self._yjs.update(vector))
        except DamagedError:
            return None  # its order is asked for in another way
        return found if found is not None and found.at == item else None


class _Structs:
    """The items of an update that are not ``known``, to be found by their ids."""

    def __init__(self, update: Update, known: Mapping[int, int]) -> None:
        self._known = known
        self._placed: dict[int, list[Placed]] = defaultdict(list)
        for placed in update.placed:
            self._placed[placed.at.client].append(placed)

    def are_beside(self, left: Id | None, right: Id | None) -> bool:
        """Tell whether one of two items is among them, and was written beside the other."""
        behind = self._find(right) if right is not None else None
        if right is not None and behind is not None and behind.left_of(right.clock) == left:
            return True
        before = self._find(left) if left is not None else None
        return before is not None and right in (None, before.right)

    def _find(self, item: Id) -> Placed | None:
        """Return the struct that an item is in; None: it is not among them, or has no place."""
        if item.clock < self._known.get(item.client, 0):
            return None
        structs = self._placed.get(item.client, [])
        index = bisect_right(structs, item.clock, key=lambda placed: placed.at.clock) - 1
        return structs[index] if index >= 0 and item.clock < structs[index].end else None
