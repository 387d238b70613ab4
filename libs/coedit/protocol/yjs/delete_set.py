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
PART_RANGES = 50_000
"""So many are applied at once where others wait: yrs takes some tenths of a second, in which no other thread runs."""


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


def in_parts(data: bytes, update: Update) -> list[bytes]:
    """Return updates that do one by one what ``data`` does, which is `with_cheap_deletes`; of few ranges one."""
    if len(update.deleted) <= PART_RANGES:
        return [data]
    ranges = [block for of_client in by_client(update.deleted).values() for block in halving(of_client)]
    parts = [data[: update.deletes_at] + b"\x00"] if update.blocks else []
    starts = range(0, len(ranges), PART_RANGES)
    return parts + [b"\x00" + _in_order(ranges[first : first + PART_RANGES]) for first in starts]


def _in_order(ranges: Sequence[Block]) -> bytes:
    """Return the part of an update that deletes ranges, which are by client, in the order in which they are given."""
    of: dict[int, list[bytes]] = defaultdict(list)
    for client, first, end in ranges:
        of[client].append(write_uint(first) + write_uint(end - first))
    parts = [write_uint(len(of))]
    for client, written in of.items():
        parts += (write_uint(client), write_uint(len(written)), *written)
    return b"".join(parts)


def _written(ranges: Mapping[int, Sequence[Block]]) -> bytes:
    parts = [write_uint(len(ranges))]
    for client in sorted(ranges, reverse=True):
        parts += (write_uint(client), write_uint(len(ranges[client])))
        parts += [write_uint(first) + write_uint(end - first) for _, first, end in halving(ranges[client])]
    return b"".join(parts)
