"""`make health` is green only where all is there that should be, and answers."""

import pytest

from tests.unit.scripts.conftest import Deployment


def _health(deployment: Deployment) -> tuple[int, list[str]]:
    done = deployment.run("health.py")
    return done.returncode, [line for line in done.stdout.splitlines() if not line.endswith("ready")]


def test_all_that_is_deployed_is_well(deployment: Deployment) -> None:
    deployment.deploy()
    assert _health(deployment) == (0, [])


def test_nothing_that_runs_is_not_well(deployment: Deployment) -> None:
    assert deployment.run("health.py").returncode == 1


@pytest.mark.parametrize("service", ["gateway", "transformer", "redis", "loadbalancer", "presence"])
def test_one_that_is_dead_beside_others_that_live_is_told(deployment: Deployment, service: str) -> None:
    deployment.deploy()
    state = deployment.state
    one = next(one for one in state["containers"] if one["service"] == service)
    one["state"] = "exited"
    deployment.state = state
    code, troubles = _health(deployment)
    assert code == 1
    (trouble,) = troubles
    assert service in trouble
    assert trouble.endswith("exited")


def test_one_that_was_removed_is_missed(deployment: Deployment) -> None:
    deployment.deploy()
    state = deployment.state
    state["containers"] = [
        one for one in state["containers"] if one["id"] != deployment.of("gateway")[0]["id"]
    ]
    deployment.state = state
    code, (trouble,) = _health(deployment)
    assert code == 1
    assert trouble.endswith(" 1 of 2 containers are missing")


def test_docker_that_does_not_answer_is_not_well(deployment: Deployment) -> None:
    deployment.deploy()
    deployment.change(is_away=True)
    code, (trouble,) = _health(deployment)
    assert code == 1
    assert "Docker does not say" in trouble
