"""Fixtures that several kinds of tests share."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.laws import CASES, SEED
from tests.system import System

# On a busy machine a case may take any time; a test that hangs ends by the timeout of all tests.
hypothesis.settings.register_profile(
    "coedit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("coedit")

MakeSystem = Callable[..., System]


@pytest.fixture
def make_system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeSystem]:
    """A function that starts a real system; the test's keywords are those of `System`."""
    started: list[System] = []

    def make(**parts: Any) -> System:
        system = System(tmp_path / f"system-{len(started)}", **parts)
        system.folder.mkdir()
        started.append(system)
        system.start()
        return system

    yield make
    for system in started:
        system.stop()
        report = getattr(request.node, "report", None)
        if report is not None and report.failed:
            print(system.logs())


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One real system, whose services have few rights, for the tests of a module, which use documents of their own."""
    system = System(tmp_path_factory.mktemp("system"), acl=True)
    system.start()
    yield system
    system.stop()


@pytest.fixture
def seed() -> int:
    """The seed of a random test: printed, and taken from COEDIT_SEED to replay a run."""
    value = int(os.environ.get("COEDIT_SEED", random.SystemRandom().randrange(2**32)))
    print(f"COEDIT_SEED={value}")
    return value


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Let fixtures know whether their test failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.report = report  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to run the laws again on the same cases."""
    terminalreporter.write_line(f"laws: COEDIT_SEED={SEED} COEDIT_CASES={CASES}")
