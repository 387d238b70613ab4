"""The peers and floors in Python."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from bench.peers.systems.system import Servers

_PEERS = Path(__file__).parent.parent
_ENVIRONMENT_FOLDER = _PEERS / ".venv"
_LOCK = _PEERS / "requirements.txt"
_ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(_PEERS.parent.parent / "libs")}


def install() -> None:
    """Install the locked packages into an environment of their own, unless they are there."""
    stamp = _ENVIRONMENT_FOLDER / ".installed"
    if stamp.is_file() and stamp.read_bytes() == _LOCK.read_bytes():
        return
    venv.create(_ENVIRONMENT_FOLDER, with_pip=True, clear=True)
    pip = [_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(_LOCK)], check=True, stdout=sys.stderr)
    stamp.write_bytes(_LOCK.read_bytes())


def pycrdt_rooms(folder: Path) -> Servers:
    """Return pycrdt-websocket."""
    script = str(_PEERS / "servers" / "pycrdt_rooms.py")
    return Servers(folder, lambda port, _: [_python(), script, str(port)], {"PATH": _ENVIRONMENT["PATH"]})


def shared_frames(folder: Path) -> Servers:
    """Return the floor: aiohttp and uvloop, each frame made once."""
    return _floor(folder, "bench.floor_sockets")


def send_bytes(folder: Path) -> Servers:
    """Return the floor: aiohttp's own way to send."""
    return _floor(folder, "bench.floor_send_bytes")


def _floor(folder: Path, module: str) -> Servers:
    return Servers(folder, lambda port, _: [sys.executable, "-m", module, str(port)], _ENVIRONMENT)


def _python() -> str:
    return str(_ENVIRONMENT_FOLDER / "bin" / "python")
