"""How much may be done in a time, by a clock that the tests set."""

import pytest

from coedit.protocol.limits.token_bucket import Rate, TokenBucket

RATE = Rate(per_second=10, at_once=50)


def test_so_much_may_be_spent_at_once_and_then_as_it_comes_back() -> None:
    bucket = TokenBucket()
    assert [bucket.spend(1, 1000.0, RATE) for _ in range(50)] == [0.0] * 50
    assert bucket.spend(1, 1000.0, RATE) == pytest.approx(0.1)
    assert bucket.spend(1, 1000.2, RATE) == 0.0


def test_what_was_overspent_is_paid_for() -> None:
    bucket = TokenBucket()
    assert bucket.spend(150, 1.0, RATE) == pytest.approx(10.0)
    assert bucket.spend(0, 6.0, RATE) == pytest.approx(5.0)
    assert bucket.spend(0, 11.0, RATE) == 0.0


def test_a_pause_gathers_no_more_than_there_is_at_once() -> None:
    bucket = TokenBucket()
    bucket.spend(50, 0.0, RATE)
    assert bucket.spend(50, 1e6, RATE) == 0.0
    assert bucket.spend(1, 1e6, RATE) > 0.0


def test_what_is_taken_is_there_or_costs_nothing() -> None:
    bucket = TokenBucket()
    assert [bucket.take(1, 5.0, RATE) for _ in range(50)] == [0.0] * 50
    assert [bucket.take(1, 5.0, RATE) for _ in range(3)] == [pytest.approx(0.1)] * 3
    assert bucket.take(1, 5.1, RATE) == pytest.approx(0.0)
    assert bucket.take(1, 5.1, RATE) > 0.0


def test_over_a_long_time_no_more_is_let_through_than_the_rate() -> None:
    bucket, now, spent = TokenBucket(), 0.0, 0
    while now < 100.0:
        spent += 1
        now += bucket.spend(1, now, RATE)
    assert spent == pytest.approx(50 + 10 * 100, abs=2)
