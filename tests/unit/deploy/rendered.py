"""The Kubernetes manifests as kustomize renders them, and questions about what came out."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.reference import ROOT, SERVICES
from services.gateway.settings import GatewaySettings
from tests.requirements import kubectl, node, require

Manifest = dict[str, Any]

OVERLAYS = sorted(path.name for path in (ROOT / "deploy/k8s/overlays").iterdir())
MANAGED_WITH = [
    ("traefik", "redis-users", "pod-monitor", "prometheus-adapter"),
    ("gateway-api", "redis-users", "pod-monitor", "keda"),
]
"""The overlay that is an example to edit, with each component that there is."""
VERSIONS = ("1.32", "1.34", "1.37")
"""Of Kubernetes, for which the manifests are valid."""
WORKLOADS = ("Deployment", "StatefulSet")
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
CUSTOM_KINDS = ("HTTPRoute", "PodMonitor", "ScaledObject", "ServersTransport")
"""What is no part of Kubernetes itself."""
PASSWORD = "only-for-this-test"
"""Of each user of Redis."""
_CLIENTS_COME_BY = "  - ../../components/haproxy\n"


def overlay_at(folder: Path, name: str, components: Sequence[str] = ()) -> Path:
    """Copy the manifests into ``folder`` and return the overlay there, with secrets; ``managed`` also with components.

    The components take the place of the one by which clients come.
    """
    copy = folder / "deploy"
    shutil.copytree(ROOT / "deploy", copy, ignore=shutil.ignore_patterns("secret.env", "redis.env"))
    overlay = copy / "k8s/overlays" / name
    (overlay / "secret.env").write_text("COEDIT_SECRET=only-for-this-test-0123\n")
    passwords = (ROOT / "deploy/redis/passwords.env.example").read_text()
    (overlay / "redis.env").write_text(passwords.replace("=\n", f"={PASSWORD}\n"))
    if components:
        file = overlay / "kustomization.yaml"
        text = file.read_text()
        assert text.count(_CLIENTS_COME_BY) == 1
        wanted = "".join(f"  - ../../components/{component}\n" for component in components)
        file.write_text(text.replace(_CLIENTS_COME_BY, wanted))
    return overlay


def render(overlay: Path) -> str:
    """Return what kustomize makes of an overlay."""
    done = subprocess.run(
        [kubectl(), "kustomize", overlay], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def parsed(text: str) -> list[Manifest]:
    """Return the objects of a stream of YAML documents."""
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def invalid(custom: list[Manifest]) -> list[str]:
    """Return what is wrong with objects of kinds that are no part of Kubernetes, by their own schemas."""
    here = Path(__file__).parent / "crd"
    require("crd", (here / "node_modules").is_dir(), "scripts/page.sh crd installs the schemas")
    command = [node(), str(here / "validate.mjs")]
    done = subprocess.run(
        command, input=json.dumps(custom), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: list[Manifest], reference: dict[str, str]) -> Manifest:
    (found,) = [
        one for one in of_kind(manifests, reference["kind"]) if one["metadata"]["name"] == reference["name"]
    ]
    return found


def labels(workload: Manifest) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selected(manifests: list[Manifest], selector: dict[str, str]) -> list[Manifest]:
    return [one for one in of_kind(manifests, *WORKLOADS) if selector.items() <= labels(one).items()]


def matches(selector: Manifest, found: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= found.items()
    rules = selector.get("matchExpressions", [])
    assert all(rule["operator"] == "In" for rule in rules)
    return wanted and all(found.get(rule["key"]) in rule["values"] for rule in rules)


def container(workload: Manifest) -> Manifest:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    found: Manifest = only
    return found


def probes(workload: Manifest) -> Iterator[Manifest]:
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield container(workload)[kind]


def replicas(manifests: list[Manifest], workload: Manifest) -> int:
    scalers = [one["spec"] for one in of_kind(manifests, *SCALERS)]
    scaled = [one for one in scalers if one["scaleTargetRef"]["name"] == workload["metadata"]["name"]]
    if not scaled:
        return int(workload["spec"]["replicas"])
    return int(scaled[0].get("minReplicas") or scaled[0]["minReplicaCount"])


def routes(manifests: list[Manifest], way: Manifest) -> dict[str, str]:
    """Return the paths that an Ingress or HTTPRoute leads to a port of a Service, and how each is matched.

    ``/v1/ws`` is a part of ``/v1``, and is left out.
    """
    found = {}
    if way["kind"] == "Ingress":
        for path in way["spec"]["rules"][0]["http"]["paths"]:
            backend = path["backend"]["service"]
            service = named(manifests, {"kind": "Service", "name": backend["name"]})
            assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
            found[path["path"]] = path["pathType"]
        return found
    for rule in way["spec"]["rules"]:
        for backend in rule["backendRefs"]:
            service = named(manifests, {"kind": "Service", "name": backend["name"]})
            assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}
        for path in (match["path"] for match in rule["matches"]):
            if path["value"] != "/v1/ws":
                found[path["value"]] = path["type"].removeprefix("Path")
    return found


def variables(manifests: list[Manifest], workload: Manifest) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in container(workload)["envFrom"]:
        ((kind, reference),) = source.items()
        wanted = {"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind]
        found |= held(manifests, wanted, reference["name"])
    for variable in container(workload).get("env", []):
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = _secret(manifests, secret) if secret else variable["value"]
    return found


def _secret(manifests: list[Manifest], reference: dict[str, str]) -> str:
    """Return a password; of a Secret that is not among the manifests a made-up one."""
    present = [one["metadata"]["name"] for one in of_kind(manifests, "Secret")]
    if not any(name == reference["name"] for name in present):
        return f"{reference['name']}/{reference['key']}"
    return held(manifests, "Secret", reference["name"])[reference["key"]]


def held(manifests: list[Manifest], kind: str, name: str) -> dict[str, str]:
    values: dict[str, str] = named(manifests, {"kind": kind, "name": name})["data"]
    if kind == "Secret":
        return {key: base64.b64decode(value).decode() for key, value in values.items()}
    return values


def settings_in(manifests: list[Manifest], workload: Manifest) -> Any:
    environment = variables(manifests, workload)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COEDIT_")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        return SERVICES[workload["metadata"]["name"]]()


def ports_of(settings: Any) -> dict[str, int]:
    (name,) = [name for name in type(settings).model_fields if name.endswith("_health_port")]
    ports = {"health": int(getattr(settings, name))}
    return ports | ({"http": settings.gateway_port} if isinstance(settings, GatewaySettings) else {})
