"""The system of docker-compose.yml as Docker has it, and as the file and .env want it. Needs nothing but Python."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / ".env"
ANSWER_SECONDS = 10.0
_PROBE = ("python", "-m", "coedit.runtime.probe")
QUESTIONS = {
    "redis": ("redis-cli", "--no-auth-warning", "--user", "health", "--pass", "any", "-e", "ping"),
    "transformer": (*_PROBE, "8081"),
    "snapshotter": (*_PROBE, "8083"),
    "presence": (*_PROBE, "8082"),
    "gateway": (*_PROBE, "8000"),
    "s3": ("python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8333), 2)"),
}
"""What a container is asked, within it, to tell whether it is ready."""
COUNTS = {"redis": 1, "transformer": 2, "snapshotter": 1, "presence": 1, "gateway": 2, "loadbalancer": 1}
"""How many containers the file wants, unless .env says otherwise."""
PROFILES = ("s3",)
"""What there is one of where COMPOSE_PROFILES names it."""
COUNT_VARIABLES = {"transformer": "TRANSFORMERS", "gateway": "GATEWAYS"}
MADE_OF = "MADE_OF"
"""Where .env says of what containers are made now: a label of each repeats it."""
IMAGE_TAG, PREVIOUS_IMAGE_TAG = "IMAGE_TAG", "PREVIOUS_IMAGE_TAG"
_OF_NO_CONTAINER = {MADE_OF, IMAGE_TAG, PREVIOUS_IMAGE_TAG, *COUNT_VARIABLES.values()}
_LABEL = "com.docker.compose"
_FIELDS = (
    *("{{.ID}}", "{{.Names}}", "{{.State}}", "{{.Image}}", f'{{{{.Label "{_LABEL}.service"}}}}'),
    *(f'{{{{.Label "{_LABEL}.project.working_dir"}}}}', '{{.Label "coedit.made-of"}}'),
)


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the system, whether it runs or not."""

    id: str
    name: str
    state: str
    image: str
    service: str
    folder: str
    """From which it was made."""
    made_of: str

    @property
    def is_running(self) -> bool:
        """Whether it can be asked."""
        return self.state == "running"


def settings() -> dict[str, str]:
    """Return what .env sets, and the environment above it, as compose reads them; nothing where .env is missing."""
    if not SETTINGS.exists():
        return {}
    lines = [line.strip() for line in SETTINGS.read_text().splitlines()]
    found = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return found | os.environ


def change(**values: str) -> None:
    """Set variables in .env, which keeps its other lines and stays readable only by its owner; an empty one goes."""
    kept = re.sub(rf"^({'|'.join(values)})=.*\n?", "", SETTINGS.read_text(), flags=re.MULTILINE).rstrip("\n")
    lines = [f"{name}={value}" for name, value in values.items() if value]
    part = SETTINGS.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text("\n".join([kept, *lines, ""]))
    part.replace(SETTINGS)


def made_of() -> str:
    """Return a name for all that containers are made of but the image: the file, and what stands in .env."""
    lines = SETTINGS.read_text().splitlines()
    kept = sorted(line for line in lines if "=" in line and line.split("=", 1)[0] not in _OF_NO_CONTAINER)
    digest = sha256((ROOT / "docker-compose.yml").read_bytes())
    digest.update("\n".join(line for line in kept if not line.startswith("#")).encode())
    return digest.hexdigest()[:12]


def project(found: Mapping[str, str]) -> str:
    """Return the project's name, with which those of containers and volumes begin (see scripts/compose.sh)."""
    return found.get("COMPOSE_PROJECT_NAME") or re.sub("[^a-z0-9_-]", "", ROOT.name.lower())


def services(found: Mapping[str, str]) -> list[str]:
    """Return the services that should run."""
    return [*COUNTS, *(name for name in PROFILES if name in found.get("COMPOSE_PROFILES", "").split(","))]


def wanted(service: str, found: Mapping[str, str]) -> int:
    """Return how many containers there should be of a service."""
    return int(found.get(COUNT_VARIABLES.get(service, ""), "") or COUNTS.get(service, 1))


def containers(found: Mapping[str, str]) -> list[Container]:
    """Return every container of the system, those that ended included, oldest first.

    Raises:
        OSError, subprocess.SubprocessError: Docker does not answer.
    """
    filters = [f"label={_LABEL}.project={project(found)}", f"label={_LABEL}.oneoff=False"]
    options = [word for one in filters for word in ("--filter", one)]
    command = ["docker", "ps", "-a", "--no-trunc", *options, "--format", "\t".join(_FIELDS)]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True)
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    return [Container(*row) for row in reversed(rows)]


def why_not_ready(container: Container) -> str:
    """Return why a container is not ready; nothing where it is."""
    if not container.is_running:
        return container.state
    question = QUESTIONS.get(container.service)
    if question is None:
        return ""
    asked = run("docker", "exec", container.id, *question)
    return "" if asked.returncode == 0 else one_line(asked.stderr or asked.stdout) or "does not answer"


def run(*command: str, seconds: float = ANSWER_SECONDS) -> "subprocess.CompletedProcess[str]":
    """Run a command; one that cannot be run, or takes too long, has failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def why_failed(error: Exception) -> str:
    """Return why a command failed: in its own words, where it had any."""
    return one_line(getattr(error, "stderr", "") or "") or str(error)


def one_line(text: str) -> str:
    """Return the beginning of what a command said, for a table."""
    return " ".join(text.split())[:200]
