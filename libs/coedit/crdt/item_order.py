"""At which places in a text its items stand, to be asked for by their ids."""

from array import array
from bisect import bisect_right
from collections import defaultdict

from coedit.crdt.sequence import Item
from coedit.protocol.yjs.update import Id

_NO_CLOCK = -1


class ItemOrder:
    """Where in a text each of its items is; later ones come between them, and change nothing of that."""

    def __init__(self, items: list[Item]) -> None:
        # Numbers side by side: it is kept as long as it is of use, and a document may have a million items.
        self._lengths = array("Q", (item.length for item in items))
        self._left_clients = array("Q", (item.left.client if item.left else 0 for item in items))
        self._left_clocks = array("q", (item.left.clock if item.left else _NO_CLOCK for item in items))
        by_client = defaultdict[int, list[int]](list)
        for index in sorted(range(len(items)), key=lambda index: items[index].clock):
            by_client[items[index].client].append(index)
        self._indexes = {client: array("Q", indexes) for client, indexes in by_client.items()}
        self._clocks = {
            client: array("Q", (items[index].clock for index in indexes))
            for client, indexes in by_client.items()
        }

    def allows(self, left: Id | None, right: Id | None) -> bool:
        """Tell whether an item may be put between two: what ``right`` was written behind does not stand between them.

        Of one without ``right``: whether ``left`` has a place.
        """
        before = (-1, 0) if left is None else self._find(left)
        if right is None or before is None:
            return before is not None
        at = self._find(right)
        if at is None:
            return False
        index, offset = at
        behind = Id(right.client, right.clock - 1) if offset else self._left_of(index)
        first = (-1, 0) if behind is None else self._find(behind)
        return first is not None and first <= before < at

    def _left_of(self, index: int) -> Id | None:
        clock = self._left_clocks[index]
        return None if clock == _NO_CLOCK else Id(self._left_clients[index], clock)

    def _find(self, item: Id) -> tuple[int, int] | None:
        """Return in which struct in the text an item is, and where in it; None: it has no place in the text."""
        clocks = self._clocks.get(item.client)
        at = bisect_right(clocks, item.clock) - 1 if clocks else -1
        if clocks is None or at < 0:
            return None
        index, offset = self._indexes[item.client][at], item.clock - clocks[at]
        return (index, offset) if offset < self._lengths[index] else None
