"""Lets no update come between the two halves of a character.

Who cut a character has something else in its place already, so it cannot be put right by leaving the update out. It is
put right by items: the character is deleted, in full, before the update is applied; between its halves, which show
nothing any more, stands the same character as one new item of the server's, unless the update deletes half of it. And
what came as U+FFFD, which to its author may still be half of a pair, is replaced by a U+FFFD of the server's.

`docs/adr/0018-a-character-is-never-cut.md` says why.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from coedit.ot.parts.utf16 import unit_length
from coedit.protocol.yjs.delete_set import by_client, write_delete_set
from coedit.protocol.yjs.lib0 import Reader, write_text, write_uint
from coedit.protocol.yjs.pairs import Pairs
from coedit.protocol.yjs.update import REPLACED, Block, Id, StringSpan, Update, decode_update

_REPLACED_RUN = re.compile(f"{REPLACED}+[^{REPLACED}]?", re.DOTALL)
"""With the character behind it: JavaScript writes over that as well when it splits a string behind a half."""
_BEHIND_HALF = re.compile(f"\\A{REPLACED}*[^{REPLACED}]?|{_REPLACED_RUN.pattern}", re.DOTALL)
"""The same in a string that its author wrote on behind a half."""

_TEXT_BETWEEN, _TEXT_BEHIND = 0xC4, 0x84
"""A string that says both its neighbours, or the left one alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """New text, behind one item and before another."""

    left: Id
    right: Id | None
    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """How an update is applied without cutting a character: ``before`` it, in this order, and ``after``."""

    data: bytes
    update: Update
    deletes: tuple[Block, ...] = ()
    """The characters that it would cut; applied first, and alone."""
    again: tuple[Place, ...] = ()
    """Those of them that stay; applied next."""
    replaces: tuple[tuple[Block, Place], ...] = ()
    """What is to be written anew by the server, behind it."""


def whole(
    data: bytes, update: Update, pairs: Pairs, known: Mapping[int, int], halves: Mapping[int, int]
) -> Whole:
    """Return how ``data`` is applied to a document that has ``pairs``, and the items that are ``known``.

    ``halves`` tells behind which clock of a client's the last half was that it wrote at the end of a string.
    """
    cuts = set(cuts_of(update, known))
    replaces = tuple(_replaced(data, update, known, halves))
    new = {item for item in cuts if item.clock >= known.get(item.client, 0)}
    data, update = with_replaced(data, update, new)
    characters: dict[Id, str] = {}
    for item in cuts - new:
        if character := pairs.character(item):
            characters[Id(item.client, item.clock - 1)] = character
    deletes = tuple(Block(first.client, first.clock, first.clock + 2) for first in sorted(characters))
    staying = _untouched(deletes, update.deleted)
    again = tuple(
        Place(Id(client, first), Id(client, first + 1), characters[Id(client, first)])
        for client, first, _ in staying
    )
    return Whole(data, update, deletes, again, replaces)


def write_deletes(deleted: Iterable[Block]) -> bytes:
    """Return the update that deletes ranges."""
    return b"\x00" + write_delete_set(deleted)


def write_places(client: int, clock: int, places: Iterable[Place], deleted: Iterable[Block] = ()) -> bytes:
    """Return the update of new items of ``client`` from ``clock`` on, which deletes ranges beside."""
    structs = [_struct(place) for place in places]
    head = b"\x01" + write_uint(len(structs)) + write_uint(client) + write_uint(clock)
    return head + b"".join(structs) + write_delete_set(deleted)


def _struct(place: Place) -> bytes:
    neighbours = [place.left, *filter(None, (place.right,))]
    info = _TEXT_BETWEEN if place.right else _TEXT_BEHIND
    ids = (write_uint(neighbour.client) + write_uint(neighbour.clock) for neighbour in neighbours)
    return b"".join((bytes((info,)), *ids, write_text(place.text)))


def cuts_of(update: Update, known: Mapping[int, int]) -> Iterator[Id]:
    """Yield before which items something begins, once the update is applied."""
    yield from update.cuts
    for client, first, end in update.deleted:
        yield Id(client, first)
        yield Id(client, end)
    for client, first, end in update.blocks:
        if first < known.get(client, 0) < end:
            yield Id(client, known[client])


