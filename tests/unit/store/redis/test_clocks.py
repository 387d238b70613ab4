"""What a master's clock says, whatever ours says."""

import time
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.errors import UnavailableError
from coedit.store.redis.clocks import Clocks
from coedit.store.redis.topology import Nodes

_HOUR = 3600.0


class Master:
    """Its clock is ahead of ours by ``ahead_seconds``."""

    def __init__(self, ahead_seconds: float, trouble: Exception | None = None) -> None:
        self._ahead_seconds = ahead_seconds
        self._trouble = trouble

    async def time(self) -> tuple[int, int]:
        if self._trouble is not None:
            raise self._trouble
        now = time.time() + self._ahead_seconds
        return int(now), int(now % 1 * 1_000_000)


class Masters:
    def __init__(self, *masters: Master) -> None:
        self._masters = masters

    def masters(self) -> tuple[Master, ...]:
        return self._masters


def clocks_of(*masters: Master) -> Clocks:
    return Clocks(cast("Nodes", Masters(*masters)))


@pytest.mark.parametrize("ahead_seconds", [-_HOUR, 0.0, _HOUR])
async def test_clock_of_another_host_is_told_as_it_is(ahead_seconds: float) -> None:
    master: Any = Master(ahead_seconds)
    clocks = clocks_of(master)
    assert clocks.now_ms(master) is None
    (answered_seconds,) = await clocks.look()
    now_ms = clocks.now_ms(master)
    assert answered_seconds >= 0
    assert now_ms is not None
    assert abs(now_ms - (time.time() + ahead_seconds) * 1000) < 60_000  # a busy machine, and not an hour


@pytest.mark.parametrize("ahead_seconds", [-_HOUR, _HOUR])
async def test_time_of_day_is_that_of_the_first_master(ahead_seconds: float) -> None:
    clocks = clocks_of(Master(ahead_seconds), Master(0))
    assert abs(clocks.seconds() - time.time()) < 60
    await clocks.begin()
    assert abs(clocks.seconds() - time.time() - ahead_seconds) < 60


async def test_time_that_nobody_tells_is_no_time_to_start_with() -> None:
    for clocks in (clocks_of(), clocks_of(Master(0, RedisConnectionError("gone")))):
        with pytest.raises(UnavailableError):
            await clocks.begin()
        assert abs(clocks.seconds() - time.time()) < 60


async def test_each_master_has_its_own_clock_and_one_that_is_away_hides_no_other() -> None:
    early: Any = Master(-_HOUR)
    away: Any = Master(0, RedisConnectionError("gone"))
    late: Any = Master(_HOUR)
    clocks = clocks_of(early, away, late)
    with pytest.raises(RedisConnectionError):
        await clocks.look()
    assert clocks.now_ms(away) is None
    early_ms, late_ms = clocks.now_ms(early), clocks.now_ms(late)
    assert early_ms is not None
    assert late_ms is not None
    assert abs(late_ms - early_ms - 2 * _HOUR * 1000) < 60_000
