"""What the tests of laws share."""

import pytest

from tests.laws import SEED


@pytest.fixture(autouse=True)
def _print_seed() -> None:
    """Print the seed of all laws; pytest shows it where one fails."""
    print(f"COEDIT_SEED={SEED}")
