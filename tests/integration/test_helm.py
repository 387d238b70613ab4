"""Helm installs the chart, upgrades it, takes the upgrade back, and takes everything away, at a stub of the API."""

from pathlib import Path

import pytest

from scripts.reference import ROOT, SERVICES
from tests.helm import HelmError, release
from tests.kubernetes_api import KubernetesApi, kubernetes_api
from tests.unit.deploy.rendered import container

CHART = ROOT / "deploy/chart"


async def test_release_is_upgraded_and_rolled_back_by_its_deployments_alone(tmp_path: Path) -> None:
    async with kubernetes_api() as api, release(CHART, api.url, tmp_path) as coedit:
        await coedit.do("install", {"image": {"tag": "0.1.0"}})
        assert {one["metadata"]["name"] for one in api.find("Deployment")} == SERVICES.keys()
        assert _rolled_out(api) == {("coedit:0.1.0", 1)}
        await coedit.do("upgrade", {"image": {"tag": "0.1.1"}})
        assert _rolled_out(api) == {("coedit:0.1.1", 2)}
        changed = {one["kind"] for one in api.objects.values() if one["metadata"]["resourceVersion"] != "1"}
        assert changed == {"Deployment"}
        await coedit.do("rollback")
        assert _rolled_out(api) == {("coedit:0.1.0", 3)}
        await coedit.do("uninstall")
        assert [one["kind"] for one in api.objects.values()] == ["Namespace"]


async def test_mistake_in_the_values_is_refused_before_anything_is_there(tmp_path: Path) -> None:
    async with kubernetes_api() as api, release(CHART, api.url, tmp_path) as coedit:
        with pytest.raises(HelmError, match="replicaz"):
            await coedit.do("install", {"transformer": {"replicaz": 3}})
        assert api.find("Deployment") == []


def _rolled_out(api: KubernetesApi) -> set[tuple[str, int]]:
    """Return the image and the generation of the deployments."""
    return {(container(one)["image"], one["metadata"]["generation"]) for one in api.find("Deployment")}
