"""``If-Match`` and ``If-None-Match``, as they may come."""

from typing import Literal

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from coedit.errors import InvalidRequestError, PreconditionError
from services.gateway.rest.editing.conditions import Condition, condition_of, tag_of

_Name = Literal["If-Match", "If-None-Match"]


def condition(*said: str, name: _Name = "If-Match") -> Condition | None:
    headers = CIMultiDict([(name, one) for one in said])
    return condition_of(make_mocked_request("GET", "/", headers=headers), name)


@pytest.mark.parametrize(
    ("said", "tags"),
    [
        (['"1:7"'], ("1:7",)),
        (['"1:7", "2:9"'], ("1:7", "2:9")),
        (['"1:7"', ' "2:9" '], ("1:7", "2:9")),
        (['W/"1:7"'], ()),
        (['W/"1:7","2:9"'], ("2:9",)),
        (['"another,comma"'], ("another,comma",)),
        ([" * "], None),
    ],
)
def test_condition_names_tags(said: list[str], tags: tuple[str, ...] | None) -> None:
    assert condition(*said) == Condition(tags)


def test_what_is_known_weakly_is_known() -> None:
    assert condition('W/"1:7"', name="If-None-Match") == Condition(("1:7",))
    assert condition(name="If-None-Match") is None


@pytest.mark.parametrize("said", ["1:7", '"1:7', '"1:7" "2:9"', '"1:7",', "*, *", "W/*", '"\x7f"', "''"])
def test_what_is_no_condition_is_refused(said: str) -> None:
    with pytest.raises(InvalidRequestError):
        condition(said)


def test_condition_covers_what_it_names() -> None:
    some, any_at_all = Condition(("1:7", "2:7", "odd", "x:7")), Condition(None)
    assert [some.covers(epoch, 7) for epoch in (1, 2, 3)] == [True, True, False]
    assert [any_at_all.covers(1, revision) for revision in (0, 1)] == [False, True]
    assert [some.epoch_of(revision) for revision in (7, 8)] == [2, 0]
    assert any_at_all.epoch_of(7) == 0
    assert tag_of(1, 7) == '"1:7"'
    with pytest.raises(PreconditionError):
        some.require(1, 8)
