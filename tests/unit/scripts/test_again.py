"""The tests that failed are run once more, and what passes then is named."""

import subprocess
import sys
from pathlib import Path

import pytest

_AGAIN = Path(__file__).resolve().parents[3] / "scripts" / "again.py"
_NOISY = """
import pathlib
import pytest

@pytest.mark.parametrize("name", {names})
def test_once(name):
    been_here = pathlib.Path(name + ".txt")
    first = not been_here.exists()
    been_here.touch()
    assert not first, "the first time " + name

class TestOfClass:
    def test_it(self): {body}

def test_well(): pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    return tmp_path


def _written(project: Path, names: list[str], body: str = "pass") -> None:
    (project / "tests" / "test_noise.py").write_text(_NOISY.format(names=names, body=body))


def _ran(project: Path) -> subprocess.CompletedProcess[str]:
    """Run all tests, and those that failed again."""
    pytest_runs = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    first = [*pytest_runs, "-n", "2", "-o", "junit_family=xunit1", "--junitxml=first.xml", "tests"]
    subprocess.run(first, cwd=project, check=False, capture_output=True)
    again = [sys.executable, str(_AGAIN), "first.xml", "-p", "no:cacheprovider", "--rootdir", "."]
    return subprocess.run(again, cwd=project, check=False, capture_output=True, text=True)


def test_what_passes_the_second_time_is_flaky_and_named(project: Path) -> None:
    _written(project, ["a", "b", "c d"])
    ended = _ran(project)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    assert "FLAKY tests/test_noise.py::test_once[c d]" in ended.stdout
    assert "the first time c d" in ended.stdout


def test_what_fails_twice_is_red(project: Path) -> None:
    _written(project, ["a"], body="assert False")
    ended = _ran(project)
    assert ended.returncode == 1
    assert "FLAKY" not in ended.stdout
    assert "1 failed, 1 passed" in ended.stdout


def test_four_failures_are_not_noise(project: Path) -> None:
    _written(project, ["a", "b", "c", "d"])
    ended = _ran(project)
    assert ended.returncode == 1
    assert "4 failed" in ended.stderr
    assert "passed" not in ended.stdout


def test_a_run_that_came_to_no_test_is_red(project: Path) -> None:
    (project / "tests" / "test_noise.py").write_text("import no_such_module")
    assert _ran(project).returncode == 1


def test_a_run_without_a_report_is_red(project: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(_AGAIN), "none.xml"], cwd=project, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "no report" in ended.stderr
