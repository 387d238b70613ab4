import random
from typing import Any

import pytest
from pycrdt import Doc, Text

from coedit.crdt.audit import audited_update
from coedit.crdt.document import ROOT, YjsDocument, yjs_client_id
from coedit.errors import DamagedError, LengthMismatchError
from coedit.identifiers import DocumentId
from coedit.ot.delta import Delta
from coedit.testing.notation import delta

NAME = DocumentId("notes")


def folded(*notations: str) -> YjsDocument:
    document = YjsDocument(NAME)
    for notation in notations:
        document.fold(delta(notation))
    return document


@pytest.mark.parametrize(
    ("notations", "expected"),
    [
        (["+ab"], "+ab"),
        (["+a😀b漢c", "=3 +x"], "+a😀xb漢c"),
        (["+漢字é😀x", "=2 -3 +y"], "+漢字yx"),
        (["+abc|bold", "=1 +x"], "+a|bold +x +bc|bold"),
        (["+abc|bold", "=1 +x|bold"], "+axbc|bold"),
        (["+ab|bold|color:red", "=1 +[hr]"], "+a|bold|color:red +[hr] +b|bold|color:red"),
        (["+[hr]|size:3 +a", "=1 +x|size:4"], "+[hr]|size:3 +x|size:4 +a"),
        (["+abcd", "=1 =2|bold", "=2 =2|-bold|color:red"], "+a +b|bold +cd|color:red"),
        (["+a|bold +b", "-1 =1 +c|bold"], "+b +c|bold"),
    ],
)
def test_folded_commits_render_as_ot_applies_them(notations: list[str], expected: str) -> None:
    document = folded(*notations)
    assert document.render() == document.content == delta(expected)


def test_true_and_one_are_different_values() -> None:
    document = folded("+ab|bold", "=1|bold:1")
    assert document.render().to_json()[0] == {"insert": "a", "attributes": {"bold": 1}}


def test_delta_that_does_not_fit_changes_nothing() -> None:
    document = folded("+ab")
    with pytest.raises(LengthMismatchError):
        document.fold(delta("+x =2 -1"))
    assert document.render() == document.content == delta("+ab")


def test_update_is_a_plain_yjs_document() -> None:
    doc: Doc = Doc()  # type: ignore[type-arg]
    doc.apply_update(folded("+Grüße_😀", "=2 +[hr]").update())
    assert doc.get(ROOT, type=Text).diff() == [("Gr", None), ({"hr": True}, None), ("üße 😀", None)]


def test_loaded_update_goes_on_under_the_same_client_id() -> None:
    document = folded("+ab", "=1 +c")
    loaded = YjsDocument(NAME, document.update())
    for side in (document, loaded):
        side.fold(delta("=2 +x|bold -1"))
    assert loaded.state_vector() == document.state_vector()
    assert loaded.state_vector()[0] == 1, "the vector begins with the count of clients"


@pytest.mark.parametrize("update", [b"\x01", b"garbage", b"\xff" * 40])
def test_unreadable_update_is_damage(update: bytes) -> None:
    with pytest.raises(DamagedError):
        YjsDocument(NAME, update)


def test_panic_of_the_rust_code_is_an_ordinary_error() -> None:
    """Deleting past the end panics in pycrdt, with an exception that is no `Exception`."""
    document = folded("+ab")
    document._content = delta("+abcdef")
    with pytest.raises(DamagedError, match="PanicException"):
        document.fold(delta("=1 -5"))


def test_audit_gives_the_update() -> None:
    document = folded("+ab", "=1 +😀|bold")
    assert YjsDocument(NAME, audited_update(NAME, document)).content == document.content


@pytest.mark.parametrize("seed", range(40))
def test_audit_minds_no_order_of_yjs_clients(seed: int) -> None:
    """pycrdt writes a state vector in the order of a hash map, which depends on how the document came about."""
    rng = random.Random(seed)
    document = folded("+ab")
    for number in range(6):
        client: Doc[Any] = Doc(client_id=rng.randrange(2**32))
        client[ROOT] = text = Text()
        client.apply_update(document.update())
        text.insert(rng.randint(0, number + 2), "c")
        document.take(client.get_update(document.state_vector()))
    assert YjsDocument(NAME, audited_update(NAME, document)).state_vector() == document.state_vector()


def test_audit_refuses_two_sides_that_disagree() -> None:
    document = folded("+ab")
    document._content = Delta().insert("ax")
    with pytest.raises(DamagedError):
        audited_update(NAME, document)


def test_client_ids_are_none_that_a_yjs_client_draws() -> None:
    ids = {yjs_client_id(DocumentId(f"document {number}")) for number in range(1000)}
    assert len(ids) == 1000
    assert all(2**32 <= number < 2**35 for number in ids)
    assert yjs_client_id(NAME) == yjs_client_id(DocumentId("notes"))
