"""Deploy with docker-compose.yml: scripts/deploy.py builds this folder's image and brings it up; --rollback goes back.

What runs already is replaced container by container: one with the new image is started, and only when it is ready one
of the old ones is told to stop, which sends its clients elsewhere. Where a new one does not become ready it is removed,
the old ones stay, and the exit code is 1. How many there are of a service stays as it is (or as .env says: GATEWAYS,
TRANSFORMERS). Needs nothing but Python, Docker and Compose.
"""

import argparse
import calendar
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import composed, health
from scripts.composed import ROOT, Container, run
from scripts.image_tag import image_tag

FORWARD = ("presence", "gateway", "snapshotter", "transformer")
"""Who reads before who writes: what a new version stores, others can read by then. Back the other way round."""
_READY_SECONDS = 90.0
_STOP_SECONDS = 30
_BALANCER_SECONDS = 20.0
_FIRST_TAG = "0.1.0"
"""Of images that were made before tags were noted in .env."""


class DeployError(Exception):
    """It cannot be done, or was not done to its end; the message says how things stand."""


def main() -> int:
    """Deploy, or go back; return the exit code."""
    parser = argparse.ArgumentParser(description="Bring up the system of docker-compose.yml, or replace it.")
    parser.add_argument("--rollback", action="store_true", help="go back to the image that was there before")
    is_rollback = parser.parse_args().rollback
    try:
        _compose("version")  # writes .env where it is missing
        _refuse_anothers(composed.containers(composed.settings()))
        tag = _image_before() if is_rollback else _built_image()
        if composed.containers(composed.settings()):
            _note(tag)
            _replace_all(tag, FORWARD[::-1] if is_rollback else FORWARD)
        else:
            _note(tag)
            _compose("up", "-d")
    except (DeployError, OSError, subprocess.SubprocessError) as error:
        print(f"deploy: {composed.why_failed(error)}", file=sys.stderr)
        return 1
    return health.report(60)


def _refuse_anothers(there: Sequence[Container]) -> None:
    """Refuse to take over what another folder deployed, unless that folder is gone."""
    for folder in {Path(container.folder) for container in there if container.folder}:
        if folder != ROOT and (folder / "docker-compose.yml").exists():
            name = composed.project(composed.settings())
            raise DeployError(
                f"{folder} has deployed {name!r}: set COMPOSE_PROJECT_NAME in .env to another name"
            )


def _image_before() -> str:
    before = composed.settings().get(composed.PREVIOUS_IMAGE_TAG, "")
    if not before:
        raise DeployError(f"there is nothing to go back to: .env has no {composed.PREVIOUS_IMAGE_TAG}")
    if not _has_image(before):
        raise DeployError(f"the image coedit:{before} is here no more: check its version out and deploy that")
    return before


def _built_image() -> str:
    tag = image_tag(ROOT)
    if not _has_image(tag):
        print(f"building coedit:{tag} ...", flush=True)
        _compose("build", "gateway", tag=tag)
    return tag


def _has_image(tag: str) -> bool:
    return run("docker", "image", "inspect", f"coedit:{tag}").returncode == 0


def _note(tag: str) -> None:
    """Write into .env which image is deployed, which was before, and of what else containers are made."""
    found = composed.settings()
    before = found.get(composed.IMAGE_TAG, _FIRST_TAG if _has_image(_FIRST_TAG) else "")
    tags = {} if before == tag else {composed.IMAGE_TAG: tag, composed.PREVIOUS_IMAGE_TAG: before}
    composed.change(**tags, **{composed.MADE_OF: composed.made_of()})


def _replace_all(tag: str, services: Sequence[str]) -> None:
    """Bring up what is one of a kind where its definition changed, then replace the services."""
    reloads = {"redis": _reload_users, "loadbalancer": _reload_balancer}
    for name in composed.services(composed.settings()):
        if name in services:
            continue
        before = _of(name)
        _compose("up", "-d", "--no-deps", name)
        _until(lambda name=name: _all_ready(name), _READY_SECONDS, f"{name} is not ready")  # type: ignore[misc]
        for container in before:
            if name in reloads and container.is_running and container.id in {now.id for now in _of(name)}:
                reloads[name](container)
    for service in services:
        _replace(service, tag)


