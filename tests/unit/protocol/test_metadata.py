"""What a program says of its edit: beside the fields under the mac, and named by them."""

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from coedit.errors import DamagedError, InvalidDeltaError, InvalidRequestError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision, client_id
from coedit.ot import Delta
from coedit.ot.commit import Commit, Metadata
from coedit.protocol.history import follow
from coedit.protocol.log_entry import (
    ChainKey,
    commit_fields,
    commit_from_fields,
    decode_commit,
    encode_commit,
)
from coedit.protocol.metadata import naming, read_metadata

_KEY = ChainKey.derive(b"a secret of sixteen bytes")
_DOCUMENT = DocumentId("notes")
_MADE = ClientId("k" * 20)
_SAID: Metadata = (("model", "m-1"), ("prompted_by", "ada 😀"))


def made(metadata: Metadata = _SAID) -> tuple[Commit, bytes]:
    commit = Commit(
        Revision(1),
        Delta().insert("x"),
        AuthorId("bot"),
        naming(_MADE, metadata),
        ClientSequence(1),
        at=7,
        epoch=1,
        metadata=metadata,
    )
    return _KEY.seal_entry(_DOCUMENT, commit, "")


def test_metadata_comes_back_with_the_commit() -> None:
    commit, entry = made()
    assert decode_commit(entry) == commit
    assert encode_commit(commit) == entry
    assert next(follow(_DOCUMENT, [entry], 0, "", _KEY)).metadata == _SAID
    assert client_id(commit.client_id) == commit.client_id


def test_who_does_not_know_of_it_follows_the_chain() -> None:
    """An earlier version passes over the field, and computes the mac from those that it knows."""
    commit, entry = made()
    fields = msgpack.unpackb(entry)
    del fields["metadata"]
    known = commit_from_fields(fields)
    assert known == replace(commit, metadata=())
    assert _KEY.holds(_DOCUMENT, known, "")
    assert "metadata" not in commit_fields(commit)


@pytest.mark.parametrize(
    "altered", [{"model": "m-2"}, {}, {"model": "m-1"}, "text", {"model": 7}, {"": "x"}, [["model", "m-1"]]]
)
def test_what_was_altered_is_damage(altered: Any) -> None:
    _, entry = made()
    packed = msgpack.packb(msgpack.unpackb(entry) | {"metadata": altered})
    with pytest.raises(InvalidDeltaError):
        decode_commit(packed)
    with pytest.raises(DamagedError):
        list(follow(_DOCUMENT, [packed], 0, "", _KEY))


def test_metadata_belongs_to_one_client() -> None:
    commit, entry = made(())
    packed = msgpack.packb(msgpack.unpackb(entry) | {"metadata": dict(_SAID)})
    assert commit.client_id == _MADE
    with pytest.raises(InvalidDeltaError):
        decode_commit(packed)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"": "x"},
        {"a b": "x"},
        {"é": "x"},
        {"a" * 65: "x"},
        {"a": 7},
        {"a": None},
        {"a": "x" * 257},
        {"a": "\ud800"},
        {f"a{number}": "" for number in range(17)},
    ],
)
def test_what_is_no_metadata_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError):
        read_metadata(value)


def test_order_of_names_says_nothing() -> None:
    assert (
        read_metadata({"b": "2", "a": "1"}) == read_metadata({"a": "1", "b": "2"}) == (("a", "1"), ("b", "2"))
    )
    assert read_metadata({}) == ()
