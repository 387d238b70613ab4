"""How the laws of the OT core are tested: many cases each, of a seed that is printed where one fails."""

import os
import random
from collections.abc import Callable

import hypothesis

_DRAWN = "COEDIT_DRAWN_SEED"
"""Hands the seed that was drawn on to the processes that share the tests of one run."""
os.environ.setdefault(_DRAWN, str(random.SystemRandom().randrange(2**32)))

SEED = int(os.environ.get("COEDIT_SEED", os.environ[_DRAWN]))
"""The seed of all laws in one run; COEDIT_SEED replays it."""

CASES = int(os.environ.get("COEDIT_CASES", "2000"))
"""Per law of the algebra; ``make laws`` asks for ten times as many."""


def law(test: Callable[..., None]) -> Callable[..., None]:
    """Run a Hypothesis test on as many cases as a law of the algebra deserves."""
    return _on_many(test, CASES)


def costly_law(test: Callable[..., None]) -> Callable[..., None]:
    """Run a Hypothesis test of which one case takes several times as long, or that other tests back up, on fewer."""
    return _on_many(test, CASES // 4)


def heavy_law(test: Callable[..., None]) -> Callable[..., None]:
    """Run a Hypothesis test of which one case takes some milliseconds."""
    return _on_many(test, CASES // 10)


def _on_many(test: Callable[..., None], cases: int) -> Callable[..., None]:
    many = hypothesis.settings(max_examples=cases, deadline=None, print_blob=True)
    return hypothesis.seed(SEED)(many(test))