def with_replaced(data: bytes, update: Update, cuts: set[Id]) -> tuple[bytes, Update]:
    """Return an update without the characters of its own that it cuts: U+FFFD stands for each half, as in Yjs."""
    own = Pairs()
    own.write(data, update, {})
    cut = sorted(item for item in cuts if own.character(item)) if own else []
    if not cut:
        return data, update
    parts: list[bytes] = []
    position = 0
    for span in update.strings:
        begin, end = (
            bisect_left(cut, span.at),
            bisect_left(cut, Id(span.at.client, span.at.clock + span.units)),
        )
        if begin < end:
            parts += (data[position : span.start], _with_replaced(data, span, cut[begin:end]))
            position = span.end
    data = b"".join((*parts, data[position:]))
    return data, decode_update(data)


def _with_replaced(data: bytes, span: StringSpan, cut: Iterable[Id]) -> bytes:
    text = bytearray(Reader(data, span.start).text().encode("utf-16-le"))
    for item in cut:
        at = 2 * (item.clock - span.at.clock)
        text[at - 2 : at + 2] = (REPLACED * 2).encode("utf-16-le")
    return write_text(text.decode("utf-16-le"))


def _untouched(characters: Iterable[Block], deleted: Iterable[Block]) -> list[Block]:
    """Return those of sorted ``characters`` of which no half is deleted."""
    ranges = chain.from_iterable(of_client for _, of_client in sorted(by_client(deleted).items()))
    gone = next(ranges, None)
    staying: list[Block] = []
    for character in characters:
        while gone is not None and (gone.client, gone.end) <= character[:2]:
            gone = next(ranges, None)
        if gone is None or (character.client, character.end) <= gone[:2]:
            staying.append(character)
    return staying


def halves_at_ends(data: bytes, update: Update) -> dict[int, int]:
    """Return, by client, behind which clock a string of an update ends with what may be half of a pair."""
    spans = (span for span in update.strings if span.has_replaced)
    return {
        span.at.client: span.at.clock + span.units
        for span in spans
        if Reader(data, span.start).text().endswith(REPLACED)
    }


def _replaced(
    data: bytes, update: Update, known: Mapping[int, int], halves: Mapping[int, int]
) -> Iterator[tuple[Block, Place]]:
    """Yield the runs of U+FFFD that are new and stay, each with what comes in its place."""
    deleted: dict[int, list[Block]] = defaultdict(list)
    for block in sorted(update.deleted):
        deleted[block.client].append(block)
    for span in update.strings:
        client, clock = span.at
        is_behind = halves.get(client) == clock
        if not span.has_replaced and not is_behind:
            continue
        for run, text in _runs(Reader(data, span.start).text(), span.at, is_behind=is_behind):
            new = run._replace(first=max(run.first, known.get(client, 0)))
            for first, end in _left(new, deleted[client]):
                right = Id(client, end) if end < clock + span.units else span.right
                part = text[2 * (first - run.first) : 2 * (end - run.first)].decode("utf-16-le", "replace")
                yield Block(client, first, end), Place(Id(client, end - 1), right, part)


def _runs(text: str, at: Id, *, is_behind: bool) -> Iterator[tuple[Block, bytes]]:
    """Yield where ``text``, whose first unit is ``at``, has what is written anew, and that in UTF-16."""
    clock, position = at.clock, 0
    for run in (_BEHIND_HALF if is_behind else _REPLACED_RUN).finditer(text):
        clock += unit_length(text[position : run.start()])
        units = run[0].encode("utf-16-le")
        if units:
            yield Block(at.client, clock, clock + len(units) // 2), units
        clock, position = clock + len(units) // 2, run.end()


def _left(block: Block, deleted: list[Block]) -> Iterator[tuple[int, int]]:
    """Yield what of ``block`` the sorted ranges ``deleted``, of the same client, leave."""
    first = block.first
    begin = max(0, bisect_left(deleted, Block(block.client, first, 0)) - 1)
    for _, gone, end in deleted[begin:]:
        if gone >= block.end:
            break
        if first < gone:
            yield first, gone
        first = max(first, end)
    if first < block.end:
        yield first, block.end
