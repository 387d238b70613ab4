"""Commits folded into Yjs: the same document as by OT, and the same items however the fold is cut."""

from hypothesis import given
from hypothesis import strategies as st

from coedit.crdt.audit import audited_update
from coedit.crdt.document import YjsDocument
from coedit.identifiers import DocumentId
from coedit.ot.apply import apply
from coedit.ot.delta import Delta
from coedit.testing.strategies import deltas, documents

NAME = DocumentId("notes")


@st.composite
def histories(draw: st.DrawFn) -> list[Delta]:
    """Draw deltas that fit one after the other, from the empty document on."""
    document = draw(documents())
    history = [document]
    for _ in range(draw(st.integers(0, 10))):
        history.append(draw(deltas(document)))
        document = apply(document, history[-1])
    return history


@given(histories())
def test_fold_renders_as_ot_applies(history: list[Delta]) -> None:
    yjs, document = YjsDocument(NAME), Delta()
    for delta in history:
        yjs.fold(delta)
        document = apply(document, delta)
        assert yjs.render() == yjs.content == document
    audited_update(NAME, yjs)


@given(histories(), st.data())
def test_fold_in_pieces_makes_the_items_of_a_fold_at_once(history: list[Delta], data: st.DataObject) -> None:
    """With a snapshot stored and loaded in between, and so with the ids that the next snapshot builds on."""
    at_once, in_pieces = YjsDocument(NAME), YjsDocument(NAME)
    for delta in history:
        at_once.fold(delta)
        in_pieces.fold(delta)
        if data.draw(st.booleans()):
            in_pieces = YjsDocument(NAME, in_pieces.update())
        assert in_pieces.state_vector() == at_once.state_vector()
        assert in_pieces.render() == at_once.render()


@given(histories(), st.data())
def test_edit_on_one_derivation_means_the_same_on_another(history: list[Delta], data: st.DataObject) -> None:
    """The ids agree, not only how many there are: what is made on one derivation applies to the other."""
    first, second = YjsDocument(NAME), YjsDocument(NAME)
    for delta in history:
        first.fold(delta)
        second.fold(delta)
        second = YjsDocument(NAME, second.update())
    known = second.state_vector()
    first.fold(data.draw(deltas(first.content)))
    second._doc.apply_update(first._doc.get_update(known))
    assert second.render() == first.render()