def _replace(service: str, tag: str) -> None:
    """Replace the containers of a service that are not as they should be, one after the other."""
    started_at = time.monotonic()
    there = _of(service)
    alive = [container for container in there if container.is_running]
    for dead in (container for container in there if not container.is_running):
        _docker("rm", "-f", dead.id)
    made_of = composed.settings()[composed.MADE_OF]
    old = [one for one in alive if (one.image, one.made_of) != (f"coedit:{tag}", made_of)]
    count, current = _count(service, len(alive)), len(alive) - len(old)
    if current + len(old) < count:  # nobody waits for those that are missing: all at once
        missing = count - current - len(old)
        _start_more(service, missing)
        current += missing
    while old:
        if current < count:
            _start_more(service, 1)
            current += 1
        _end(old.pop(0))
    for surplus in _of(service)[count:]:
        _end(surplus)
    print(f"{service}: {count} with coedit:{tag}, {time.monotonic() - started_at:.0f} s", flush=True)


def _count(service: str, alive: int) -> int:
    """Return how many there are to be: what .env says, or what there are, but no fewer than the file wants."""
    found = composed.settings()
    count = composed.wanted(service, found)
    return count if composed.COUNT_VARIABLES.get(service, "") in found else max(count, alive)


def _start_more(service: str, number: int) -> None:
    """Start so many more containers of a service, and wait until they are ready and, if gateways, in use."""
    before = {container.id for container in _of(service)}
    scale = f"{service}={len(before) + number}"
    _compose("up", "-d", "--no-deps", "--no-recreate", "--scale", scale, service)

    def new() -> list[Container]:
        return [container for container in _of(service) if container.id not in before]

    def is_ready() -> bool:
        return len(new()) == number and not any(map(composed.why_not_ready, new()))

    try:
        _until(is_ready, _READY_SECONDS, f"the new {service} does not become ready")
        if service == "gateway":
            _until(_balancer_has_all, _BALANCER_SECONDS, "the load balancer does not find the new gateway")
    except DeployError as error:
        for container in new():
            print(run("docker", "logs", "--tail", "20", container.id).stderr, file=sys.stderr)
            _docker("rm", "-f", container.id)
        left = [container.image for container in _of(service)]
        raise DeployError(
            f"{error}; its log is above. It was removed, and of {service} there are {', '.join(left)}. "
            "`make rollback` puts the image back that was there before"
        ) from error


def _balancer_has_all() -> bool:
    """Return whether as many gateways are in use by the load balancer as there are."""
    gateways = [container for container in _of("gateway") if container.is_running]
    ask = "import urllib.request as r; print(r.urlopen('http://loadbalancer:8405/gateways', timeout=2).read().decode())"
    asked = run("docker", "exec", gateways[-1].id, "python", "-c", ask)
    return asked.returncode == 0 and asked.stdout.strip() == str(len(gateways))


def _end(container: Container) -> None:
    """Tell one to stop, which ends its work in order, and remove it."""
    _docker("stop", "-t", str(_STOP_SECONDS), container.id)
    _docker("rm", "-f", container.id)


def _reload_users(redis: Container) -> None:
    """Give a Redis that was not started anew its users as deploy/redis has them now."""
    if not composed.settings().get("REDIS_ADMIN_PASSWORD"):
        return  # nobody can be any of them: another Redis is used
    script = (
        "REDIS_SERVER=true sh /etc/coedit/start.sh && "
        "REDISCLI_AUTH=$REDIS_ADMIN_PASSWORD redis-cli --no-auth-warning --user admin -e acl load"
    )
    _docker("exec", redis.id, "sh", "-c", script)


def _reload_balancer(balancer: Container) -> None:
    """Have the load balancer read its configuration if that is newer than it; connections that are open stay."""
    started = run("docker", "inspect", "--format", "{{.State.StartedAt}}", balancer.id).stdout[:19]
    started_at = calendar.timegm(time.strptime(started, "%Y-%m-%dT%H:%M:%S"))
    if (ROOT / "deploy/haproxy/haproxy.cfg").stat().st_mtime > started_at:
        _docker("kill", "--signal", "USR2", balancer.id)


def _all_ready(service: str) -> bool:
    there = _of(service)
    return bool(there) and not any(map(composed.why_not_ready, there))


def _of(service: str) -> list[Container]:
    return [one for one in composed.containers(composed.settings()) if one.service == service]


def _until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise DeployError(f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.2)


def _compose(*arguments: str, tag: str = "") -> None:
    chosen = {composed.IMAGE_TAG: tag} if tag else {}
    command = [str(ROOT / "scripts/compose.sh"), *arguments]
    done = subprocess.run(command, env=os.environ | chosen, check=False)
    if done.returncode != 0:
        raise DeployError(f"compose {' '.join(arguments)} failed")


def _docker(*arguments: str) -> None:
    done = run("docker", *arguments, seconds=_STOP_SECONDS + 30)
    if done.returncode != 0:
        raise DeployError(f"docker {arguments[0]} failed: {composed.one_line(done.stderr)}")


if __name__ == "__main__":
    sys.exit(main())
