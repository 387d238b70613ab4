"""Write what follows from the code: .env.example, and the tables of settings and metrics in docs/operations.md.

scripts/reference.py writes them; a test compares them with what is committed.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from pydantic_core import PydanticUndefined

from coedit.runtime.settings import PREFIX, SharedSettings
from services.gateway.settings import GatewaySettings
from services.presence.settings import PresenceSettings
from services.snapshotter.settings import SnapshotterSettings
from services.transformer.settings import TransformerSettings

ROOT = Path(__file__).resolve().parent.parent
SERVICES: dict[str, type[SharedSettings]] = {
    "gateway": GatewaySettings,
    "transformer": TransformerSettings,
    "presence": PresenceSettings,
    "snapshotter": SnapshotterSettings,
}
_ENV_HEAD = """\
# The settings of coedit, as docker-compose.yml reads them from .env: `make .env` copies this file and sets the secret.
# Each line that is commented out shows the default. A name that no service knows keeps it from starting.
# Written by scripts/reference.py from the services' settings.

# Where the load balancer of docker-compose.yml listens; read by nothing else.
# PUBLISH=127.0.0.1:8000

# How many gateways and transformers `make deploy` brings up.
# GATEWAYS=2
# TRANSFORMERS=2

# S3 on this machine in the place of a folder: SeaweedFS, which listens to nobody outside. Choose the two keys.
# COMPOSE_PROFILES=s3
# COEDIT_OBJECT_STORE_URL=s3://coedit/documents
# COEDIT_OBJECT_STORE_ENDPOINT=http://s3:8333
# COEDIT_OBJECT_STORE_REGION=us-east-1
# AWS_ACCESS_KEY_ID=
# AWS_SECRET_ACCESS_KEY=

# The Redis of docker-compose.yml: what its data may take of memory, and what its process may while it writes a copy;
# its disk has to have room for four times the former.
# REDIS_MAXMEMORY=1gb
# REDIS_MEMORY_LIMIT=2g

# The passwords of its users, which deploy/redis/users.acl defines. With another Redis (COEDIT_REDIS_URL) whose address
# names no user leave them empty.
{passwords}
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the name of its variable, its default (None: it must be set) and its meaning."""

    variable: str
    default: str | None
    meaning: str


def settings_of(owner: type[SharedSettings]) -> list[Setting]:
    """Return the settings that a class itself declares and that are no other service's, in its order."""
    others = tuple(f"{name}_" for name, other in SERVICES.items() if other is not owner)
    meanings = _docstrings(owner)
    return [
        Setting(PREFIX + name.upper(), _default(owner.model_fields[name].default), meanings.get(name, ""))
        for name in inspect.get_annotations(owner)
        if name in owner.model_fields and not name.startswith(others)
    ]


def env_example() -> str:
    """Return the content of ``.env.example``."""
    users = (ROOT / "deploy/redis/passwords.env.example").read_text().splitlines()
    own = [line for line in users if line.endswith("=") and "REPLICA" not in line and "SENTINEL" not in line]
    lines = [_ENV_HEAD.format(passwords="\n".join(own))]
    for title, owner in _owners():
        lines.append(f"\n# {title}\n")
        for setting in settings_of(owner):
            lines.append(f"\n# {setting.meaning.replace('``', '')}\n")
            is_required = setting.default is None
            lines.append(f"{'' if is_required else '# '}{setting.variable}={setting.default or ''}\n")
    return "".join(lines)


def settings_table() -> str:
    """Return the tables of settings, in Markdown."""
    parts = []
    for title, owner in _owners():
        rows = [
            f"| `{setting.variable}` | {_as_code(setting.default)} | {setting.meaning.replace('``', '`')} |"
            for setting in settings_of(owner)
        ]
        parts.append(
            "\n".join([f"**{title}**\n", "| variable | default | meaning |", "| --- | --- | --- |", *rows])
        )
    return "\n\n".join(parts)


def metrics_table() -> str:
    """Return the table of every metric that the services register, in Markdown."""
    for service in SERVICES:
        import_module(f"services.{service}.app")
    found = sorted(
        (
            f"{metric.name}_total" if metric.type == "counter" else metric.name,
            metric.type,
            metric.documentation,
        )
        for metric in REGISTRY.collect()
        if metric.name.startswith("coedit_")
    )
    rows = [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in found]
    return "\n".join(["| metric | type | meaning |", "| --- | --- | --- |", *rows])


def with_tables(page: str) -> str:
    """Return a page with what stands between its markers written anew."""
    for name, table in (("settings", settings_table()), ("metrics", metrics_table())):
        start, end = f"<!-- {name}: scripts/reference.py -->\n", f"\n<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = before + start + "\n" + table + "\n" + end + after
    return page


def _owners() -> Iterator[tuple[str, type[SharedSettings]]]:
    yield "Every service", SharedSettings
    for name, owner in SERVICES.items():
        yield name.capitalize(), owner


def _default(default: Any) -> str | None:
    if default is PydanticUndefined:
        return None
    return str(int(default)) if isinstance(default, bool) else str(default)


def _as_code(default: str | None) -> str:
    if default is None:
        return "must be set"
    return f"`{default}`" if default else "empty"


def _docstrings(owner: type[SharedSettings]) -> dict[str, str]:
    """Return the string below each field of a class, which Python itself does not keep, on one line."""
    declared = ast.parse(inspect.getsource(owner)).body[0]
    found: dict[str, str] = {}
    body = declared.body if isinstance(declared, ast.ClassDef) else []
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def main() -> None:
    """Write both files."""
    page = ROOT / "docs/operations.md"
    wanted = {ROOT / ".env.example": env_example(), page: with_tables(page.read_text())}
    for path, content in wanted.items():
        path.write_text(content)
        print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
