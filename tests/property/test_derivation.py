"""A delta of many ops, made into Yjs items in one walk: the same text as by one call of Yjs for each place."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from coedit.crdt import document as document_module
from coedit.crdt.audit import audited_update
from coedit.crdt.document import ROOT, YjsDocument
from coedit.crdt.sequence import Kind, items_in_order
from coedit.identifiers import document_id
from coedit.ot.apply import apply
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Insert
from coedit.ot.parts.values import same
from coedit.testing.strategies import deltas, documents
from tests.laws import costly_law
from tests.property.test_yjs_sides import Peer

NAME = document_id("notes")


@contextmanager
def few_calls(count: int) -> Iterator[None]:
    """Have deltas of more than ``count`` calls written in one walk."""
    before, document_module.FEW_CALLS = document_module.FEW_CALLS, count
    try:
        yield
    finally:
        document_module.FEW_CALLS = before


def derive(update: bytes, delta: Delta, *, walks: bool) -> tuple[YjsDocument, bytes]:
    yjs = YjsDocument(NAME, update)
    with few_calls(-1 if walks else 10**9):
        return yjs, yjs.derive(delta, apply(yjs.content, delta))


def edited(data: st.DataObject) -> Peer:
    """Return a Yjs client of a document that it and the server edited, in pieces and at once."""
    peer, server, content = Peer(), YjsDocument(NAME), Delta()
    for is_of_peer in data.draw(st.lists(st.booleans(), max_size=4)):
        delta = data.draw(deltas(content))
        content = apply(content, delta)
        if is_of_peer:
            peer.edit(delta)
            server.take(peer.doc.get_update())
        else:
            with few_calls(data.draw(st.sampled_from([-1, 256]))):
                peer.doc.apply_update(server.derive(delta, content))
        content = server.content
    return peer


@costly_law
@given(st.data())
def test_a_walk_makes_the_text_that_a_call_for_each_place_makes(data: st.DataObject) -> None:
    base = edited(data)
    update, delta = base.doc.get_update(), data.draw(deltas(base.content))
    walked, _ = derive(update, delta, walks=True)
    called, _ = derive(update, delta, walks=False)
    assert walked.render() == called.render() == walked.content == called.content
    audited_update(NAME, walked)


@costly_law
@given(st.data())
def test_what_a_walk_writes_meets_what_is_done_meanwhile(data: st.DataObject) -> None:
    peer = edited(data)
    server, derived = derive(peer.doc.get_update(), data.draw(deltas(peer.content)), walks=True)
    for update in peer.edit(data.draw(deltas(peer.content))):
        server.take(update)
    peer.doc.apply_update(derived)
    assert peer.content == server.render() == server.content


@costly_law
@given(st.data())
def test_marks_that_say_nothing_do_not_pile_up(data: st.DataObject) -> None:
    """Of a text that is formatted and replaced again and again, as many stay as its format changes."""
    yjs = YjsDocument(NAME)
    with few_calls(-1):
        yjs.fold(data.draw(documents()))
        for _ in range(data.draw(st.integers(0, 6))):
            yjs.fold(data.draw(deltas(yjs.content)))
    marks = [item for item in items_in_order(yjs.update(), ROOT) if item.kind is Kind.MARK]
    formats = [{}, *(op.attributes or {} for op in yjs.content.ops if type(op) is Insert), {}]
    assert len(marks) <= sum(_differences(*two) for two in pairwise(formats))


def _differences(before: Attributes, after: Attributes) -> int:
    return sum(not same(before.get(name), after.get(name)) for name in before.keys() | after.keys())
