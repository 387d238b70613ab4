"""The two sides of a bridged document, in one process: whatever either does, both have the same text."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from coedit.crdt.document import YjsDocument
from coedit.identifiers import document_id
from coedit.ot.apply import apply
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Delete, Insert, Retain
from coedit.ot.parts.utf16 import from_units, utf8_length
from coedit.protocol.yjs.update import decode_state_vector
from coedit.testing.strategies import deltas
from tests.laws import costly_law

NAME = document_id("notes")


class Peer:
    """A Yjs client that edits by positions in bytes of UTF-8, as pycrdt counts, and says what it did."""

    def __init__(self, client_id: int | None = None) -> None:
        self.text = Text()
        self.doc: Doc[Any] = Doc({"content": self.text}, client_id=client_id)
        self._said: list[bytes] = []
        self.doc.observe(lambda event: self._said.append(event.update))

    def edit(self, delta: Delta) -> list[bytes]:
        """Do what a delta says, each op by itself; return an update for each."""
        self._said.clear()
        content, place = self.content, 0
        for op in delta.ops:
            if type(op) is Insert:
                place += self._insert(place, op)
                continue
            assert type(op) is Retain or type(op) is Delete
            size = sum(_sizes(content, op.length))
            content = apply(content, Delta([Delete(op.length)]))
            if type(op) is Delete:
                del self.text[place : place + size]
            else:
                if op.attributes:
                    self.text.format(place, place + size, op.attributes)
                place += size
        return list(self._said)

    @property
    def content(self) -> Delta:
        return Delta(Insert(content, attributes) for content, attributes in self.text.diff())

    def _insert(self, place: int, op: Insert) -> int:
        if isinstance(op.content, str):
            text = from_units(op.content)
            self.text.insert(place, text, op.attributes or {})
            return len(text.encode())
        self.text.insert_embed(place, op.content, op.attributes or {})
        return 1


def _sizes(document: Delta, length: int) -> Iterator[int]:
    """Yield what each of the first ``length`` units takes, run by run."""
    for op in apply(document, Delta()).ops:
        if length <= 0:
            return
        assert type(op) is Insert
        if isinstance(op.content, str):
            part = op.content[:length]
            length -= len(part)
            yield utf8_length(part)
        else:
            length -= 1
            yield 1


@costly_law
@given(st.data())
def test_both_sides_have_the_same_text_after_every_edit(data: st.DataObject) -> None:
    peer, server, content = Peer(), YjsDocument(NAME), Delta()
    for is_of_peer in data.draw(st.lists(st.booleans(), min_size=1, max_size=6)):
        delta = data.draw(deltas(content))
        if is_of_peer:
            for update in peer.edit(delta):
                taken = server.take(update)
                if taken is None:
                    continue
                assert apply(content, taken.delta) == taken.document
                content = taken.document
        else:
            content = apply(content, delta)
            peer.doc.apply_update(server.derive(delta, content))
        assert server.content == content == server.render() == peer.content
        assert decode_state_vector(server.state_vector()) == decode_state_vector(peer.doc.get_state())


@costly_law
@given(st.data())
def test_what_the_server_passes_on_makes_the_same_document_elsewhere(data: st.DataObject) -> None:
    """Also where it is less than what it was given, because a part was known."""
    peer, server, other, content = Peer(), YjsDocument(NAME), YjsDocument(NAME), Delta()
    for _ in range(data.draw(st.integers(1, 4))):
        updates = peer.edit(data.draw(deltas(peer.content)))
        if data.draw(st.booleans()):
            updates = [peer.doc.get_update()]  # all of it, again
        for update in updates:
            taken = server.take(update)
            assert server.take(update) is None
            if taken is not None:
                other.follow(taken.update, taken.delta)
        content = server.content
        assert other.content == other.render() == content == peer.content
        assert other.state_vector() == server.state_vector()
