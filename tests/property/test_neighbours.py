"""Between whatever items an update says that its own stand: it is refused, or everybody has one text of it."""

import random

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import merge_updates

from coedit.crdt.document import YjsDocument
from coedit.crdt.neighbours import Neighbours
from coedit.errors import InvalidUpdateError
from coedit.identifiers import document_id
from coedit.ot.delta import Delta
from coedit.protocol.yjs.gate import check_text, lacks
from coedit.protocol.yjs.lib0 import write_text, write_uint
from coedit.protocol.yjs.update import Id, Update, decode_state_vector, decode_update
from tests.laws import costly_law
from tests.property.test_yjs_sides import Peer

NAME = document_id("notes")
CLIENTS = (5, 7, 9)
_IS_ODD = 0.5
_IS_CURRENT = 0.7
_WRITERS = ((0.03, 0.0), (0.2, 0.0), (0.3, 0.3))
"""Of each how much is collected, and how much it says again; all write under the same ids."""


class OddWriter:
    """Writes updates of items between neighbours of all kinds: some that are, some that never were."""

    def __init__(self, rng: random.Random, collected: float = 0.03, again: float = 0.0) -> None:
        self._rng = rng
        self._collected = collected
        """How many of its structs are collected."""
        self._again = again
        """How many of its updates begin with clocks that it knows, and say something else of them."""
        self.known: dict[int, int] = {}

    def update(self) -> bytes:
        rng = self._rng
        blocks = []
        for client in rng.sample(CLIENTS, rng.choice((1, 1, 1, 2))):
            clock = self.known.get(client, 0)
            if rng.random() < self._again:
                clock = rng.randrange(clock + 1)
            structs, end = [], clock
            for _ in range(rng.choice((1, 1, 2, 3))):
                struct, length = self._struct(client, end)
                structs.append(struct)
                end += length
            blocks.append(
                write_uint(len(structs)) + write_uint(client) + write_uint(clock) + b"".join(structs)
            )
        return write_uint(len(blocks)) + b"".join(blocks) + self._deletes()

    def _struct(self, client: int, clock: int) -> tuple[bytes, int]:
        rng = self._rng
        if rng.random() < self._collected:
            return b"\0\2", 2  # which nothing of a text is next to
        info, ids = self._neighbours(client, clock)
        parent = b"" if info else b"\1" + write_text("content")
        if rng.random() < 0.2:
            mark = write_text(rng.choice("bi")) + write_text(rng.choice(["true", "null"]))
            return bytes((info | 6,)) + ids + parent + mark, 1
        text = "".join(rng.choices("abcdefgh", k=rng.randrange(1, 4)))
        return bytes((info | 4,)) + ids + parent + write_text(text), len(text)

    def _neighbours(self, client: int, clock: int) -> tuple[int, bytes]:
        rng = self._rng
        here = [Id(other, at) for other, end in self.known.items() for at in range(end)]
        if clock and rng.random() < 0.3:
            here.append(Id(client, clock - 1))
        left = rng.choice([None, *here])
        right = rng.choice([None, *here])
        if left is not None and rng.random() < _IS_ODD:
            right = rng.choice([None, Id(left.client, left.clock + 1)])
            if right is not None and right not in here:
                right = None
        info = (0x80 if left else 0) | (0x40 if right else 0)
        ids = b"".join(write_uint(part) for item in (left, right) if item for part in item)
        return info, ids

    def _deletes(self) -> bytes:
        rng = self._rng
        if not self.known or rng.random() < 0.6:
            return b"\0"
        client = rng.choice(sorted(self.known))
        first = rng.randrange(self.known[client])
        length = rng.randrange(1, min(4, self.known[client] - first) + 1)
        return b"\1" + write_uint(client) + b"\1" + write_uint(first) + write_uint(length)


def _read(updates: list[bytes]) -> YjsDocument:
    document = YjsDocument(NAME)
    for update in updates:
        document.take(update)
    return document


