"""The Kubernetes manifests, rendered by kustomize: valid for the API, and consistent with each other and the services.

No cluster is asked; what only one could show (scheduling, probes, rollouts) is not shown here.
"""

import re
import subprocess
from pathlib import Path

import pytest

from coedit.runtime.settings import refuse_unknown
from scripts.reference import ROOT, SERVICES
from services.gateway.settings import GatewaySettings
from tests.unit.deploy.rendered import (
    CUSTOM_KINDS,
    MANAGED_WITH,
    OVERLAYS,
    PASSWORD,
    VERSIONS,
    WORKLOADS,
    Manifest,
    container,
    invalid,
    labels,
    matches,
    named,
    of_kind,
    overlay_at,
    parsed,
    ports_of,
    probes,
    render,
    replicas,
    selected,
    settings_in,
    variables,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_the_api(manifests: list[Manifest], version: str) -> None:
    import kubernetes_validate

    for manifest in manifests:
        if manifest["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_every_object_that_is_no_part_of_kubernetes_is_valid_for_its_own_schema(
    manifests: list[Manifest],
) -> None:
    custom = of_kind(manifests, *CUSTOM_KINDS)
    assert invalid(custom) == []


def test_the_schemas_tell() -> None:
    timeouts = {"parentRefs": [{"name": "clients"}], "rules": [{"timeouts": {"request": "forever"}}]}
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "a"}}
    (trouble,) = invalid([route | {"spec": timeouts}])
    assert trouble.startswith("HTTPRoute a: data/spec/rules/0/timeouts/request must match pattern")
    (trouble,) = invalid([route | {"apiVersion": "gateway.networking.k8s.io/v9"}])
    assert trouble == "HTTPRoute a: there is no schema of this kind"


def test_every_component_is_rendered() -> None:
    folders = {path.name for path in (ROOT / "deploy/k8s/components").iterdir()}
    tried = {name for components in MANAGED_WITH for name in components}
    texts = [path.read_text() for path in (ROOT / "deploy/k8s/overlays").rglob("kustomization.yaml")]
    taken = set(re.findall(r"^  - \.\./\.\./components/(\S+)$", "\n".join(texts), re.MULTILINE))
    assert folders == tried | taken


