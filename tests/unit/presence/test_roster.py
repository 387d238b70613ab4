from dataclasses import replace
from typing import Any

import pytest

from coedit.errors import ProtocolError
from coedit.identifiers import AuthorId, ClientId, Revision
from coedit.ot.commit import Caret
from coedit.presence.roster import (
    Changes,
    Presence,
    Roster,
    Stay,
    presence_fields,
    presence_from_fields,
    shared_fields,
)

TTL_MS = 30_000
A, B = ClientId("a"), ClientId("b")


def presence(client: str = "a", at: int | None = 0, **more: Any) -> Presence:
    caret = None if at is None else Caret(at, at)
    fields: dict[str, Any] = {
        "name": "Ada",
        "colour": "#ff0000",
        "revision": Revision(1),
        "gateway": "g1",
    } | more
    return Presence(client_id=ClientId(client), author=AuthorId("ada"), caret=caret, **fields)


def told(changes: Changes) -> tuple[list[Presence], list[str]]:
    return [stay.presence for stay in changes.present], list(changes.left)


def test_who_comes_is_announced_once() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(), 0)
    assert told(roster.take_changes()) == ([presence()], [])
    assert not roster.take_changes()


def test_moves_between_two_looks_are_one_change() -> None:
    roster = Roster(TTL_MS)
    for at in range(200):
        roster.report(presence(at=at), at)
    changes = roster.take_changes()
    assert told(changes) == ([presence(at=199)], [])
    assert changes.present[0].deadline_ms == 199 + TTL_MS


def test_renewed_presence_is_kept_and_not_announced() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(), 0)
    roster.take_changes()
    roster.report(presence(gateway="g2"), 5)
    assert roster.alive(A, 10_000)
    changes = roster.take_changes()
    assert told(changes) == ([], [])
    assert changes.renewed == (Stay(presence(), 10_000 + TTL_MS),)
    assert changes.renewed[0].presence.gateway == "g2"


@pytest.mark.parametrize(
    "change",
    [{"name": "Bo"}, {"colour": ""}, {"revision": Revision(2)}, {"at": 1}, {"at": None}],
)
def test_every_visible_change_is_announced(change: dict[str, Any]) -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(), 0)
    roster.take_changes()
    roster.report(presence(**change), 1)
    assert told(roster.take_changes()) == ([presence(**change)], [])


def test_who_moves_and_moves_back_between_two_looks_did_not_move() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(), 0)
    roster.take_changes()
    roster.report(presence(at=7), 1)
    roster.report(presence(), 2)
    assert told(roster.take_changes()) == ([], [])


def test_who_leaves_is_announced_and_who_only_passed_by_is_not() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(), 0)
    roster.take_changes()
    roster.leave(A, "g1")
    roster.report(presence("b"), 1)
    roster.leave(B, "g1")
    assert told(roster.take_changes()) == ([], [A])
    assert len(roster) == 0
    assert not roster.take_changes()


def test_gateway_that_lost_a_client_cannot_remove_it_from_another() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(gateway="g1"), 0)
    roster.report(presence(gateway="g2"), 1)
    roster.leave(A, "g1")
    assert A in roster
    roster.leave(A, "g2")
    assert A not in roster


def test_presence_ends_exactly_at_its_deadline() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence(), 0)
    roster.report(presence("b"), 1)
    roster.take_changes()
    assert roster.expire(TTL_MS - 1) == 0
    assert roster.expire(TTL_MS) == 1
    assert told(roster.take_changes()) == ([], [A])
    assert [stay.presence.client_id for stay in roster] == [B]


def test_sign_of_life_of_somebody_unknown_changes_nothing() -> None:
    roster = Roster(TTL_MS)
    assert not roster.alive(A, 0)
    assert not roster.take_changes()


def test_older_report_does_not_shorten_a_stay() -> None:
    roster = Roster(TTL_MS)
    roster.restore(A, Stay(presence(), 50_000))
    roster.report(presence(), 1_000)
    assert roster.take_changes().renewed == (Stay(presence(), 50_000),)


