"""Who sends most, out of very many, in bounded memory."""

import random

from services.gateway.redis.busiest import Busiest


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rate_is_that_of_who_is_busy_all_the_time() -> None:
    clock = Clock()
    busiest: Busiest[str] = Busiest(clock=clock)
    for _ in range(120):
        busiest.count(["often"] * 20 + ["seldom"])
        clock.now += 1.0
        top = busiest.top(2)
    assert [name for name, _ in top] == ["often", "seldom"]
    assert 18 < top[0][1] < 22
    assert 0.8 < top[1][1] < 1.2


def test_who_has_ended_is_forgotten() -> None:
    clock = Clock()
    busiest: Busiest[str] = Busiest(clock=clock)
    busiest.count(["gone"] * 1000)
    clock.now += 60
    ((_, rate),) = busiest.top(1)
    assert rate < 2
    clock.now += 600
    assert busiest.top(1) == []


def test_busy_one_stands_out_of_very_many_and_few_are_kept(seed: int) -> None:
    chance, clock, most_kept = random.Random(seed), Clock(), 0
    busiest: Busiest[str] = Busiest(most=64, clock=clock)
    for turn in range(2000):
        busiest.count(["busy", "busy", *(str(chance.random()) for _ in range(10))])
        most_kept = max(most_kept, len(busiest._counts))
        if turn % 100 == 99:
            clock.now += 2.0
            assert busiest.top(1)[0][0] == "busy"
    assert most_kept <= 64
