"""docker-compose.yml, built and brought up from a copy of this folder, under names and at a port of its own."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from testcontainers.compose import DockerCompose

from coedit.identifiers import AuthorId
from coedit.protocol.grants import Grants
from coedit.protocol.tokens import Identity, make_access_token
from scripts.composed import QUESTIONS
from tests import requirements
from tests.ports import free_port
from tests.system import ROOT, until

_NOT_COPIED = (
    ".git",
    ".venv",
    "node_modules",
    "dist",
    "var",
    ".env",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
)
STEP_SECONDS = 400
"""More than the longest step takes, an image built on a busy machine; the test is stopped then, not the machine."""


class _Compose(DockerCompose):
    """Compose as the scripts call it, in version 1 or 2."""

    @cached_property
    def compose_command_property(self) -> list[str]:
        return [str(Path(self.context) / "scripts/compose.sh")]


@dataclass
class Deployment:
    """A system of docker-compose.yml, and the scripts with which it is run."""

    folder: Path
    environment: dict[str, str]
    url: str
    secret: str

    def token(self, author: str) -> str:
        """Return a token for every document."""
        identity = Identity(AuthorId(author), Grants.of({"*": "write"}))
        return make_access_token(self.secret, identity, int(time.time()) + 3600)

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in its folder; return what it printed."""
        started_at = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        print(f"{time.monotonic() - started_at:.1f} s: {' '.join(command[:5])}\n{done.stdout[-1500:]}")
        assert done.returncode == code, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def script(self, name: str, *options: str, code: int = 0) -> str:
        """Run one of scripts/."""
        return self.run(
            *([sys.executable] if name.endswith(".py") else []), f"scripts/{name}", *options, code=code
        )

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what Docker knows of its containers, oldest first."""
        filters = [f"label=com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"]
        if service:
            filters.append(f"label=com.docker.compose.service={service}")
        options = [word for one in filters for word in ("--filter", one)]
        names = self.run("docker", "ps", "-aq", *options).split()[::-1]
        found: list[dict[str, Any]] = json.loads(self.run("docker", "inspect", *names)) if names else []
        return found

    def wait_ready(self, container: dict[str, Any]) -> None:
        """Wait until one container says that it is ready."""
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        ask = ["docker", "exec", container["Id"], *QUESTIONS.get(service, ["true"])]

        def is_ready() -> bool:
            return subprocess.run(ask, capture_output=True, timeout=30, check=False).returncode == 0

        until(is_ready, f"{container['Name']} is ready", seconds=90)

    def log_lines(self, service: str) -> list[dict[str, Any]]:
        """Return what a service's containers said, which has to be JSON."""
        lines = [
            line
            for container in self.containers(service)
            for line in _both(["docker", "logs", container["Id"]]).splitlines()
        ]
        return [json.loads(line) for line in lines]


def _both(command: list[str]) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=True
    )
    return done.stdout


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Deployment]:
    """Run the system from ``folder``, until all is ready; in the end nothing of it is left but the layers of images."""
    requirements.docker()
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
    project, port = f"coedit-test-{secrets.token_hex(4)}", free_port()
    own = {"COMPOSE_PROJECT_NAME": project, "PUBLISH": f"127.0.0.1:{port}"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        subprocess.run(
            [folder / "scripts/compose.sh", "version"], check=True, timeout=30, capture_output=True
        )
        with (folder / ".env").open(
            "a"
        ) as file:  # of a deployment whose image was not named by what is in it
            for name, value in ({"IMAGE_TAG": project} | settings).items():
                print(f"{name}={value}", file=file)
        lines = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines() if "=" in line)
        made = Deployment(folder, inherited | own, f"http://127.0.0.1:{port}", lines["COEDIT_SECRET"])
        try:
            with _Compose(folder, build=True, wait=False):
                made.script("health.py", "--wait", "120")
                yield made
        finally:
            _remove_images(made)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The system as the file has it, one for each module."""
    with running(tmp_path_factory.mktemp("compose") / "coedit") as made:
        yield made


def _remove_images(made: Deployment) -> None:
    lines = (made.folder / ".env").read_text().splitlines()
    tags = {line.split("=", 1)[1] for line in lines if line.startswith(("IMAGE_TAG=", "PREVIOUS_IMAGE_TAG="))}
    for tag in tags | {made.environment["COMPOSE_PROJECT_NAME"]}:
        subprocess.run(
            ["docker", "image", "rm", "-f", f"coedit:{tag}"], timeout=60, check=False, capture_output=True
        )