def test_takeover_tells_only_what_differs_from_what_was_told() -> None:
    roster = Roster(TTL_MS)
    roster.restore(A, Stay(presence(), 50_000))
    roster.restore(B, None)
    assert told(roster.take_changes()) == ([], [B])
    roster.report(presence(), 1)
    roster.report(presence("b"), 1)
    assert told(roster.take_changes()) == ([presence("b")], [])


def test_changes_given_back_come_again() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence("b"), 0)
    roster.take_changes()
    roster.report(presence(), 0)
    roster.leave(B, "g1")
    changes = roster.take_changes()
    roster.give_back(changes)
    assert roster.take_changes() == changes
    assert not roster.take_changes()


def test_who_comes_is_told_from_who_moves() -> None:
    """For applications: of a move, of a sign of life, and of a change of name they are told nothing."""
    roster = Roster(TTL_MS)
    roster.restore(B, Stay(presence("b"), 50_000))
    roster.report(presence(), 0)
    assert roster.take_changes().came == (presence(),)
    roster.report(presence(at=3), 1)
    roster.report(presence("b", at=3), 1)
    roster.alive(A, 2)
    moved = roster.take_changes()
    assert (len(moved.present), moved.came, moved.gone) == (2, (), ())
    roster.give_back(moved)
    assert roster.take_changes().came == ()
    roster.leave(A, "g1")
    assert roster.take_changes().gone == (presence(at=3),)
    roster.report(presence(), 3)
    came = roster.take_changes()
    assert came.came == (presence(),)
    roster.give_back(came)
    assert roster.take_changes().came == (presence(),)


def test_of_who_is_found_gone_only_the_client_is_known() -> None:
    roster = Roster(TTL_MS)
    roster.restore(A, None)
    changes = roster.take_changes()
    assert (changes.left, changes.gone) == ((A,), ())


def test_presence_survives_the_wire() -> None:
    for here in (presence(), presence(at=None, name="", colour="")):
        assert presence_from_fields(presence_fields(here) | {"later": 1}) == here
    assert "gateway" not in presence_fields(presence())


@pytest.mark.parametrize(
    "bad",
    [
        {"client_id": "a b"},
        {"client_id": 7},
        {"author": ""},
        {"name": "x" * 65},
        {"name": None},
        {"name": "\ud83d"},
        {"colour": "red"},
        {"colour": "#ff0000\n"},
        {"colour": 0},
        {"revision": -1},
        {"revision": True},
        {"revision": 2**53},
        {"caret": {"anchor": 1}},
        {"caret": {"anchor": 1, "head": 1.0}},
        {"caret": [1, 2]},
        {"caret": 1},
    ],
)
def test_what_is_no_presence_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        presence_from_fields(presence_fields(presence()) | bad)


@pytest.mark.parametrize("bad", [None, 1, "x", [], {}])
def test_what_is_not_even_fields_is_refused(bad: Any) -> None:
    with pytest.raises(ProtocolError):
        presence_from_fields(bad)


def test_presences_are_equal_when_everybody_sees_the_same() -> None:
    assert presence() == replace(presence(), gateway="other")


def test_who_says_so_stays_longer_or_shorter_than_others() -> None:
    roster = Roster(TTL_MS)
    roster.report(presence("a", ttl_ms=1_000), 0)
    roster.report(presence("b", ttl_ms=60_000), 0)
    assert roster.expire(1_000) == 1
    assert roster.expire(TTL_MS) == 0
    assert roster.alive(B, 50_000)
    assert roster.expire(109_999) == 0
    assert roster.expire(110_000) == 1


def test_time_to_stay_travels_between_services_and_is_not_told() -> None:
    fields = shared_fields(presence(ttl_ms=5_000))
    assert presence_from_fields(fields).ttl_ms == 5_000
    assert "ttl_ms" not in presence_fields(presence(ttl_ms=5_000))
    for odd in (-1, 1.5, "1", None, 3_600_001):
        with pytest.raises(ProtocolError):
            presence_from_fields(fields | {"ttl_ms": odd})
