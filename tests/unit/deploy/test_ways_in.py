"""How clients come to the gateways of a cluster: by an Ingress of any kind, or by a Gateway."""

import re

from scripts.reference import ROOT
from tests.unit.deploy.rendered import Manifest, of_kind, routes, settings_in

DOORS = ("/assets", "/d", "/v1", "/yjs", "/hocuspocus")
"""What a gateway has for clients, beside its page; /healthz and /readyz are not for them."""


def test_clients_come_by_one_way_to_every_door_and_to_nothing_else(manifests: list[Manifest]) -> None:
    ways = [*of_kind(manifests, "Ingress"), *of_kind(manifests, "HTTPRoute")]
    (way,) = ways
    found = routes(manifests, way)
    assert found == {"/": "Exact", **dict.fromkeys(DOORS, "Prefix")}


def test_every_door_of_a_gateway_is_led_to() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "services/gateway").rglob("*.py"))
    doors = set(
        re.findall(r'(?:add_(?:get|post|static)\(|^_?[A-Z]+ = |path = )f?"(/[a-z0-9]+)', text, re.MULTILINE)
    )
    assert {"/v1", "/yjs", "/hocuspocus", "/d"} <= doors, "the expression finds them"
    assert doors <= set(DOORS), "the Ingress, the HTTPRoute and this test know each"


def test_who_lets_clients_in_is_the_only_one_that_may(manifests: list[Manifest]) -> None:
    (policy,) = [one for one in of_kind(manifests, "NetworkPolicy") if one["metadata"]["name"] == "clients"]
    (source,) = policy["spec"]["ingress"][0]["from"]
    namespace = source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    for ingress in of_kind(manifests, "Ingress"):
        wanted = {"haproxy": "haproxy-controller", "traefik": "traefik", None: "ingress"}
        assert namespace == wanted[ingress["spec"].get("ingressClassName")]
        known = ("haproxy.org/", "traefik.ingress.kubernetes.io/")
        assert all(name.startswith(known) for name in ingress["metadata"].get("annotations", {}))
    for route in of_kind(manifests, "HTTPRoute"):
        assert [namespace] == [parent["namespace"] for parent in route["spec"]["parentRefs"]]


def test_nothing_ends_a_socket_that_is_silent_between_two_pings(manifests: list[Manifest]) -> None:
    (gateway,) = [one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "gateway"]
    silence_seconds = settings_in(manifests, gateway).gateway_ping_seconds
    for ingress in of_kind(manifests, "Ingress"):
        minutes = ingress["metadata"].get("annotations", {}).get("haproxy.org/timeout-tunnel", "2m")
        assert int(minutes.removesuffix("m")) * 60 > 2 * silence_seconds
    for route in of_kind(manifests, "HTTPRoute"):
        unlimited = {"request": "0s", "backendRequest": "0s"}
        sockets = [rule for rule in route["spec"]["rules"] if rule.get("timeouts") == unlimited]
        paths = {match["path"]["value"] for rule in sockets for match in rule["matches"]}
        assert paths == {"/v1/ws", "/yjs", "/hocuspocus"}
        (service,) = of_kind(manifests, "Service")
        assert service["spec"]["ports"][0]["appProtocol"] == "kubernetes.io/ws"


def test_traefik_dials_as_its_transport_says(manifests: list[Manifest]) -> None:
    for transport in of_kind(manifests, "ServersTransport"):
        (service,) = of_kind(manifests, "Service")
        own = transport["metadata"]
        name = f"{own['namespace']}-{own['name']}@kubernetescrd"
        assert service["metadata"]["annotations"] == {
            "traefik.ingress.kubernetes.io/service.serverstransport": name
        }
