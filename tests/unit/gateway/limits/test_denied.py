"""Who was denied a moment ago, by a clock that the tests set."""

from services.gateway.limits.denied import AGAIN_SECONDS, Denied


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_same_is_refused_until_two_seconds_have_passed() -> None:
    clock = Clock()
    denied = Denied(clock)
    denied.note("192.0.2.1", "/yjs/notes?token=bad")
    assert denied.is_recent("192.0.2.1", "/yjs/notes?token=bad")
    clock.now += AGAIN_SECONDS - 0.1
    assert denied.is_recent("192.0.2.1", "/yjs/notes?token=bad")
    clock.now += 0.1
    assert not denied.is_recent("192.0.2.1", "/yjs/notes?token=bad")


def test_others_and_who_comes_with_something_else_are_not_concerned() -> None:
    denied = Denied(Clock())
    denied.note("192.0.2.1", "/yjs/notes?token=bad")
    assert not denied.is_recent("192.0.2.2", "/yjs/notes?token=bad")
    assert not denied.is_recent("192.0.2.1", "/yjs/notes?token=good")


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    denied = Denied(Clock())
    for number in range(10_001):
        denied.note("192.0.2.1", f"/yjs/{number}")
    assert not denied.is_recent("192.0.2.1", "/yjs/0")
    assert denied.is_recent("192.0.2.1", "/yjs/1")
    assert denied.is_recent("192.0.2.1", "/yjs/10000")
