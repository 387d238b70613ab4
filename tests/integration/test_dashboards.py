"""A real Prometheus looks at a real system under a little load: each panel of the dashboards has something to show."""

import asyncio
import json
import math
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from coedit.client import connect
from tests.integration.yjs_client import YjsClient
from tests.ports import free_port
from tests.requirements import require
from tests.system import ROOT, Process, System, eventually, until

_DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
_RULES = ROOT / "deploy/prometheus"
_RATE_INTERVAL = "15s"
_PATIENCE_SECONDS = 90.0


class Prometheus:
    """Debian's, with the rules that are deployed, and the labels that deploy/prometheus/scrape.yml gives."""

    def __init__(self, folder: Path, system: System) -> None:
        port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(_config(system)))
        options = {
            "config.file": config,
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{port}",
            "log.level": "warn",
        }
        command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
        self.url = f"http://127.0.0.1:{port}"
        self.process = Process("prometheus", command, {"PATH": "/usr/bin:/bin"}, folder)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def ask(self, expression: str) -> list[float]:
        """Return the values that an expression has now; what is no number counts as nothing.

        Raises:
            AssertionError: it cannot be evaluated.
        """
        query = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=10) as answer:
                found: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        values = [float(series["value"][1]) for series in found["data"]["result"]]
        return [value for value in values if math.isfinite(value)]


def _config(system: System) -> dict[str, Any]:
    targets = [
        {"targets": [address], "labels": {"service": name.partition("-")[0]}}
        for name, address in system.metrics_addresses().items()
    ]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(_RULES / "alerts.yml"), str(_RULES / "targets.yml")],
        "scrape_configs": [{"job_name": "coedit", "static_configs": targets}],
    }


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """It makes snapshots soon, so that there is something to show of them."""
    settings = {"COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5", "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.2"}
    folder = tmp_path / "system"
    folder.mkdir()
    system = System(folder, gateways=2, settings=settings)
    system.start()
    yield system
    system.stop()


@pytest.fixture
def prometheus(tmp_path: Path, system: System) -> Iterator[Prometheus]:
    require("prometheus", shutil.which("prometheus") is not None, "apt-get install prometheus")
    folder = tmp_path / "prometheus"
    folder.mkdir()
    prometheus = Prometheus(folder, system)
    prometheus.process.start()
    until(prometheus.is_ready, "Prometheus is ready", prometheus.process.tail)
    yield prometheus
    prometheus.process.stop()


async def test_each_panel_has_something_to_show(system: System, prometheus: Prometheus) -> None:
    missing = {
        (file.stem, panel["title"], target["expr"])
        for file in _DASHBOARDS
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    }
    assert len(missing) > 100
    empty: list[tuple[str, str, str]] = []

    async def are_all_there() -> bool:
        for panel in sorted(missing):
            expression = panel[2].replace("$__rate_interval", _RATE_INTERVAL)
            if await asyncio.to_thread(prometheus.ask, expression):
                missing.discard(panel)
        empty[:] = sorted(missing)
        await asyncio.sleep(0.5)
        return not missing

    async with _under_load(system):
        try:
            await eventually(are_all_there, "each panel has data", _PATIENCE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {empty}") from error
    assert prometheus.ask('count(up{job="coedit"} == 1)') == [5.0]


@asynccontextmanager
async def _under_load(system: System) -> AsyncIterator[None]:
    """Two people write in one document over both gateways, somebody with a Yjs client in another, and others come."""
    async with asyncio.TaskGroup() as tasks:
        working = [
            tasks.create_task(_write(system.gateways[0], "ada")),
            tasks.create_task(_write(system.gateways[1], "bob")),
            tasks.create_task(_write_yjs(system.gateways[0])),
            tasks.create_task(_come_and_go(system.gateways[1])),
        ]
        try:
            yield
        finally:
            for task in working:
                task.cancel()


async def _write(url: str, author: str) -> None:
    async with connect(url, author=author) as session:
        document = await session.open("together")
        while True:
            await document.insert(0, "x")
            await document.settle()
            await document.move_caret(len(document.text) // 2)
            await asyncio.sleep(0.1)


async def _write_yjs(url: str) -> None:
    async with YjsClient(url, "together-yjs") as client:
        await client.until_synced()
        while True:
            await client.edit(lambda text: text.insert(0, "x"))
            await asyncio.sleep(0.2)


async def _come_and_go(url: str) -> None:
    number = 0
    while True:
        number += 1
        async with connect(url, author="eve") as session:
            document = await session.open(f"short-{number}")
            await document.insert(0, "x")
            await document.settle()
        await asyncio.sleep(0.5)
