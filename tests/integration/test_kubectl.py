"""What kubectl makes of the manifests at an API: created once, left alone, and changed where something was changed.

The API is a stub (`tests/kubernetes_api.py`); no cluster is asked.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.reference import ROOT, SERVICES
from tests.kubernetes_api import KubernetesApi, kubernetes_api
from tests.requirements import kubectl
from tests.unit.deploy.rendered import PASSWORD, Manifest, container, overlay_at, parsed, render

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_OF_THE_SERVER = ("uid", "resourceVersion", "generation")


@dataclass
class Cluster:
    """The stub, and the commands of whoever installs into it."""

    api: KubernetesApi
    folder: Path

    async def apply(self, overlay: Path) -> dict[str, str]:
        """Return what became of each object."""
        code, output = await self.run("kubectl", "apply", "-k", str(overlay))
        assert code == 0, output
        return dict(line.rsplit(" ", 1) for line in output.splitlines())

    def changed(self) -> set[tuple[str, str]]:
        """Return what is not as it was created.

        What kubectl prints does not tell: it sends the selector of a PodDisruptionBudget each time, whose patch
        strategy is `replace`, and calls that "configured".
        """
        objects = self.api.objects.values()
        return {_identity(one) for one in objects if one["metadata"]["resourceVersion"] != "1"}

    async def run(self, *command: str) -> tuple[int, str]:
        """Return the exit code and what was printed."""
        environment = os.environ | self.api.config(self.folder)
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, output.decode()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    kubectl()
    async with kubernetes_api() as api:
        yield Cluster(api, tmp_path)


async def test_everything_is_created_as_it_was_rendered(cluster: Cluster, tmp_path: Path) -> None:
    overlay = overlay_at(tmp_path, "self-contained")
    wanted = parsed(render(overlay))
    became = await cluster.apply(overlay)
    assert Counter(became.values()) == {"created": len(wanted)}
    assert sorted(map(_identity, cluster.api.objects.values())) == sorted(map(_identity, wanted))
    stored = {_identity(one): _as_sent(one) for one in cluster.api.objects.values()}
    assert stored == {_identity(one): one for one in wanted}


async def test_what_is_there_already_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    overlay = overlay_at(tmp_path, "managed", ["gateway-api", "pod-monitor", "keda"])
    became = await cluster.apply(overlay)
    assert {
        "httproute.gateway.networking.k8s.io/coedit",
        "podmonitor.monitoring.coreos.com/coedit",
    } <= became.keys()
    became = await cluster.apply(overlay)
    same = {name for name, outcome in became.items() if outcome == "unchanged"}
    assert {name.partition("/")[0] for name in became.keys() - same} == {"poddisruptionbudget.policy"}
    assert cluster.changed() == set()


async def test_another_image_changes_the_image_of_each_service_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    overlay = overlay_at(tmp_path, "managed")
    await cluster.apply(overlay)
    before = {name: _deployment(cluster, name) for name in SERVICES}
    _edit(overlay, "newTag: 0.1.0", "newTag: 0.1.1")
    became = await cluster.apply(overlay)
    assert "created" not in became.values()
    assert cluster.changed() == {("Deployment", name) for name in SERVICES}
    for name, old in before.items():
        new = _deployment(cluster, name)
        assert container(new)["image"] == "registry.example.com/coedit:0.1.1"
        assert new["metadata"]["generation"] == 2, "which is what rolls it out"
        container(new)["image"] = container(old)["image"]
        assert new["spec"] == old["spec"]


async def test_another_setting_rolls_every_service_out(cluster: Cluster, tmp_path: Path) -> None:
    overlay = overlay_at(tmp_path, "managed")
    await cluster.apply(overlay)
    _edit(overlay, "AWS_REGION=eu-central-1", "AWS_REGION=eu-west-1")
    became = await cluster.apply(overlay)
    assert cluster.changed() == {("Deployment", name) for name in SERVICES}
    (created,) = [name for name, outcome in became.items() if outcome == "created"]
    for name in SERVICES:
        sources = container(_deployment(cluster, name))["envFrom"]
        assert f"configmap/{sources[0]['configMapRef']['name']}" == created


async def test_mistake_in_a_manifest_is_refused_and_named(cluster: Cluster, tmp_path: Path) -> None:
    """So the stub would tell of one of ours."""
    overlay = overlay_at(tmp_path, "managed")
    file = overlay.parents[1] / "base/gateway.yaml"
    file.write_text(file.read_text().replace("readinessProbe", "readynessProbe"))
    code, output = await cluster.run("kubectl", "apply", "-k", str(overlay))
    assert code == 1
    assert "readynessProbe" in output


async def test_make_deploy_makes_the_secrets_once(cluster: Cluster, tmp_path: Path) -> None:
    overlay = overlay_at(tmp_path, "self-contained")
    for name in ("secret.env", "redis.env"):
        (overlay / name).unlink()
    command = ["make", "--no-print-directory", "deploy", "TARGET=k8s", f"OVERLAY={overlay}"]
    code, output = await cluster.run(*command)
    assert code == 0, output
    secrets = {one["metadata"]["name"]: one["data"] for one in cluster.api.find("Secret")}
    assert len(secrets) == 2
    values = [value for data in secrets.values() for value in data.values()]
    assert len(set(values)) == len(values) > 8
    assert PASSWORD not in json.dumps(secrets)
    code, output = await cluster.run(*command)
    assert (code, cluster.changed()) == (0, set()), output
    assert len(cluster.api.find("Secret")) == 2


def _deployment(cluster: Cluster, name: str) -> Manifest:
    (found,) = cluster.api.find("Deployment", name)
    copied: Manifest = json.loads(json.dumps(found))
    return copied


def _edit(overlay: Path, old: str, new: str) -> None:
    file = overlay / "kustomization.yaml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _as_sent(stored: Manifest) -> Manifest:
    """Return an object without what the API and kubectl note in it."""
    sent: Manifest = json.loads(json.dumps(stored))
    for name in _OF_THE_SERVER:
        del sent["metadata"][name]
    del sent["metadata"]["annotations"][_APPLIED]
    if not sent["metadata"]["annotations"]:
        del sent["metadata"]["annotations"]
    return sent
