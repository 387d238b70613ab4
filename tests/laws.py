"""How the laws of the OT core are tested: many cases each, of a seed that is printed where one fails."""

import os
import random
from collections.abc import Callable

import hypothesis

SEED = int(os.environ.get("COEDIT_SEED", random.SystemRandom().randrange(2**32)))
"""The seed of all laws in one run; COEDIT_SEED replays it."""

CASES = 500
"""Per law."""


def law(test: Callable[..., None]) -> Callable[..., None]:
    """Run a Hypothesis test on as many cases as a law deserves."""
    many = hypothesis.settings(max_examples=CASES, deadline=None, print_blob=True)
    return hypothesis.seed(SEED)(many(test))
