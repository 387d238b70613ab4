"""Helm's own code, by way of its SDK for Python: python -m tests.helm CHART VALUES prints what it makes of a chart.

A process of its own, since it is a whole Go program; scripts/helm.sh installs it.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.requirements import require

_WARNING = 2
"""From here on Helm's linter finds fault; below it would only like an icon."""


class RenderError(Exception):
    """Helm refuses the chart, or the values; the message is Helm's."""


def rendered(chart: Path, values: dict[str, Any]) -> str:
    """Return the manifests of a chart, as a stream of YAML documents.

    Raises:
        RenderError: Helm does not render it, or finds fault with it.
    """
    present = importlib.util.find_spec("helm_python") is not None
    require("helm", present, "scripts/helm.sh installs it")
    command = [sys.executable, "-m", "tests.helm", str(chart), json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RenderError(done.stderr)
    return done.stdout


def _main(chart: str, values: str) -> int:
    helm = importlib.import_module("helm_python")
    found = json.loads(values)
    report = helm.lint(chart, found, strict=True, quiet=True)
    with helm.Chart.load(chart) as loaded:
        texts = loaded.render(found, name="coedit", namespace="coedit").values()
    print("\n---\n".join(texts))
    troubles = [one for one in report["messages"] if one["severity"] >= _WARNING]
    for trouble in troubles:
        print(trouble["path"], trouble["error"], file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
