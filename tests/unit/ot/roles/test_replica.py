import pytest

from coedit.errors import UnexpectedMessageError
from coedit.identifiers import Revision
from coedit.ot import Delta
from coedit.ot.roles.replica import AwaitingAck, AwaitingAckWithBuffer, Synchronized

_A = Delta().insert("a")
_B = Delta().retain(1).insert("b")
_C = Delta().insert("c")


def test_first_edit_is_submitted_and_later_ones_wait_composed() -> None:
    replica, submitted = Synchronized(Revision(3)).edit(_A)
    assert (replica, submitted) == (AwaitingAck(Revision(3), _A), _A)
    replica, submitted = replica.edit(_B)
    assert submitted is None
    replica, submitted = replica.edit(Delta().retain(2).insert("c"))
    assert submitted is None
    assert replica == AwaitingAckWithBuffer(Revision(3), _A, Delta().retain(1).insert("bc"))


def test_ack_submits_the_buffer() -> None:
    replica, submitted = AwaitingAckWithBuffer(Revision(3), _A, _B).acknowledge()
    assert (replica, submitted) == (AwaitingAck(Revision(4), _B), _B)
    replica, submitted = replica.acknowledge()
    assert (replica, submitted) == (Synchronized(Revision(5)), None)


def test_remote_commit_goes_through_all_that_is_unacknowledged() -> None:
    replica, shown = AwaitingAckWithBuffer(Revision(3), _A, _B).receive(_C)
    assert shown == _C
    assert replica == AwaitingAckWithBuffer(
        Revision(4), Delta().retain(1).insert("a"), Delta().retain(2).insert("b")
    )
    replica, shown = AwaitingAck(Revision(3), _A).receive(Delta().retain(2).insert("z"))
    assert (replica, shown) == (AwaitingAck(Revision(4), _A), Delta().retain(3).insert("z"))


def test_commit_comes_before_what_is_unacknowledged_at_the_same_place() -> None:
    replica, shown = AwaitingAck(Revision(3), Delta().insert("a")).receive(_C)
    assert (replica, shown) == (AwaitingAck(Revision(4), Delta().retain(1).insert("a")), _C)
    in_flight, at_start = Delta().retain(5).insert("a"), Delta().insert("b")
    replica, shown = AwaitingAckWithBuffer(Revision(3), in_flight, at_start).receive(_C)
    assert shown == _C
    assert replica == AwaitingAckWithBuffer(
        Revision(4), Delta().retain(6).insert("a"), Delta().retain(1).insert("b")
    )


def test_ack_without_anything_in_flight_is_refused() -> None:
    with pytest.raises(UnexpectedMessageError):
        Synchronized(Revision(1)).acknowledge()
