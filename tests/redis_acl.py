"""The users of deploy/redis/users.acl for tests: a service is the one that is meant for it, a test may do everything.

Servers are started by the script that compose and the manifests use, so that what it makes of the file is tried too.
"""

import os
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile, _TemporaryFileWrapper
from typing import Any

from redis import Redis

_REDIS = Path(__file__).parent.parent / "deploy/redis"
START = _REDIS / "start.sh"
_USERS = ("admin", "gateway", "transformer", "presence", "snapshotter", "operator", "replica", "sentinel")
_OF_DEFAULT = "user default off "


def password(user: str) -> str:
    """Return the password of one of the users, without ``coedit-``."""
    return f"of {user}'s own & $1"


def passwords() -> dict[str, str]:
    """Return the variables in which start.sh finds the passwords."""
    return {f"REDIS_{user.upper()}_PASSWORD": password(user) for user in _USERS}


def guarded(binary: str, options: list[str], folder: Path, name: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a server with these users; its files are in ``folder``."""
    environment = {
        "PATH": os.environ["PATH"],
        "REDIS_SERVER": binary,
        "REDIS_USERS": _users().name,
        "REDIS_ACL_FILE": str(folder / f"{name}.acl"),
    }
    return ["sh", str(START), *options], environment | passwords()


@cache
def _users() -> "_TemporaryFileWrapper[str]":
    """Return a file of the same users, of which the default one may do everything; it goes with the process."""
    lines = (_REDIS / "users.acl").read_text().splitlines()
    assert sum(line.startswith(_OF_DEFAULT) for line in lines) == 1
    file = NamedTemporaryFile("w", prefix="coedit-users-")  # noqa: SIM115 - kept open as long as the tests run
    for line in lines:
        print("user default on nopass ~* &* +@all" if line.startswith(_OF_DEFAULT) else line, file=file)
    file.flush()
    return file


def login(user: str) -> dict[str, str]:
    """Return the settings by which a service, or the command line (``operator``), logs in."""
    return {"COEDIT_REDIS_USER": f"coedit-{user}", "COEDIT_REDIS_PASSWORD": password(user)}


def refusals(client: Redis) -> list[str]:
    """Return what a server refused by its users' rights, newest first."""
    entries: list[dict[str, Any]] = client.acl_log()
    return [
        f"{entry['username']} {entry['reason']} {entry['object']} ({entry['context']})" for entry in entries
    ]
