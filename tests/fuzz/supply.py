"""What is played at a door: drawn by Hypothesis, each several times, each time mutated in another way."""

import random
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

_DRAWN = 10
"""How many sequences are drawn at a time: drawing takes longer than playing."""
_VARIANTS = 6


class Supply:
    """The sequences of a door in an order that follows from ``seed`` alone, whoever plays them."""

    def __init__(self, seed: str, strategy: Any) -> None:
        self._seed = seed
        self._strategy = strategy
        self._waiting: list[Any] = []
        self._number = 0

    def take(self) -> tuple[Any, random.Random]:
        """Return the next sequence, and the random numbers to mutate it by."""
        if not self._waiting:
            seed = random.Random(f"{self._seed} draws {self._number}").randrange(2**32)
            self._waiting = drawn(self._strategy, seed) * _VARIANTS
        self._number += 1
        return self._waiting.pop(), random.Random(f"{self._seed} {self._number}")


def drawn(strategy: Any, seed: int) -> list[Any]:
    """Return what Hypothesis draws from a seed."""
    examples: list[Any] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=_DRAWN,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        examples.append(example)

    collect()
    return examples
