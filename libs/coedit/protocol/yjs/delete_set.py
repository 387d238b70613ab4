"""What an update deletes, in the order in which it costs least to apply.

Yjs splits a string at both ends of each range, in the order in which the update says them, and yrs copies and counts
the rest of it each time: many ranges from one end of a long string to the other cost their product. Where each range
halves what is left, they cost the length of the string times the logarithm of their number. And as the left side is
done before the right one, the list of items grows near its end.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from coedit.protocol.yjs.lib0 import write_uint
from coedit.protocol.yjs.update import Block, Update

FEW_RANGES = 8
"""So few cost little in any order."""


def halving(items: Sequence[Block]) -> Iterator[Block]:
    """Yield the middle one, then the left half in the same way, then the right one."""
    waiting = [(0, len(items))]
    while waiting:
        begin, end = waiting.pop()
        if begin < end:
            middle = (begin + end) // 2
            yield items[middle]
            waiting += (middle + 1, end), (begin, middle)


def by_client(deleted: Iterable[Block]) -> dict[int, list[Block]]:
    """Return ranges by client, in the order of clocks, as few as they can be: none touches another."""
    ranges: dict[int, list[Block]] = defaultdict(list)
    for block in sorted(deleted):
        client, first, end = block
        of_client = ranges[client]
        if of_client and first <= of_client[-1].end:
            of_client[-1] = Block(client, of_client[-1].first, max(end, of_client[-1].end))
        else:
            of_client.append(block)
    return ranges


def write_delete_set(deleted: Iterable[Block]) -> bytes:
    """Return the part of an update that deletes ranges."""
    return _written(by_client(deleted))


def write_splits(at: Mapping[int, Sequence[int]]) -> bytes:
    """Return an update that deletes nothing, at some clocks of each client: yrs splits items there, if it must."""
    return b"\x00" + _written(
        {client: [Block(client, clock, clock) for clock in clocks] for client, clocks in at.items()}
    )


def with_cheap_deletes(data: bytes, update: Update) -> bytes:
    """Return an update that deletes the same in the order that costs least; where that is little, as it is."""
    if len(update.deleted) <= FEW_RANGES:
        return data
    return data[: update.deletes_at] + write_delete_set(update.deleted)


def _written(ranges: Mapping[int, Sequence[Block]]) -> bytes:
    parts = [write_uint(len(ranges))]
    for client in sorted(ranges, reverse=True):
        parts += (write_uint(client), write_uint(len(ranges[client])))
        parts += [write_uint(first) + write_uint(end - first) for _, first, end in halving(ranges[client])]
    return b"".join(parts)
