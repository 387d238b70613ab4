"""Run the few tests that failed once more, alone: scripts/again.py JUNIT_XML [PYTEST_OPTION ...].

``JUNIT_XML`` is what the first run wrote with ``--junitxml`` and ``-o junit_family=xunit1``. What passes now is flaky:
its name and what it said first are printed after ``FLAKY``, and the exit code is 0. It is 1 where more than three
failed, where one fails again, or where the first run did not come to its tests: then it was not noise.
"""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOST = 3
"""So many failures may be noise; more have one cause."""
_LINES = 60
"""How much is shown of what a test said first, from its end."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A test that failed in the first run: pytest's name for it, and what it said."""

    node_id: str
    said: str


def failed_in(report: Path) -> list[Failed]:
    """Return the tests that failed, each once though its teardown failed as well.

    Raises:
        OSError, ElementTree.ParseError: there is no whole report.
    """
    found: dict[str, Failed] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        said = [
            text for what in ("failure", "error") for element in case.findall(what) if (text := element.text)
        ]
        if case.find("failure") is not None or case.find("error") is not None:
            node_id = _node_id(case.get("file", ""), case.get("classname", ""), case.get("name", ""))
            found.setdefault(node_id, Failed(node_id, "\n".join(said)))
    return list(found.values())


def _node_id(file: str, class_name: str, name: str) -> str:
    module = file.removesuffix(".py").replace("/", ".")
    classes = class_name.removeprefix(module).strip(".")
    return "::".join([file, *(classes.split(".") if classes else []), name])


def main(arguments: Sequence[str]) -> int:
    """Return the exit code."""
    report, options = Path(arguments[0]), arguments[1:]
    try:
        failed = failed_in(report)
    except (OSError, ET.ParseError) as error:
        print(f"the first run left no report of its tests: {error}", file=sys.stderr)
        return 1
    if not 0 < len(failed) <= MOST:
        print(f"{len(failed)} failed; only 1 to {MOST} are run again", file=sys.stderr)
        return 1
    print(f"{len(failed)} failed, and run again, alone:", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", *options, *(test.node_id for test in failed)]
    if subprocess.run(command, check=False).returncode != 0:
        return 1
    for test in failed:
        print(f"FLAKY {test.node_id}")
        print("\n".join(f"  {line}" for line in test.said.splitlines()[-_LINES:]))
    print("FLAKY " + ", ".join(test.node_id for test in failed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
