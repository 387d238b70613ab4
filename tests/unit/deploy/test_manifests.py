"""The Kubernetes manifests, rendered by kustomize: valid for the API, and consistent with each other and the services.

No cluster is asked; what only one could show (scheduling, probes, rollouts) is not shown here.
"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from coedit.runtime.settings import refuse_unknown
from scripts.reference import ROOT, SERVICES
from services.gateway.settings import GatewaySettings
from tests.unit.deploy.rendered import (
    OVERLAYS,
    PASSWORD,
    WORKLOADS,
    Manifest,
    container,
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

HEALTH_PATHS = ("/healthz", "/readyz")


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return parsed(render(overlay_at(tmp_path_factory.mktemp("k8s"), request.param)))


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_every_object_is_valid_for_the_api(manifests: list[Manifest], version: str) -> None:
    import kubernetes_validate

    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


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


def test_an_autoscaled_deployment_leaves_its_size_to_the_autoscaler(manifests: list[Manifest]) -> None:
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = named(manifests, scaler["spec"]["scaleTargetRef"])
        assert "replicas" not in target["spec"]
        assert "cpu" in container(target)["resources"]["requests"]


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


def test_the_ingress_leads_to_a_port_of_a_service_and_hides_the_metrics(manifests: list[Manifest]) -> None:
    services = {service["metadata"]["name"]: service for service in of_kind(manifests, "Service")}
    for ingress in of_kind(manifests, "Ingress"):
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            backend = path["backend"]["service"]
            ports = {port["name"] for port in services[backend["name"]]["spec"]["ports"]}
            assert backend["port"]["name"] in ports
            assert path["path"] != "/" or path["pathType"] == "Exact"
            assert not path["path"].startswith(("/metrics", *HEALTH_PATHS))


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


def test_metrics_are_for_who_monitors_alone(manifests: list[Manifest]) -> None:
    for service in of_kind(manifests, "Service"):
        assert "health" not in {port["targetPort"] for port in service["spec"]["ports"]}
    for policy in of_kind(manifests, "NetworkPolicy"):
        for rule in policy["spec"]["ingress"]:
            if "health" in {port["port"] for port in rule["ports"]}:
                (source,) = rule["from"]
                assert (
                    source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == "monitoring"
                )


def test_prometheus_finds_each_service_by_a_port_that_it_has(manifests: list[Manifest]) -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/scrape.yml").read_text())["scrape_configs"]
    (kept,) = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
    for deployment in of_kind(manifests, "Deployment"):
        assert kept["regex"] in {port["name"] for port in container(deployment)["ports"]}


def test_services_know_every_variable_that_they_get(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        service = deployment["metadata"]["name"]
        environment = variables(manifests, deployment)
        refuse_unknown(SERVICES[service], service, environment)
        assert "COEDIT_GATEWAY_OPEN" not in environment
        # A Service named as ours would add COEDIT-like variables of its own.
        assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_a_pod_is_given_longer_to_end_than_its_service_takes(manifests: list[Manifest]) -> None:
    gateway = next(one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "gateway")
    settings = settings_in(manifests, gateway)
    assert isinstance(settings, GatewaySettings)
    (_, seconds) = container(gateway)["lifecycle"]["preStop"]["exec"]["command"]
    grace_seconds = gateway["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_seconds > float(seconds) + settings.gateway_drain_seconds


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
    if not of_kind(manifests, "StatefulSet"):
        return  # its Redis is elsewhere
    for deployment in of_kind(manifests, "Deployment"):
        service = deployment["metadata"]["name"]
        found = variables(manifests, deployment)
        assert found["COEDIT_REDIS_USER"] == f"coedit-{service}"
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
