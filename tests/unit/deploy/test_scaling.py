"""Who sees the metrics of a cluster's pods, and sizes them by these."""

import re

import yaml

from scripts.reference import ROOT
from tests.unit.deploy.rendered import (
    SCALERS,
    Manifest,
    container,
    labels,
    named,
    of_kind,
    selected,
)


def test_an_autoscaled_deployment_leaves_its_size_to_the_autoscaler(manifests: list[Manifest]) -> None:
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in of_kind(manifests, *SCALERS)]
    assert "gateway" in targets
    assert len(targets) == len(set(targets)), "two would pull in two directions"
    for name in targets:
        target = named(manifests, {"kind": "Deployment", "name": name})
        assert "replicas" not in target["spec"]
        assert "cpu" in container(target)["resources"]["requests"]


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
    deployments = of_kind(manifests, "Deployment")
    for deployment in deployments:
        assert kept["regex"] in {port["name"] for port in container(deployment)["ports"]}
    for monitor in of_kind(manifests, "PodMonitor"):
        assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == [kept["regex"]]
        assert selected(manifests, monitor["spec"]["selector"]["matchLabels"]) == deployments
        assert {labels(deployment)[monitor["spec"]["jobLabel"]] for deployment in deployments} == {
            job["job_name"]
        }


def test_sizes_follow_metrics_that_there_are(manifests: list[Manifest]) -> None:
    """Asked of Prometheus by KEDA, or by the adapter under the names that its rules give."""
    reference = (ROOT / "docs/operations.md").read_text()
    known = set(re.findall(r"^\| `(coedit_\w+)` \|", reference, re.MULTILINE))
    rules = yaml.safe_load((ROOT / "deploy/prometheus/adapter.yml").read_text())["rules"]
    queries = [rule["metricsQuery"] for rule in rules] + [rule["seriesQuery"] for rule in rules]
    for scaled in of_kind(manifests, "ScaledObject"):
        triggers = [one["metadata"] for one in scaled["spec"]["triggers"] if one["type"] == "prometheus"]
        assert triggers, "CPU alone is what the base has"
        assert scaled["metadata"]["namespace"] == "coedit"
        queries += [trigger["query"] for trigger in triggers]
        assert all('namespace="coedit"' in trigger["query"] for trigger in triggers)
    asked = {name.removesuffix("_bucket") for query in queries for name in re.findall(r"coedit_\w+", query)}
    assert asked <= known
    given = {rule["name"]["as"] for rule in rules}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        pods = [one["pods"]["metric"]["name"] for one in scaler["spec"]["metrics"] if one["type"] == "Pods"]
        assert set(pods) <= given
