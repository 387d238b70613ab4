"""Applies what Yjs clients do to a document so that no character is cut: see `coedit.protocol.yjs.whole`."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from coedit.crdt.document import Taken, YjsDocument
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert
from coedit.protocol.yjs.delete_set import in_parts, with_cheap_deletes
from coedit.protocol.yjs.ids import is_server_id
from coedit.protocol.yjs.lib0 import Reader
from coedit.protocol.yjs.pairs import Pairs
from coedit.protocol.yjs.update import REPLACED, Id, Update, decode_state_vector, decode_update
from coedit.protocol.yjs.whole import (
    Whole,
    cuts_of,
    halves_at_ends,
    whole,
    with_replaced,
    write_deletes,
    write_places,
)

_FOUR_BYTES = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
"""A character of two units, or what looks like one."""

_HALF = re.compile(f"[\ud800-\udfff{REPLACED}]")
"""Half of a character of two units, or what stands for one."""


class Step(NamedTuple):
    """One commit: what a client's update did, or the server beside it."""

    taken: Taken
    is_clients: bool


class WholeCharacters:
    """A document to which updates are applied with all that keeps its characters whole.

    What the server adds are items of ``client_id``, which is not the one that the document derives its items under.
    """

    def __init__(self, yjs: YjsDocument, client_id: int) -> None:
        self._yjs = yjs
        self._client_id = client_id
        self._pairs = Pairs()
        self._halves: dict[int, int] = {}
        """Behind which clock a client goes on that ended with a half; of clients that went on since, none."""
        if not yjs.is_text or _has_halves(yjs.content):
            data = yjs.update()
            self.derived(data)
            self._halves = _halves_in(data, decode_state_vector(yjs.state_vector()))

    def derived(self, data: bytes) -> None:
        """Take note of an update that the server made and applied itself."""
        if self._pairs or _FOUR_BYTES.search(data):
            self._pairs.add(data, decode_update(data), {})

    def take(self, data: bytes, update: Update) -> list[Step]:
        """Apply what a Yjs client did, which was checked before; return what came of it, in order.

        Raises:
            DamagedError: Yjs failed on it, or the text has something now that no delta can hold.
        """
        known = decode_state_vector(self._yjs.state_vector())
        plan = whole(data, update, self._pairs, known, self._halves)
        steps = [Step(taken, is_clients=False) for taken in self._before(plan, known)]
        cheap = with_cheap_deletes(plan.data, plan.update)
        taken = self._yjs.take(cheap, plan.update, in_parts(cheap, plan.update))
        if taken is None:
            return steps
        self._pairs.add(plan.data, plan.update, known)
        self._note_halves(halves_at_ends(data, update))
        steps.append(Step(taken, is_clients=True))
        return steps + [Step(taken, is_clients=False) for taken in self._behind(plan)]

    def _note_halves(self, ends: dict[int, int]) -> None:
        if ends or self._halves:
            known = decode_state_vector(self._yjs.state_vector())
            both = (*self._halves.items(), *ends.items())
            self._halves = {client: end for client, end in both if known.get(client) == end}

    def _before(self, plan: Whole, known: dict[int, int]) -> Iterator[Taken]:
        if not plan.deletes:
            return
        yield from self._add(write_deletes(plan.deletes))
        if plan.again:
            yield from self._add(write_places(self._client_id, known.get(self._client_id, 0), plan.again))

    def _behind(self, plan: Whole) -> Iterator[Taken]:
        if plan.replaces:
            clock = decode_state_vector(self._yjs.state_vector()).get(self._client_id, 0)
            gone, places = zip(*plan.replaces, strict=True)
            yield from self._add(write_places(self._client_id, clock, places, gone))

    def _add(self, data: bytes) -> Iterator[Taken]:
        """Apply what the server adds."""
        update = decode_update(data)
        taken = self._yjs.take(data, update)
        if taken is not None:
            self._pairs.add(data, update, {})
            yield taken


def without_cuts(data: bytes) -> bytes:
    """Return an update that is a whole document without cut characters: for each stands U+FFFD twice, as in Yjs.

    Raises:
        InvalidUpdateError: it is no update.
    """
    update = decode_update(data)
    return with_replaced(data, update, set(cuts_of(update, {})))[0]


def _halves_in(data: bytes, known: dict[int, int]) -> dict[int, int]:
    """Return, by client, behind which of the clocks ``known`` it goes on that ended with a half.

    In its place stands what the server wrote, behind the half. Where that was deleted since, it cannot be told.
    """
    update = decode_update(data)
    lefts: dict[Id, Id] = {}
    for at, on in update.dependencies:
        lefts.setdefault(at, on)
    found: dict[int, int] = {}
    for span in update.strings:
        left = lefts.get(span.at)
        if not (span.has_replaced and is_server_id(span.at.client)) or left is None:
            continue
        if known.get(left.client) == left.clock + 1 and Reader(data, span.start).text().endswith(REPLACED):
            found[left.client] = left.clock + 1
    return found


def _has_halves(document: Delta) -> bool:
    """Tell whether a character of a document takes two UTF-16 units, or may be half of one that does."""
    texts = (op.content for op in document.ops if type(op) is Insert)
    return any(_HALF.search(text) is not None for text in texts if isinstance(text, str))