def _shuffled(updates: list[bytes], rng: random.Random) -> list[bytes]:
    """Return updates in another order in which each comes after what it rests on, and says again."""
    waiting: list[tuple[bytes, Update, dict[int, int]]] = []
    known: dict[int, int] = {}
    for data in updates:
        update = decode_update(data)
        said = {client: known.get(client, 0) for client, _, _ in update.blocks}
        waiting.append((data, update, said))
        _learn(known, update)
    known = {}
    order: list[bytes] = []
    while waiting:
        ready = [
            one
            for one in waiting
            if not lacks(one[1], known) and all(known.get(client, 0) >= end for client, end in one[2].items())
        ]
        chosen = rng.choice(ready)
        waiting.remove(chosen)
        order.append(chosen[0])
        _learn(known, chosen[1])
    return order


def _learn(known: dict[int, int], update: Update) -> None:
    for client, _, end in update.blocks:
        known[client] = max(end, known.get(client, 0))


@costly_law
@given(st.integers(0, 2**32))
def test_everybody_has_one_text_whatever_neighbours_an_update_names(seed: int) -> None:
    rng = random.Random(seed)
    server = YjsDocument(NAME)
    neighbours, taken, is_said_again = Neighbours(server, "content"), [], False
    writers = [OddWriter(rng, collected, again) for collected, again in _WRITERS]
    for _ in range(rng.randrange(2, 14)):
        known = decode_state_vector(server.state_vector())
        writer = rng.choice(writers)
        if rng.random() < _IS_CURRENT:
            writer.known = known
        data = writer.update()
        try:
            update = decode_update(data)
            check_text(update, "content")
            if lacks(update, known):
                continue
            neighbours.check(data, update, known)
        except InvalidUpdateError:
            continue
        made = server.take(data)
        if made is not None:
            taken.append(made.update)
            said = decode_update(made.update).blocks
            is_said_again |= any(first < known.get(client, 0) for client, first, _ in said)
        neighbours.note(update, known)
    if not taken:
        return
    # Who merges them has to choose between what was said first and what was said again.
    merged = [] if is_said_again else [[merge_updates(*taken)]]
    for others in ([server.update()], *merged, _shuffled(taken, rng), _shuffled(taken, rng)):
        other = _read(others)
        assert other.render() == server.content == server.render()
        assert other.state_vector() == server.state_vector()


def _edit(rng: random.Random, length: int) -> Delta:
    """Return one edit of a text without characters of two units."""
    place = rng.randrange(length + 1)
    size = min(length - place, rng.randrange(1, 4))
    if size and rng.random() < 0.4:
        return Delta().retain(place).delete(size)
    if size and rng.random() < 0.4:
        return Delta().retain(place).retain(size, {rng.choice("bi"): rng.choice([True, None])})
    return Delta().retain(place).insert(rng.choice(["a", "bcd"]), rng.choice([None, {"b": True}]))


@costly_law
@given(st.integers(0, 2**32))
def test_what_editors_write_at_the_same_time_is_never_refused(seed: int) -> None:
    rng = random.Random(seed)
    server = YjsDocument(NAME)
    neighbours = Neighbours(server, "content")
    peers = [Peer(client_id) for client_id in CLIENTS]
    unread: list[list[bytes]] = [[] for _ in peers]
    for _ in range(rng.randrange(2, 30)):
        peer, waiting = rng.choice(list(zip(peers, unread, strict=True)))
        for _ in range(rng.randrange(len(waiting) + 1)):
            peer.doc.apply_update(waiting.pop(0))
        said = peer.edit(_edit(rng, peer.content.document_length))
        if rng.random() < 0.1:
            said = [peer.doc.get_update()]  # all of it again, as who connects anew says it
        for data in said:
            update, known = decode_update(data), decode_state_vector(server.state_vector())
            neighbours.check(data, update, known)
            server.take(data)
            neighbours.note(update, known)
            for others in unread:
                others.append(data)
    assert server.content == server.render() == _read([server.update()]).render()
