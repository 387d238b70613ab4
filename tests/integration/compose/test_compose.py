"""The compose file as it is deployed, under people who write: crashes, restarts, an upgrade, a way back, a backup."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from coedit.client import connect
from coedit.client.rest import fetch_text
from tests.integration.compose.conftest import Deployment
from tests.writers import Ledger, Writer, settle_all

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

_SERVICES = ("gateway", "transformer", "presence", "snapshotter")
_SETTLE_SECONDS = 90.0


@asynccontextmanager
async def _two_people(deployment: Deployment, name: str) -> AsyncIterator[Writer]:
    """Let two people write in a document through the balancer; in the end both have everything once."""
    ledger = Ledger(random.randrange(2**32))
    writers = []
    async with AsyncExitStack() as stack:
        for author in ("ada", "ben"):
            session = await stack.enter_async_context(
                connect(deployment.url, token=deployment.token(author), author=author)
            )
            document = await session.open(name)
            writers.append(Writer(document, ledger, random.Random(author)))
        async with asyncio.TaskGroup() as tasks:
            typing = [tasks.create_task(_type(writer)) for writer in writers]
            yield writers[0]
            for task in typing:
                task.cancel()
        await settle_all([writer.document for writer in writers], _SETTLE_SECONDS)
        for writer in writers:
            assert writer.document.rejections == []
            ledger.check(writer.document.text)


async def _type(writer: Writer) -> None:
    while True:
        await writer.step()
        await asyncio.sleep(0.05)


async def _goes_on(writer: Writer) -> None:
    """Wait until what is typed from now on is saved."""
    sequence = writer.document.state.client_sequence
    async with asyncio.timeout(_SETTLE_SECONDS):
        await writer.document.until(lambda: writer.document.state.client_sequence > sequence)
        await writer.document.settle()


async def test_nothing_is_lost_while_each_part_crashes_and_all_are_restarted(deployment: Deployment) -> None:
    async with _two_people(deployment, "crashes") as writer:
        for service in ("gateway", "transformer", "redis"):
            await asyncio.to_thread(deployment.script, "crash.py", service)
            await _goes_on(writer)
        for container in deployment.containers():
            await asyncio.to_thread(deployment.run, "docker", "restart", "-t", "20", container["Id"])
            await asyncio.to_thread(deployment.wait_ready, container)
        await _goes_on(writer)


async def test_upgrade_and_way_back_are_one_by_one_and_nobody_loses_anything(deployment: Deployment) -> None:
    before = deployment.containers("gateway")[0]["Config"]["Image"]
    async with _two_people(deployment, "upgrade") as writer:
        await asyncio.to_thread(deployment.script, "deploy.py")
        after = _images(deployment)
        await asyncio.to_thread(_kill_and_bring_back, deployment)
        await _goes_on(writer)
        await asyncio.to_thread(deployment.script, "deploy.py", "--rollback")
        await _goes_on(writer)
    assert len(after) == 1
    assert before not in after
    assert _images(deployment) == {before}
    assert [len(deployment.containers(name)) for name in _SERVICES] == [2, 2, 1, 1]


def _kill_and_bring_back(deployment: Deployment) -> None:
    """Kill a gateway as Docker never starts it again: it is missed, and a deployment of the same brings it back."""
    others = {container["Id"] for container in deployment.containers()}
    dead = deployment.containers("gateway")[0]
    deployment.run("docker", "kill", dead["Id"])
    said = deployment.script("health.py", code=1)
    assert dead["Name"].lstrip("/") in said
    deployment.script("deploy.py")
    assert len(deployment.containers("gateway")) == 2
    assert others - {container["Id"] for container in deployment.containers()} == {dead["Id"]}


def _images(deployment: Deployment) -> set[str]:
    return {container["Config"]["Image"] for name in _SERVICES for container in deployment.containers(name)}


def test_parts_run_without_rights(deployment: Deployment) -> None:
    containers = deployment.containers()
    assert len(containers) == 8
    for container in containers:
        state = container["HostConfig"]
        assert (state["ReadonlyRootfs"], state["CapDrop"], state["Privileged"]) == (True, ["ALL"], False)
        look = "id -u; grep CapEff /proc/1/status; (touch /new 2>&1 || echo refused) | tail -n 1"
        uid, capabilities, touched = deployment.run(
            "docker", "exec", container["Id"], "sh", "-c", look
        ).split("\n")[:3]
        assert int(uid) != 0
        assert int(capabilities.split()[1], 16) == 0
        assert touched == "refused"
        if container["Config"]["Labels"]["com.docker.compose.service"] in _SERVICES:
            assert uid == "10001"


@pytest.mark.parametrize("service", [*_SERVICES, "redis", "loadbalancer"])
def test_logs_are_json(deployment: Deployment, service: str) -> None:
    lines = deployment.log_lines(service)
    assert lines
    assert {"service", "level", "message"} <= set.intersection(*map(set, lines))
    assert {line["service"] for line in lines} == {"haproxy" if service == "loadbalancer" else service}


async def test_backup_is_put_back(deployment: Deployment, tmp_path: Path) -> None:
    token = deployment.token("ada")
    async with connect(deployment.url, token=token, author="ada") as session:
        document = await session.open("kept")
        await document.insert(0, "as of the backup")
        await document.settle()
    await asyncio.to_thread(deployment.script, "backup.sh", str(tmp_path / "backup"))
    async with connect(deployment.url, token=token, author="ada") as session:
        document = await session.open("kept")
        await document.insert(0, "later, ")
        await document.settle()
    await asyncio.to_thread(
        deployment.script, "restore.sh", str(tmp_path / "backup"), code=1
    )  # while all runs
    await asyncio.to_thread(deployment.script, "compose.sh", "stop")
    await asyncio.to_thread(deployment.script, "restore.sh", str(tmp_path / "backup"))
    assert (await fetch_text(deployment.url, "kept", token=token)).text == "as of the backup"
