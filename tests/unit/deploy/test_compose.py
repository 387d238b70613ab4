"""docker-compose.yml and its load balancer: only settings that exist, nothing open to others, Redis as it must be."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from coedit.runtime.settings import refuse_unknown
from scripts.reference import ROOT, SERVICES
from tests.requirements import require

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS: dict[str, Any] = COMPOSE["services"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_every_variable_that_it_gets(service: str) -> None:
    environment = PARTS[service]["environment"]
    assert "COEDIT_SECRET" in environment
    refuse_unknown(SERVICES[service], service, environment)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_started_and_asked_where_it_answers(service: str) -> None:
    part = PARTS[service]
    assert part["command"] == ["python", "-m", f"services.{service}"]
    field = "gateway_port" if service == "gateway" else f"{service}_health_port"
    assert part["healthcheck"]["test"][-1] == str(SERVICES[service].model_fields[field].default)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(service: str) -> None:
    part = PARTS[service]
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert "ports" not in part


def test_without_a_secret_nothing_starts() -> None:
    assert PARTS["gateway"]["environment"]["COEDIT_SECRET"].startswith("${COEDIT_SECRET:?")


def test_only_the_load_balancer_is_published_and_only_to_this_machine() -> None:
    published = {name: part["ports"] for name, part in PARTS.items() if "ports" in part}
    assert published == {"loadbalancer": ["${PUBLISH:-127.0.0.1:8000}:8080"]}
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert PARTS["redis"]["networks"] == ["back"]


def test_redis_keeps_what_it_acknowledges() -> None:
    command = PARTS["redis"]["command"]
    for setting in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert setting in command
    assert "redis:/data" in PARTS["redis"]["volumes"]


def test_a_part_is_given_longer_to_end_than_its_service_takes() -> None:
    drain_seconds = SERVICES["gateway"].model_fields["gateway_drain_seconds"].default
    assert int(PARTS["gateway"]["stop_grace_period"].removesuffix("s")) > drain_seconds


def test_base_images_are_the_ones_that_are_used() -> None:
    script = (ROOT / "scripts/base-images.sh").read_text()
    made = set(re.findall(r"^\w+_tag=(\S+)$", script, re.MULTILINE))
    dockerfile = (ROOT / "Dockerfile").read_text()
    used = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    used |= {part["image"] for part in PARTS.values() if not part["image"].startswith("coedit:")}
    assert made == used


def test_the_dockerfile_builds_without_a_registry_frontend() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "# syntax" not in dockerfile
    assert "<<" not in dockerfile
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER (?!0|root)", dockerfile, re.MULTILINE)


def test_haproxy_accepts_its_configuration() -> None:
    require("haproxy", shutil.which("haproxy") is not None, "apt-get install haproxy")
    command = ["haproxy", "-c", "-f", str(ROOT / "deploy/haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_a_tunnel_outlives_the_pings() -> None:
    config = (ROOT / "deploy/haproxy.cfg").read_text()
    (minutes,) = re.findall(r"timeout tunnel (\d+)m", config)
    assert int(minutes) * 60 > 2 * SERVICES["gateway"].model_fields["gateway_ping_seconds"].default
