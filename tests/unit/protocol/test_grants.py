from typing import Any

import pytest

from coedit.errors import ForbiddenError, UnauthorizedError
from coedit.identifiers import DocumentId
from coedit.protocol.grants import EVERYTHING, Facet, Facets, Grants, require, right_in

_READ: Facets = frozenset({"read", "presence", "history"})
_WRITE: Facets = _READ | {"write"}


def granted(claim: Any, document: str) -> Facets:
    return Grants.of(claim).facets(DocumentId(document))


@pytest.mark.parametrize(
    ("claim", "document", "facets"),
    [
        ({}, "notes", set()),
        ({"notes": "read"}, "notes", _READ),
        ({"notes": "write"}, "notes", _WRITE),
        ({"notes": "write"}, "notes 2", set()),
        ({"*": "read"}, "notes", _READ),
        ({"team-7/*": "write"}, "team-7/plan", _WRITE),
        ({"team-7/*": "write"}, "team-7/", _WRITE),
        ({"team-7/*": "write"}, "team-7", set()),
        ({"team-7/*": "write"}, "team-70/plan", set()),
        ({"team-7/*": "write", "team-7/pay": []}, "team-7/pay", set()),
        ({"*": "write", "team-7/*": "read"}, "team-7/plan", _READ),
        ({"team-7/*": "read", "team-7/a/*": "write"}, "team-7/a/b", _WRITE),
        ({"notes": ["read"]}, "notes", {"read"}),
        ({"notes": ["write"]}, "notes", {"read", "write"}),
        ({"notes": ["history", "presence"]}, "notes", {"history", "presence"}),
        ([{"notes": ["read"]}, {"notes": ["presence"]}], "notes", {"read", "presence"}),
        ([], "notes", set()),
        ({"*": ["admin"]}, "notes", {"admin"}),
    ],
)
def test_key_that_says_most_decides(claim: Any, document: str, facets: Facets) -> None:
    assert granted(claim, document) == facets


@pytest.mark.parametrize(
    "claim", ["*", 7, None, ["*"], {"a": "own"}, {"a": ["own"]}, {"a": [7]}, {"a": None}]
)
def test_claim_that_is_none_is_refused(claim: Any) -> None:
    with pytest.raises(UnauthorizedError):
        Grants.of(claim)


def test_claim_says_the_same_again() -> None:
    grants = Grants.of({"a": "read", "b/*": "write", "c": ["read", "admin"], "d": []})
    assert Grants.of(grants.claim()) == grants
    assert grants.claim() == {"a": "read", "b/*": "write", "c": ["admin", "read"], "d": []}


def test_what_is_missing_is_named() -> None:
    facets: tuple[Facet, ...] = ("read", "write", "presence", "history", "comment", "admin")
    for facet in facets:
        with pytest.raises(ForbiddenError) as refused:
            require(EVERYTHING.facets(DocumentId("any")) - {facet}, facet)
        assert refused.value.required == facet
        require(frozenset({facet}), facet)


def test_right_is_what_a_document_is_opened_with() -> None:
    assert right_in(_WRITE) == "write"
    assert right_in(_READ) == "read"
    with pytest.raises(ForbiddenError):
        right_in(frozenset({"history", "presence", "admin"}))
