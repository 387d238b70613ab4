"""What may be listed: spans of the order, against what the same grants say of each document."""

import random
from itertools import pairwise
from typing import Any

import pytest

from coedit.errors import InvalidRequestError
from coedit.identifiers import DocumentId
from coedit.protocol.grants import Grants
from coedit.store.objects.spans import (
    Span,
    beginning_with,
    cursor_of,
    document_of,
    folder,
    granted_spans,
    place_of,
    within,
)

_IDS = [
    DocumentId(name)
    for name in (
        *(
            "a",
            "a-b",
            "a b",
            "a/",
            "a/b",
            "a/b/c",
            "a/c",
            "a*",
            "ab",
            "b",
            "é",
            "éa",
            "😀",
            "😀/x",
            "~",
            "~~",
            ".",
        ),
        *("team-7/plan", "team-7/pay", "team-70/plan", "team-7"),
    )
]


def listed(claim: Any, prefix: str = "", begin: str = "") -> list[str]:
    spans = within(granted_spans(Grants.of(claim), "read"), beginning_with(prefix), begin)
    return sorted(name for name in _IDS if any(span.first <= folder(name) < span.end for span in spans))


@pytest.mark.parametrize(
    ("claim", "count"),
    [
        ({}, 0),
        ({"*": "read"}, 1),
        ({"a": "read"}, 1),
        ({"a": ["write"], "b": ["presence"]}, 1),
        ({"*": ["presence"], "team-7/*": "read"}, 1),
        ({"*": "read", "team-7/*": []}, 2),
        ({"*": "read", "team-7/*": [], "team-7/plan": "read"}, 3),
        ({"a*": "read", "a/*": [], "a/b/*": "write", "a/b/c": []}, 4),
        ({"\ud800*": "read", "a": "read"}, 1),
    ],
)
def test_spans_are_what_is_granted(claim: Any, count: int) -> None:
    spans = granted_spans(Grants.of(claim), "read")
    assert spans == sorted(spans, key=lambda span: span.first)
    assert all(before.end < after.first for before, after in pairwise(spans))
    assert len(spans) == count
    assert listed(claim) == sorted(_granted(claim))


def test_any_grants_list_what_they_grant() -> None:
    chance = random.Random(5)
    keys = [*_IDS, *(f"{name[:length]}*" for name in _IDS for length in range(len(name) + 1))]
    for _ in range(300):
        claim = {key: chance.choice(["read", []]) for key in chance.sample(keys, chance.randrange(8))}
        prefix = chance.choice(_IDS)[: chance.randrange(3)]
        expected = sorted(name for name in _granted(claim) if name.startswith(prefix))
        assert listed(claim, prefix) == expected, claim


def _granted(claim: Any) -> list[DocumentId]:
    grants = Grants.of(claim)
    return [name for name in _IDS if "read" in grants.facets(name)]


def test_list_goes_on_at_a_place() -> None:
    in_order = sorted(map(folder, _IDS))
    for place in in_order:
        rest = {name for name in _IDS if folder(name) >= place}
        assert set(listed({"*": "read"}, begin=place_of(cursor_of(place)))) == rest


def test_span_of_one_document_says_so() -> None:
    assert [span.single for span in granted_spans(Grants.of({"a/b": "read"}), "read")] == ["a/b"]
    assert [span.single for span in granted_spans(Grants.of({"a/b*": "read"}), "read")] == [None]


def test_folder_names_its_document() -> None:
    assert [document_of(folder(name)) for name in _IDS] == _IDS
    assert [document_of(name) for name in ("!deployment/", "a b/", "%41/", "/", "%00/")] == [None] * 5


@pytest.mark.parametrize("cursor", ["a", "é", "AAA=", "////", "_w", "gICA"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        place_of(cursor)


def test_empty_cursor_is_the_beginning() -> None:
    assert place_of("") == ""
    assert Span("", "").single is None
