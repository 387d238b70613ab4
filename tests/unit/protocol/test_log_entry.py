from dataclasses import replace

import pytest

from coedit.errors import CoeditError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta, transform
from coedit.ot.commit import Caret, Commit
from coedit.ot.wire import MAX_OPS
from coedit.protocol.log_entry import ChainKey, decode_commit, encode_commit

_KEY = ChainKey.derive(b"a secret of sixteen bytes")
_DOCUMENT = DocumentId("notes")


def _commit(**changes: object) -> Commit:
    commit = Commit(
        Revision(7),
        Delta().retain(2, {"bold": True}).insert("é😀", {"size": 1.5, "a": {"b": [1, None]}}).delete(3),
        AuthorId("ada"),
        ClientId("c1"),
        ClientSequence(4),
        at=1_700_000_000_000,
        epoch=1,
        caret=Caret(3, 5),
    )
    return replace(commit, **changes)  # type: ignore[arg-type]


def test_commit_round_trips() -> None:
    for commit in (_commit(), _commit(caret=None), _KEY.seal(_DOCUMENT, _commit(), "before")):
        assert decode_commit(encode_commit(commit)) == commit


def test_commit_may_have_more_ops_than_its_submission() -> None:
    """Others' commits were inserted between them; a log that could not be read again would be lost."""
    submitted = Delta.from_json([{"retain": 2, "attributes": {"size": size}} for size in range(MAX_OPS)])
    _, carried = transform(Delta().retain(1).insert("x"), submitted)
    assert len(carried.ops) > MAX_OPS
    assert decode_commit(encode_commit(_commit(delta=carried))).delta == carried


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\x80", encode_commit(_commit())[:-3], b"\x01", b"\x90"])
def test_damaged_entry_is_refused(packed: bytes) -> None:
    with pytest.raises(CoeditError):
        decode_commit(packed)


def test_sealed_commit_holds_where_it_was_sealed_and_nowhere_else() -> None:
    sealed = _KEY.seal(_DOCUMENT, _commit(), "before")
    assert _KEY.holds(_DOCUMENT, sealed, "before")
    assert _KEY.holds(_DOCUMENT, decode_commit(encode_commit(sealed)), "before")
    assert not _KEY.holds(_DOCUMENT, sealed, "another before")
    assert not _KEY.holds(DocumentId("other"), sealed, "before")
    assert not ChainKey.derive(b"another secret").holds(_DOCUMENT, sealed, "before")


@pytest.mark.parametrize(
    "change",
    [
        {"revision": Revision(8)},
        {"delta": Delta().insert("forged")},
        {"author": AuthorId("eve")},
        {"client_id": ClientId("c2")},
        {"client_sequence": ClientSequence(5)},
        {"at": 1},
        {"epoch": 2},
        {"caret": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_altered_breaks_the_chain(change: dict[str, object]) -> None:
    sealed = _KEY.seal(_DOCUMENT, _commit(), "before")
    assert not _KEY.holds(_DOCUMENT, replace(sealed, **change), "before")  # type: ignore[arg-type]


def test_attribute_order_does_not_matter() -> None:
    one = _commit(delta=Delta().insert("x", {"a": 1, "b": 2}))
    other = _commit(delta=Delta().insert("x", {"b": 2, "a": 1}))
    assert _KEY.seal(_DOCUMENT, one, "").mac == _KEY.seal(_DOCUMENT, other, "").mac
