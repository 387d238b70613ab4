"""A deployment is replaced one by one, is never less than it was, and can be taken back."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.composed import COUNT_VARIABLES, COUNTS, PROFILES
from scripts.deploy import FORWARD
from scripts.image_tag import image_tag
from tests.unit.deploy.test_compose import COMPOSE
from tests.unit.scripts.conftest import Deployment

_ROOT = Path(__file__).resolve().parents[3]


def _changed(deployment: Deployment) -> None:
    with (deployment.folder / "pyproject.toml").open("a") as file:
        print("# another version", file=file)


def _images(deployment: Deployment) -> set[str]:
    return {one["image"] for one in deployment.state["containers"] if one["service"] in FORWARD}


def _least(deployment: Deployment, service: str) -> int:
    """Return how many of a service ran, at least, since last time."""
    return min(running.count(service) for _, running in deployment.asked())


def test_first_deployment_brings_up_what_the_file_wants(deployment: Deployment) -> None:
    deployment.deploy()
    tag = deployment.settings()["IMAGE_TAG"]
    assert tag == image_tag(deployment.folder)
    assert _images(deployment) == {f"coedit:{tag}"}
    assert {name: len(deployment.of(name)) for name in COUNTS} == COUNTS
    assert (deployment.folder / ".env").stat().st_mode & 0o777 == 0o600


def test_file_wants_as_many_as_the_scripts_think() -> None:
    services = COMPOSE["services"]
    for name, count in COUNTS.items():
        variable = COUNT_VARIABLES.get(name)
        wanted = services[name].get("deploy", {}).get("replicas", "1")
        assert wanted == (f"${{{variable}:-{count}}}" if variable else "1")
    assert {*services} - {*COUNTS} == {"coedit", *PROFILES}
    assert all(services[name]["profiles"] == [name] for name in PROFILES)


def test_same_deployment_again_touches_nothing(deployment: Deployment) -> None:
    deployment.deploy()
    before = deployment.state["containers"]
    deployment.deploy()
    assert deployment.state["containers"] == before


def test_what_was_made_of_other_settings_is_replaced_and_more_of_one_kind_are_only_added(
    deployment: Deployment,
) -> None:
    deployment.deploy()
    before = {one["id"] for one in deployment.state["containers"]}
    with (deployment.folder / ".env").open("a") as file:
        print("GATEWAYS=3", file=file)
    deployment.deploy()
    after = {one["id"] for one in deployment.state["containers"]}
    assert (before - after, len(after - before)) == (set(), 1)
    with (deployment.folder / ".env").open("a") as file:
        print("COEDIT_LOG_LEVEL=DEBUG", file=file)
    deployment.deploy()
    kept = {one["service"] for one in deployment.state["containers"] if one["id"] in after}
    assert kept == {"redis", "loadbalancer"}


def test_upgrade_is_one_by_one_and_keeps_how_many_there_are(deployment: Deployment) -> None:
    deployment.deploy()
    first = deployment.settings()["IMAGE_TAG"]
    state = deployment.state
    state["containers"].append(deployment.of("gateway")[0] | {"id": "third"})  # --scale gateway=3
    deployment.state = state
    redis = deployment.of("redis")
    _changed(deployment)
    deployment.asked()
    deployment.deploy()
    settings = deployment.settings()
    assert settings["IMAGE_TAG"] != first == settings["PREVIOUS_IMAGE_TAG"]
    assert _images(deployment) == {f"coedit:{settings['IMAGE_TAG']}"}
    assert [len(deployment.of(name)) for name in ("gateway", "transformer", "presence")] == [3, 2, 1]
    assert deployment.of("redis") == redis
    asked = deployment.asked()
    assert any("acl load" in words[-1] for words, _ in asked), "Redis has the users of the older file"
    assert ["kill", "--signal", "USR2", deployment.of("loadbalancer")[0]["id"]] in [
        words for words, _ in asked
    ]
    assert min(running.count("gateway") for _, running in asked) == 3
    assert min(running.count("presence") for _, running in asked) == 1
    assert max(running.count("gateway") for _, running in asked) == 4
    made = [words[-1] for words, _ in asked if "--no-recreate" in words]
    assert list(dict.fromkeys(made)) == list(FORWARD)


def test_rollback_puts_the_image_back_and_builds_nothing(deployment: Deployment) -> None:
    deployment.deploy()
    first = deployment.settings()["IMAGE_TAG"]
    _changed(deployment)
    deployment.deploy()
    second = deployment.settings()["IMAGE_TAG"]
    deployment.asked()
    deployment.deploy("--rollback")
    settings = deployment.settings()
    assert (settings["IMAGE_TAG"], settings["PREVIOUS_IMAGE_TAG"]) == (first, second)
    assert _images(deployment) == {f"coedit:{first}"}
    asked = deployment.asked()
    assert not any("build" in words for words, _ in asked)
    made = [words[-1] for words, _ in asked if "--no-recreate" in words]
    assert list(dict.fromkeys(made)) == list(FORWARD[::-1])


def test_docker_that_does_not_answer_is_quoted(deployment: Deployment) -> None:
    deployment.change(is_away=True)
    (deployment.folder / ".env").write_text("")
    done = deployment.run("deploy.py")
    assert done.returncode == 1
    assert "neither docker compose" in done.stderr or "Cannot connect to the Docker daemon" in done.stderr


def test_rollback_without_anything_to_go_back_to_says_so(deployment: Deployment) -> None:
    deployment.deploy()
    before = deployment.state
    done = deployment.run("deploy.py", "--rollback")
    assert done.returncode == 1
    assert "nothing to go back to" in done.stderr
    assert deployment.state == before


def test_image_that_does_not_become_ready_takes_nothing_away(deployment: Deployment) -> None:
    deployment.deploy()
    first = deployment.settings()["IMAGE_TAG"]
    _changed(deployment)
    deployment.change(broken=[f"coedit:{image_tag(deployment.folder)}"])
    _shorten(deployment)
    deployment.asked()
    done = deployment.run("deploy.py")
    assert done.returncode == 1
    assert "does not become ready" in done.stderr
    assert "`make rollback` puts the image back" in done.stderr
    assert _images(deployment) == {f"coedit:{first}"}
    assert _least(deployment, "presence") == 1
    deployment.deploy("--rollback")
    assert _images(deployment) == {f"coedit:{first}"}


def _shorten(deployment: Deployment) -> None:
    script = deployment.folder / "scripts/deploy.py"
    text = script.read_text()
    assert "_READY_SECONDS = 90.0" in text
    script.write_text(text.replace("_READY_SECONDS = 90.0", "_READY_SECONDS = 1.0"))


def test_what_ended_is_replaced_and_what_env_wants_is_made(deployment: Deployment) -> None:
    deployment.deploy()
    state = deployment.state
    state["containers"][-2]["state"] = "exited"
    deployment.state = state
    assert deployment.of("gateway")[1]["state"] == "exited"
    with (deployment.folder / ".env").open("a") as file:
        print("TRANSFORMERS=3", file=file)
    deployment.deploy()
    assert [one["state"] for one in deployment.of("gateway")] == ["running"] * 2
    assert len(deployment.of("transformer")) == 3


def test_earlier_deployment_keeps_its_name_and_a_new_one_does_not_depend_on_its_folder(
    deployment: Deployment,
) -> None:
    settings = deployment.folder / ".env"
    assert deployment.run("compose.sh", "version").returncode == 0
    assert deployment.settings()["COMPOSE_PROJECT_NAME"] == "coedit"
    settings.write_text("COEDIT_SECRET=of an earlier version\n")
    assert deployment.run("compose.sh", "version").returncode == 0
    assert deployment.settings()["COMPOSE_PROJECT_NAME"] == "aclone1"


def test_another_folders_deployment_is_not_taken_over_while_that_is_there(deployment: Deployment) -> None:
    deployment.deploy()
    other = deployment.folder.with_name("another")
    shutil.copytree(deployment.folder, other)
    before = deployment.state
    deployment.folder = other
    done = deployment.run("deploy.py")
    assert done.returncode == 1
    assert "COMPOSE_PROJECT_NAME" in done.stderr
    assert deployment.state == before


def test_an_image_is_named_by_what_is_in_it(tmp_path: Path) -> None:
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md"):
        shutil.copy(_ROOT / name, tmp_path / name)
    shutil.copytree(_ROOT / "services", tmp_path / "services")
    first = image_tag(tmp_path)
    assert first.startswith("0.1.0-")
    for change in _changes(tmp_path):
        assert image_tag(tmp_path) != first, change
    assert image_tag(tmp_path) == first
    (tmp_path / "services/__pycache__").mkdir(exist_ok=True)
    (tmp_path / "services/__pycache__/more.pyc").touch()
    (tmp_path / "notes.md").touch()
    assert image_tag(tmp_path) == first


def _changes(root: Path) -> Iterator[str]:
    app = root / "services/gateway/app.py"
    text = app.read_text()
    app.write_text(text + "#")
    yield "changed"
    app.write_text(text)
    app.rename(root / "services/gateway/other.py")
    yield "renamed"
    (root / "services/gateway/other.py").rename(app)
    (root / "services/more.py").touch()
    yield "added"
    (root / "services/more.py").unlink()


@pytest.mark.parametrize("listed", ["", "one", '["one","two"]'])
def test_secret_is_accepted_before_it_signs(deployment: Deployment, listed: str) -> None:
    deployment.run("compose.sh", "version")
    with (deployment.folder / ".env").open("a") as file:
        print(f"COEDIT_OLD_SECRETS={listed}", file=file)
    before = deployment.settings()["COEDIT_SECRET"]
    old = json.loads(listed) if listed.startswith("[") else [listed] if listed else []
    assert deployment.run("rotate_secret.py", "sign").returncode == 1
    for _ in range(2):  # interrupted and begun again, it is the same one
        assert deployment.run("rotate_secret.py", "accept").returncode == 0
        accepting = deployment.settings()
        following = accepting["NEXT_SECRET"]
        assert accepting["COEDIT_SECRET"] == before
        assert json.loads(accepting["COEDIT_OLD_SECRETS"]) == [following, *old]
    assert deployment.run("rotate_secret.py", "sign").returncode == 0
    signing = deployment.settings()
    assert signing["COEDIT_SECRET"] == following
    assert json.loads(signing["COEDIT_OLD_SECRETS"]) == [before, *old]
    assert "NEXT_SECRET" not in signing
    assert (deployment.folder / ".env").stat().st_mode & 0o777 == 0o600
