"""The peers on Node: our few lines around each, over the locked packages of ``bench/peers``."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.peers.systems.system import Redis, Servers

_PACKAGE = Path(__file__).parent.parent
_ENVIRONMENT = {"NODE_ENV": "production", "HOME": os.environ.get("HOME", "/")}


class NoNodeError(Exception):
    """There is no Node.js on PATH."""


def install() -> None:
    """Install the locked packages, unless they are there.

    Raises:
        NoNodeError: see there.
    """
    installed, lock = _PACKAGE / "node_modules" / ".package-lock.json", _PACKAGE / "package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    _node()
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(npm, cwd=_PACKAGE, check=True, stdout=sys.stderr)
    installed.touch()


def sharedb(folder: Path, *, with_redis: bool = False) -> Servers:
    """Return ShareDB: a single process, or one that publishes through Redis."""

    def command(port: int, redis: Redis | None) -> Sequence[str]:
        return _script("sharedb", str(port), *([redis.url] if redis else []))

    return Servers(folder, command, _ENVIRONMENT, redis=Redis(folder) if with_redis else None)


def hocuspocus(folder: Path, *, with_redis: bool = False) -> Servers:
    """Return Hocuspocus: a single process, or two over Redis."""

    def command(port: int, redis: Redis | None) -> Sequence[str]:
        return _script("hocuspocus", str(port), *([str(redis.port)] if redis else []))

    redis = Redis(folder) if with_redis else None
    return Servers(folder, command, _ENVIRONMENT, count=2 if with_redis else 1, redis=redis)


def y_websocket(folder: Path) -> Servers:
    """Return @y/websocket-server."""
    return Servers(folder, lambda port, _: _script("y_websocket", str(port)), _ENVIRONMENT)


def forwarding(folder: Path) -> Servers:
    """Return the floor: ``ws``, which sends on what it gets."""
    return Servers(folder, lambda port, _: _script("forward", str(port)), _ENVIRONMENT)


def _script(name: str, *arguments: str) -> list[str]:
    return [_node(), str(_PACKAGE / "servers" / f"{name}.mjs"), *arguments]


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise NoNodeError("the peers need Node.js 20 or newer on PATH")
    return node
