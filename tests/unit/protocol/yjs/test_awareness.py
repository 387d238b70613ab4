"""Whose word counts for whom."""

import pytest

from coedit.errors import InvalidUpdateError, TooLargeError
from coedit.protocol.yjs.awareness import (
    MAX_STATE_BYTES,
    OUTDATED_SECONDS,
    AwarenessStates,
    Entry,
    read_entries,
    write_entries,
)
from coedit.protocol.yjs.ids import FIRST_SERVER_ID

ANN, BEN = Entry(5, 1, '{"name":"Ann"}'), Entry(6, 1, '{"name":"Ben"}')


@pytest.fixture
def states() -> AwarenessStates:
    states = AwarenessStates()
    states.hear("ann", [ANN], 0)
    states.hear("ben", [BEN], 0)
    return states


def test_captured_update_is_read_and_written() -> None:
    update = bytes.fromhex("010501167b2275736572223a7b226e616d65223a22c3a9227d7d")
    assert read_entries(update) == [Entry(5, 1, '{"user":{"name":"é"}}')]
    assert write_entries(read_entries(update)) == update


@pytest.mark.parametrize("update", ["", "01", "010500", "01050002ff", "0000", "ffffffffffffff0f"])
def test_broken_update_is_refused(update: str) -> None:
    with pytest.raises(InvalidUpdateError):
        read_entries(bytes.fromhex(update))


def test_what_is_heard_is_news_once(states: AwarenessStates) -> None:
    assert states.hear("ann", [ANN], 1).news == []
    assert states.hear("ann", [ANN._replace(clock=2)], 1).news == [ANN._replace(clock=2)]
    assert states.hear("ann", [ANN], 1).news == []
    assert states.entries() == [ANN._replace(clock=2), BEN]


def test_first_state_with_clock_0_is_shown_to_nobody_and_says_whose_the_id_is() -> None:
    states = AwarenessStates()
    assert states.hear("ann", [Entry(5, 0, "{}")], 0).news == []
    assert states.entries() == []
    assert states.hear("ben", [ANN], 0).foreign == 1


def test_state_of_somebody_else_is_not_taken(states: AwarenessStates) -> None:
    """Neither changed nor removed, however great the clock."""
    for entry in (Entry(6, 9, '{"name":"Not Ben"}'), Entry(6, 9, "null"), Entry(6, 1, "null")):
        merged = states.hear("ann", [entry], 1)
        assert (merged.news, merged.foreign) == ([], 1)
    assert states.entries() == [ANN, BEN]


def test_second_id_of_one_owner_is_not_taken(states: AwarenessStates) -> None:
    assert states.hear("ann", [Entry(7, 1, "{}")], 1).foreign == 1
    states.hear("ann", [Entry(5, 2, "null")], 1)
    assert states.hear("ann", [Entry(7, 1, "{}")], 1).news == [Entry(7, 1, "{}")]


def test_id_of_the_server_is_nobodys(states: AwarenessStates) -> None:
    assert states.hear("eve", [Entry(FIRST_SERVER_ID, 1, "{}")], 0).foreign == 1


def test_who_leaves_is_gone_for_the_others(states: AwarenessStates) -> None:
    assert states.leave("ann", 1) == Entry(5, 1, "null")
    assert states.leave("ann", 1) is None
    assert states.entries() == [BEN]


def test_who_said_so_before_leaving_is_gone_once(states: AwarenessStates) -> None:
    assert states.hear("ann", [Entry(5, 1, "null")], 1).news == [Entry(5, 1, "null")]
    assert states.hear("ann", [Entry(5, 1, "null")], 1).news == []
    assert states.leave("ann", 1) is None


def test_echo_does_not_bring_back_who_is_gone(states: AwarenessStates) -> None:
    states.leave("ann", 1)
    assert states.hear("eve", [ANN], 2).news == []
    assert states.hear("ann again", [ANN._replace(clock=2)], 2).news == [ANN._replace(clock=2)]


def test_who_is_silent_is_let_go(states: AwarenessStates) -> None:
    states.hear("ben", [BEN._replace(clock=2)], OUTDATED_SECONDS)
    assert states.expire(OUTDATED_SECONDS + 1) == [Entry(5, 1, "null")]
    assert states.entries() == [BEN._replace(clock=2)]
    assert states.expire(OUTDATED_SECONDS + 1) == []


def test_id_of_a_connection_that_went_silent_can_be_had_again(states: AwarenessStates) -> None:
    """A client that came back before its old connection was found to be dead."""
    back = ANN._replace(clock=2)
    assert states.hear("ann again", [back], 1).foreign == 1
    assert states.hear("ann again", [back], OUTDATED_SECONDS + 1).news == [back]
    assert states.leave("ann", OUTDATED_SECONDS + 2) is None
    assert back in states.entries()


def test_those_that_are_gone_are_forgotten_in_the_end(states: AwarenessStates) -> None:
    states.leave("ann", 0)
    states.leave("ben", 0)
    states.expire(1_000)
    assert not states._known
    assert not states._ids


def test_who_is_known_by_other_means_cannot_be_spoken_for() -> None:
    states = AwarenessStates()
    assert states.tell("remote", 9, "{}", 10, 0) == Entry(9, 10, "{}")
    assert states.tell("remote", 9, "{}", 10, 0) is None
    assert states.hear("ann", [Entry(9, 11, "null")], 1).foreign == 1


def test_too_large_state_is_refused(states: AwarenessStates) -> None:
    with pytest.raises(TooLargeError):
        states.hear("ann", [Entry(5, 2, '"' + "é" * (MAX_STATE_BYTES // 2) + '"')], 1)
    assert states.entries() == [ANN, BEN]


def test_state_that_is_not_json_is_refused(states: AwarenessStates) -> None:
    with pytest.raises(InvalidUpdateError):
        states.hear("ann", [Entry(5, 2, "{")], 1)