def test_the_base_holds_no_secret() -> None:
    texts = [path.read_text() for path in (ROOT / "deploy/k8s").rglob("*.yaml")]
    assert not [text for text in texts if "kind: Secret" in text]
    tracked = subprocess.run(
        ["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "secret.env" not in tracked.stdout
    assert "/redis.env" not in tracked.stdout


def test_a_workload_selects_its_own_pods(manifests: list[Manifest]) -> None:
    for workload in of_kind(manifests, *WORKLOADS):
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels(workload).items()


def test_services_and_budgets_select_exactly_one_workload(manifests: list[Manifest]) -> None:
    for service in of_kind(manifests, "Service"):
        assert len(selected(manifests, service["spec"]["selector"])) == 1, service["metadata"]["name"]
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        assert len(selected(manifests, budget["spec"]["selector"]["matchLabels"])) == 1


def test_a_budget_lets_a_node_be_drained_and_leaves_one_pod(manifests: list[Manifest]) -> None:
    budgets = of_kind(manifests, "PodDisruptionBudget")
    assert {budget["metadata"]["name"] for budget in budgets} == SERVICES.keys()
    for budget in budgets:
        (workload,) = selected(manifests, budget["spec"]["selector"]["matchLabels"])
        assert 1 <= budget["spec"]["maxUnavailable"] < replicas(manifests, workload)


def test_each_service_runs_at_least_twice(manifests: list[Manifest]) -> None:
    deployments = of_kind(manifests, "Deployment")
    assert {deployment["metadata"]["name"] for deployment in deployments} == SERVICES.keys()
    assert all(replicas(manifests, deployment) >= 2 for deployment in deployments)


def test_ports_that_are_named_exist(manifests: list[Manifest]) -> None:
    for workload in of_kind(manifests, *WORKLOADS):
        ports = {port["name"] for port in container(workload)["ports"]}
        for probe in probes(workload):
            asked = probe.get("httpGet") or probe.get("tcpSocket")
            assert asked is None or asked["port"] in ports
    for service in of_kind(manifests, "Service"):
        (workload,) = selected(manifests, service["spec"]["selector"])
        ports = {port["name"] for port in container(workload)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_each_service_is_asked_for_its_health_where_it_answers(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        settings = settings_in(manifests, deployment)
        ports = {port["name"]: port["containerPort"] for port in container(deployment)["ports"]}
        assert ports == ports_of(settings)
        assert {probe["httpGet"]["port"] for probe in probes(deployment)} == {"health"}
        assert settings.health_host == "0.0.0.0"  # the kubelet asks from outside of the pod
        spec = container(deployment)
        assert (
            spec["livenessProbe"]["httpGet"]["path"] == "/healthz"
        )  # never /readyz: no restart for Redis's sake
        assert spec["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_services_know_every_variable_that_they_get(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        service = deployment["metadata"]["name"]
        environment = variables(manifests, deployment)
        refuse_unknown(SERVICES[service], service, environment)
        assert "COEDIT_GATEWAY_OPEN" not in environment
        # A Service named as ours would add COEDIT-like variables of its own.
        assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_a_pod_is_given_longer_to_end_than_its_service_takes(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        grace_seconds = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        # A batch, or the steps of a snapshot, the object store's tries included: docs/operations.md.
        assert grace_seconds >= (60 if deployment["metadata"]["name"] == "snapshotter" else 30)
    gateway = next(one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "gateway")
    settings = settings_in(manifests, gateway)
    assert isinstance(settings, GatewaySettings)
    (_, seconds) = container(gateway)["lifecycle"]["preStop"]["exec"]["command"]
    grace_seconds = gateway["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    # No Service leads to it any more before it takes nobody; then it drains; then something is left to spare.
    readiness = container(gateway)["readinessProbe"]
    assert float(seconds) > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert grace_seconds >= 1.5 * (float(seconds) + settings.gateway_drain_seconds)


def test_pods_are_spread_and_a_rollout_is_counted_by_itself(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        spreads = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        keys = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert [spread["topologyKey"] for spread in spreads] == keys
        for spread in spreads:
            assert spread["labelSelector"]["matchLabels"].items() <= labels(deployment).items()
            assert spread["matchLabelKeys"] == ["pod-template-hash"]


def test_a_slow_start_is_no_reason_to_be_restarted(manifests: list[Manifest]) -> None:
    for workload in of_kind(manifests, *WORKLOADS):
        start = container(workload)["startupProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] >= 60


def test_pods_have_an_identity_and_no_token_of_the_cluster(manifests: list[Manifest]) -> None:
    """Whoever reaches the object store is one account, which an overlay may give to a provider's role."""
    accounts = {one["metadata"]["name"]: one for one in of_kind(manifests, "ServiceAccount")}
    used = {}
    for deployment in of_kind(manifests, "Deployment"):
        name = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        assert accounts[name]["automountServiceAccountToken"] is False
        used[deployment["metadata"]["name"]] = name
    assert used == {name: "coedit-presence" if name == "presence" else "coedit" for name in SERVICES}
    assert used.keys() == SERVICES.keys()
    assert set(used.values()) == accounts.keys()


def test_redis_is_reached_in_every_way_that_its_url_may_say(manifests: list[Manifest]) -> None:
    (policy,) = [one for one in of_kind(manifests, "NetworkPolicy") if one["metadata"]["name"] == "services"]
    open_ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert open_ports == {53, 443, 6379, 6380, 26379}


def test_an_image_may_be_named_by_its_digest(tmp_path: Path) -> None:
    overlay = overlay_at(tmp_path, "managed")
    file, digest = overlay / "kustomization.yaml", f"sha256:{'ab' * 32}"
    text = file.read_text()
    assert text.count("    newTag: 0.1.0\n") == 1
    file.write_text(text.replace("newTag: 0.1.0", f"digest: {digest}"))
    images = {container(one)["image"] for one in of_kind(parsed(render(overlay)), "Deployment")}
    assert images == {f"registry.example.com/coedit@{digest}"}


def test_images_are_pinned(manifests: list[Manifest]) -> None:
    for workload in of_kind(manifests, *WORKLOADS):
        _, _, tag = container(workload)["image"].rpartition(":")
        assert tag.count(".") == 2, container(workload)["image"]


def test_converters_cannot_take_what_the_gateway_needs(manifests: list[Manifest]) -> None:
    gateway = next(one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "gateway")
    limit = container(gateway)["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    allowed_bytes = int(limit.removesuffix("Gi")) * 1024**3
    assert settings_in(manifests, gateway).gateway_convert_bytes <= allowed_bytes // 4


def test_pods_have_bounds_and_no_rights(manifests: list[Manifest]) -> None:
    for workload in of_kind(manifests, *WORKLOADS):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        spec = container(workload)
        assert spec["securityContext"]["readOnlyRootFilesystem"] is True
        assert spec["securityContext"]["allowPrivilegeEscalation"] is False
        assert spec["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= spec["resources"]["requests"].keys()
        assert "memory" in spec["resources"]["limits"]


def test_policies_speak_of_pods_and_ports_that_exist(manifests: list[Manifest]) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    covered = set()
    for policy in policies:
        pods = [
            one
            for one in of_kind(manifests, *WORKLOADS)
            if matches(policy["spec"]["podSelector"], labels(one))
        ]
        assert pods, policy["metadata"]["name"]
        covered |= {pod["metadata"]["name"] for pod in pods}
        known = {port["name"] for pod in pods for port in container(pod)["ports"]}
        named_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert named_ports <= known
    assert covered == {workload["metadata"]["name"] for workload in of_kind(manifests, *WORKLOADS)}


def test_redis_keeps_what_it_acknowledges(manifests: list[Manifest]) -> None:
    for redis in of_kind(manifests, "StatefulSet"):
        arguments = container(redis)["args"]
        settings = dict(zip(arguments[::2], arguments[1::2], strict=True))
        assert settings["--appendonly"] == "yes"
        assert settings["--appendfsync"] == "always"
        assert settings["--no-appendfsync-on-rewrite"] == "no"
        assert settings["--maxmemory-policy"] == "noeviction"
        (service,) = [one for one in of_kind(manifests, "Service") if one["metadata"]["name"] == "redis"]
        assert service["spec"]["clusterIP"] == "None"
        assert redis["spec"]["volumeClaimTemplates"]


def test_each_service_is_the_user_of_redis_that_is_meant_for_it(manifests: list[Manifest]) -> None:
    in_cluster = bool(of_kind(manifests, "StatefulSet"))
    for deployment in of_kind(manifests, "Deployment"):
        if not in_cluster and "env" not in container(deployment):
            continue  # its Redis is elsewhere, and COEDIT_REDIS_URL names the user
        service = deployment["metadata"]["name"]
        found = variables(manifests, deployment)
        assert found["COEDIT_REDIS_USER"] == f"coedit-{service}"
        if not in_cluster:
            continue  # the Secret is somebody else's
        assert found["COEDIT_REDIS_PASSWORD"] == PASSWORD
        assert not [name for name in found if name.startswith("REDIS_")], (
            "a service gets its own password alone"
        )
        assert settings_in(manifests, deployment).redis_url.startswith(f"redis://coedit-{service}:")


def test_redis_has_the_users_of_the_one_file(manifests: list[Manifest]) -> None:
    for redis in of_kind(manifests, "StatefulSet"):
        pod = redis["spec"]["template"]["spec"]
        folders = {volume["name"]: volume for volume in pod["volumes"]}
        (users,) = [mount for mount in container(redis)["volumeMounts"] if mount["name"] == "users"]
        assert container(redis)["command"] == ["sh", f"{users['mountPath']}/start.sh"]
        files = named(manifests, {"kind": "ConfigMap", "name": folders["users"]["configMap"]["name"]})["data"]
        for name in ("users.acl", "start.sh"):
            assert files[name] == (ROOT / "deploy/redis" / name).read_text()
        assert folders["tmp"]["emptyDir"]["medium"] == "Memory", "where the hashes are"
        passwords = variables(manifests, redis)
        assert set(re.findall(r">(REDIS_\w+)", files["users.acl"])) == set(passwords)


def test_overlays_are_found() -> None:
    assert Path(ROOT / "deploy/k8s/base/kustomization.yaml").is_file()
    assert len(OVERLAYS) >= 2
