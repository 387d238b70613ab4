"""docker-compose.yml and its load balancer: only settings that exist, nothing open to others, Redis as it must be."""

import re
import shutil
import subprocess
from pathlib import Path
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


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_bounds_and_no_rights_that_it_does_not_need(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["mem_limit"]
    assert "ports" not in part or name == "loadbalancer"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_take_as_much_memory_as_in_a_cluster(service: str) -> None:
    manifest = (ROOT / f"deploy/k8s/base/{service}.yaml").read_text()
    (deployment,) = [one for one in yaml.safe_load_all(manifest) if one["kind"] == "Deployment"]
    limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert PARTS[service]["mem_limit"] == limits["memory"].removesuffix("i").lower()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_its_own_user_of_redis_and_knows_nobody_elses_password(service: str) -> None:
    environment = PARTS[service]["environment"]
    assert environment["COEDIT_REDIS_USER"] == f"coedit-{service}"
    assert environment["COEDIT_REDIS_PASSWORD"] == f"${{REDIS_{service.upper()}_PASSWORD}}"
    given = PARTS["redis"]["environment"]
    assert {name: environment.get(name) for name in given} == dict.fromkeys(given, "")


def test_redis_has_the_users_of_the_one_file() -> None:
    redis = PARTS["redis"]
    assert "./deploy/redis:/etc/coedit:ro" in redis["volumes"]
    assert redis["command"].startswith("sh /etc/coedit-logs/as_json.sh redis sh /etc/coedit/start.sh ")
    users = (ROOT / "deploy/redis/users.acl").read_text()
    unused = {"REDIS_REPLICA_PASSWORD", "REDIS_SENTINEL_PASSWORD"}
    assert set(re.findall(r">(REDIS_\w+)", users)) == set(redis["environment"]) | unused


def test_nobody_gets_into_redis_without_a_password_but_to_ask_whether_it_lives() -> None:
    users = (ROOT / "deploy/redis/users.acl").read_text()
    lines = [line for line in users.splitlines() if line.startswith("user ") and ">" not in line]
    assert lines == ["user default off ~* &* +@all", "user health on nopass resetchannels -@all +ping"]
    asked = " ".join(PARTS["redis"]["healthcheck"]["test"])
    assert asked == "CMD redis-cli --no-auth-warning --user health --pass any -e ping"


def test_redis_is_out_of_memory_before_the_kernel_ends_it() -> None:
    command = PARTS["redis"]["command"]
    assert "--maxmemory ${REDIS_MAXMEMORY:-1gb}" in command
    assert PARTS["redis"]["mem_limit"] == "${REDIS_MEMORY_LIMIT:-2g}"


def test_without_a_secret_nothing_starts() -> None:
    assert PARTS["gateway"]["environment"]["COEDIT_SECRET"].startswith("${COEDIT_SECRET:?")


def test_only_the_load_balancer_is_published_and_only_to_this_machine() -> None:
    published = {name: part["ports"] for name, part in PARTS.items() if "ports" in part}
    assert published == {"loadbalancer": ["${PUBLISH:-127.0.0.1:8000}:8080"]}
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert PARTS["redis"]["networks"] == ["back"]


def test_redis_keeps_what_it_acknowledges() -> None:
    command = PARTS["redis"]["command"]
    for setting in (
        "--dir /data",
        "--appendonly yes",
        "--appendfsync always",
        "--maxmemory-policy noeviction",
    ):
        assert setting in command
    assert "redis:/data" in PARTS["redis"]["volumes"]


def test_secrets_are_written_once_and_added_where_they_are_missing(tmp_path: Path) -> None:
    template, file = ROOT / ".env.example", tmp_path / "settings"

    def write() -> dict[str, str]:
        subprocess.run(["sh", ROOT / "scripts/secret.sh", file, template], check=True, capture_output=True)
        lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)

    first = write()
    assert file.stat().st_mode & 0o777 == 0o600
    assert {"COEDIT_SECRET", *PARTS["redis"]["environment"]} == first.keys()
    assert len({*first.values()}) == len(first)
    assert all(len(value) == 64 for value in first.values())
    assert write() == first
    file.write_text("COEDIT_SECRET=an old one\nREDIS_ADMIN_PASSWORD=")  # of a version that had no passwords
    second = write()
    assert (second["COEDIT_SECRET"], second["REDIS_ADMIN_PASSWORD"]) == ("an old one", "")
    assert second.keys() == first.keys()
    assert file.stat().st_mode & 0o777 == 0o600


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
    command = ["haproxy", "-c", "-f", str(ROOT / "deploy/haproxy/haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_a_tunnel_outlives_the_pings() -> None:
    config = (ROOT / "deploy/haproxy/haproxy.cfg").read_text()
    (minutes,) = re.findall(r"timeout tunnel (\d+)m", config)
    assert int(minutes) * 60 > 2 * SERVICES["gateway"].model_fields["gateway_ping_seconds"].default
