"""A folder with this repo's scripts, and a Docker that is told what it has."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_COPIED = ("Dockerfile", ".dockerignore", ".env.example", "docker-compose.yml", "pyproject.toml")


class Deployment:
    """A clone from which the scripts are run."""

    def __init__(self, folder: Path, published: str) -> None:
        self.folder = folder
        self._state = folder.parent / "docker.json"
        folder.mkdir()
        for name in ("scripts", "deploy"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_ROOT / name, folder / name, ignore=ignored)
        for name in _COPIED:
            shutil.copy(_ROOT / name, folder / name)
        binaries = folder.parent / "bin"
        binaries.mkdir()
        docker = binaries / "docker"
        fake = (Path(__file__).parent / "fake_docker.py").read_text()
        docker.write_text(f"#!{sys.executable} -IS\n{fake.partition(chr(10))[2]}")
        docker.chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
        self.environment = inherited | {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "FAKE_DOCKER": str(self._state),
        }
        self.state: dict[str, Any] = {"containers": [], "images": [], "published": published}

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._state.read_text())
        return found

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state))

    def change(self, **values: Any) -> None:
        self.state = self.state | values

    def settings(self) -> dict[str, str]:
        lines = [line for line in (self.folder / ".env").read_text().splitlines() if line and line[0] != "#"]
        return dict(line.split("=", 1) for line in lines)

    def run(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            *([sys.executable, "-S"] if script.endswith(".py") else ["sh"]),
            f"scripts/{script}",
            *options,
        ]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def deploy(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Deploy, and expect that it went well."""
        done = self.run("deploy.py", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def asked(self) -> list[tuple[list[str], list[str]]]:
        """Return what Docker was asked since last time, and what ran then."""
        log = self._state.with_suffix(".log")
        asked = [tuple(json.loads(line)) for line in log.read_text().splitlines()]
        log.unlink()
        return asked

    def of(self, service: str) -> list[dict[str, str]]:
        return [one for one in self.state["containers"] if one["service"] == service]


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A clone, not deployed yet; its load balancer says that it is ready."""
    server = HTTPServer(("127.0.0.1", 0), _Ready)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Deployment(tmp_path / "a Clone.1", f"127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()
