"""The Helm chart: what Helm renders is what kustomize renders of the base, and of its components."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scripts.reference import ROOT, SERVICES
from tests.helm import HelmError, rendered
from tests.unit.deploy.rendered import CUSTOM_KINDS, VERSIONS, Manifest, container, of_kind, parsed, render

CHART = ROOT / "deploy/chart"
WITH_COMPONENTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({}, ()),
    (
        {
            "ingress": {"enabled": False},
            "gatewayApi": {"enabled": True},
            "podMonitor": {"enabled": True},
            "redis": {"usersSecret": "redis"},
        },
        ("gateway-api", "pod-monitor", "redis-users"),
    ),
    (
        {
            "ingress": {
                "className": "haproxy",
                "namespace": "haproxy-controller",
                "annotations": {
                    "haproxy.org/load-balance": "leastconn",
                    "haproxy.org/timeout-connect": "500ms",
                    "haproxy.org/timeout-tunnel": "2m",
                },
            }
        },
        ("haproxy",),
    ),
]


def chart(values: dict[str, Any]) -> list[Manifest]:
    """Return what Helm makes of the chart."""
    return parsed(rendered(CHART, values))


@pytest.mark.parametrize(("values", "components"), WITH_COMPONENTS, ids=["base", "gateway-api", "haproxy"])
def test_helm_and_kustomize_make_the_same_of_it(
    values: dict[str, Any], components: tuple[str, ...], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    overlay = tmp_path / "deploy/k8s/overlays/plain"
    overlay.mkdir()
    wanted = {
        "resources": ["../../base"],
        "components": [f"../../components/{component}" for component in components],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    assert _compared(chart(values)) == _compared(parsed(render(overlay)))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_the_api(version: str) -> None:
    values = {
        "image": {
            "repository": "registry.example.com/coedit",
            "pullPolicy": "Always",
            "pullSecrets": ["pull"],
        },
        "settings": {"COEDIT_OBJECT_STORE_URL": "s3://coedit-example/objects", "COEDIT_SHARD_COUNT": 128},
        "serviceAccount": {
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/coedit"}
        },
        "gateway": {"connections": 5000},
        "ingress": {"tlsSecret": "coedit-tls"},
        "podMonitor": {"enabled": True},
    }
    manifests = chart(values)
    for manifest in manifests:
        if manifest["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(manifest, version, strict=True)
    (settings,) = of_kind(manifests, "ConfigMap")
    assert settings["data"]["COEDIT_SHARD_COUNT"] == "128", "a setting of one's own wins"
    assert settings["data"]["COEDIT_DURABILITY"] == "fsync"


def test_image_is_named_by_its_digest_or_the_version() -> None:
    digest = f"sha256:{'ab' * 32}"
    for values, image in (({}, f"coedit:{_version()}"), ({"digest": digest}, f"coedit@{digest}")):
        deployments = of_kind(chart({"image": values}), "Deployment")
        assert {container(one)["image"] for one in deployments} == {image}
        assert len(deployments) == len(SERVICES)


def test_another_setting_is_a_rolling_restart() -> None:
    marks = {
        one["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        for level in ("INFO", "DEBUG")
        for one in of_kind(chart({"settings": {"COEDIT_LOG_LEVEL": level}}), "Deployment")
    }
    assert len(marks) == 2


def test_clients_cannot_come_by_two_ways() -> None:
    with pytest.raises(HelmError, match="clients come by one of them"):
        chart({"gatewayApi": {"enabled": True}})


def test_chart_is_of_the_version_that_it_is_delivered_with() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == _version()


def _version() -> str:
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return version


def _compared(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    """Return the objects by kind and name, without how each tells the pods of another ConfigMap."""
    found = {}
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        if manifest["kind"] == "ConfigMap":
            name = manifest["metadata"]["name"] = "coedit"
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["metadata"].pop("annotations", None)
            container(manifest)["envFrom"][0]["configMapRef"]["name"] = "coedit"
        found[manifest["kind"], name] = manifest
    assert len(found) == len(manifests)
    return found
