"""What the tests of laws share."""

import pytest

from tests.laws import CASES, SEED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what replays the laws, whether one failed or not."""
    terminalreporter.write_line(f"laws: COEDIT_SEED={SEED} COEDIT_CASES={CASES}")
