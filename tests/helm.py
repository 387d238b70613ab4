"""Helm's own code, by way of its SDK for Python, in a process of its own: it is a whole Go program.

``python -m tests.helm render CHART VALUES`` prints what it makes of a chart; ``release CHART URL`` installs it at an
API, and does what is asked for line by line. scripts/helm.sh installs the SDK.
"""

import asyncio
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.requirements import require

_WARNING = 2
"""From here on Helm's linter finds fault; below it would only like an icon."""


class HelmError(Exception):
    """Helm refuses the chart, or the values; the message is Helm's."""


def rendered(chart: Path, values: dict[str, Any]) -> str:
    """Return the manifests of a chart, as a stream of YAML documents.

    Raises:
        HelmError: Helm does not render it, or finds fault with it.
    """
    command = [*_command(), "render", str(chart), json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise HelmError(done.stderr)
    return done.stdout


class Release:
    """The chart in a namespace of an API; what Helm keeps of it is in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, action: str, *arguments: object) -> None:
        """Do ``install VALUES``, ``upgrade VALUES``, ``rollback`` or ``uninstall``.

        Raises:
            HelmError: Helm does not; the message is Helm's.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([action, *arguments]).encode() + b"\n")
        answer = json.loads(await asyncio.wait_for(self._process.stdout.readline(), 120))
        if answer:
            raise HelmError(answer)


@asynccontextmanager
async def release(chart: Path, url: str, folder: Path) -> AsyncIterator[Release]:
    """Give a release of a chart that is not installed yet, at the API at ``url``; Helm's files are in ``folder``."""
    process = await asyncio.create_subprocess_exec(
        *_command(),
        *("release", str(chart), url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"HOME": str(folder)},
    )
    try:
        yield Release(process)
    finally:
        process.kill()
        await process.wait()


def _command() -> list[str]:
    present = importlib.util.find_spec("helm_python") is not None
    require("helm", present, "scripts/helm.sh installs it")
    return [sys.executable, "-m", "tests.helm"]


def _release(chart: str, url: str) -> int:
    helm = importlib.import_module("helm_python")
    # In Helm's own memory, not in Secrets: it writes these as protobuf, which the stub does not speak.
    with helm.Config(kube_apiserver=url, namespace="coedit", storage_driver="memory") as config:
        actions: dict[str, Callable[..., object]] = {
            "install": lambda values: config.install(chart, "coedit", values, create_namespace=True),
            "upgrade": lambda values: config.upgrade(chart, "coedit", values),
            "rollback": lambda: config.rollback("coedit"),
            "uninstall": lambda: config.uninstall("coedit"),
        }
        for line in sys.stdin:
            action, *arguments = json.loads(line)
            try:
                actions[action](*arguments)
            except helm.HelmError as error:
                print(json.dumps(str(error)), flush=True)
            else:
                print(json.dumps(""), flush=True)
    return 0


def _render(chart: str, values: str) -> int:
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
    sys.exit({"render": _render, "release": _release}[sys.argv[1]](*sys.argv[2:]))
