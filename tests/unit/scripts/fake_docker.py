#!/usr/bin/env python3
"""A `docker` that has containers in a JSON file, as far as scripts/ ask it; beside that it notes what it was asked.

Real engines stand in tests/integration/compose; this one also breaks when it is told to, at once and without one.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

_STATE = Path(os.environ["FAKE_DOCKER"])
_FILE = ("redis", "transformer", "snapshotter", "presence", "gateway", "loadbalancer")


def main(words: list[str]) -> int:
    before = _STATE.read_text()
    state: dict[str, Any] = json.loads(before)
    with _STATE.with_suffix(".log").open("a") as log:
        running = [one["service"] for one in state["containers"] if one["state"] == "running"]
        print(json.dumps([words, running]), file=log)
    code = _answer(words, state)
    if (after := json.dumps(state)) != before:  # several may ask at once, and one changes something
        part = _STATE.with_suffix(".part")
        part.write_text(after)
        part.replace(_STATE)
    return code


def _answer(words: list[str], state: dict[str, Any]) -> int:
    if state.get("is_away"):
        print("Cannot connect to the Docker daemon", file=sys.stderr)
        return 1
    match words:
        case ["compose", *rest]:
            return _compose(rest, state)
        case ["ps", *options]:
            _list(state["containers"], "-a" in options)
        case ["image", "inspect", name]:
            return int(name not in state["images"])
        case ["kill", *_] | ["logs", *_]:
            pass
        case _:
            return _one(words, state)
    return 0


def _list(containers: list[dict[str, str]], shows_ended: bool) -> None:
    fields = ("id", "name", "state", "image", "service", "folder", "made_of")
    for one in reversed(containers):
        if shows_ended or one["state"] == "running":
            print("\t".join(one[name] for name in fields))


def _one(words: list[str], state: dict[str, Any]) -> int:
    """Do what concerns one container, whose id is in the words."""
    containers = state["containers"]
    (one,) = [one for one in containers if one["id"] in words]
    match words:
        case ["exec", _, *question] if "8405" in question[-1]:
            print(sum(one["service"] == "gateway" and one["state"] == "running" for one in containers))
        case ["exec", *_]:
            return int(one["image"] in state.get("broken", []))
        case ["inspect", "--format", "{{.State.StartedAt}}", _]:
            print("2026-11-30T00:00:00.1Z")
        case ["stop", "-t", *_]:
            one["state"] = "exited"
        case ["rm", "-f", _]:
            containers.remove(one)
        case _:
            return _not_known(words)
    return 0


def _compose(words: list[str], state: dict[str, Any]) -> int:
    settings = dict(line.split("=", 1) for line in Path(".env").read_text().splitlines() if "=" in line)
    image = f"coedit:{os.environ.get('IMAGE_TAG') or settings.get('IMAGE_TAG', '0.1.0')}"
    match words:
        case ["version"]:
            pass
        case ["build", "gateway"]:
            state["images"].append(image)
        case ["port", *_]:
            print(state["published"])
        case ["up", "-d", *options]:
            wanted = _wanted(options, state["containers"])
            for service, count in wanted.items():
                for _ in range(count):
                    _make(state, service, image, settings)
        case _:
            return _not_known(words)
    return 0


def _wanted(options: list[str], containers: list[dict[str, str]]) -> dict[str, int]:
    """Return how many are to be made of which service; one that is named alone is started."""
    match options:
        case []:
            return {name: {"gateway": 2, "transformer": 2}.get(name, 1) for name in _FILE}
        case ["--no-deps", service]:
            (one,) = [one for one in containers if one["service"] == service]
            one["state"] = "running"
            return {}
        case ["--no-deps", "--no-recreate", "--scale", scale, service]:
            count = sum(one["service"] == service for one in containers)
            return {service: int(scale.split("=")[1]) - count}
        case _:
            raise ValueError(options)


def _not_known(words: list[str]) -> int:
    print(f"not known: {words}", file=sys.stderr)
    return 2


def _make(state: dict[str, Any], service: str, image: str, settings: dict[str, str]) -> None:
    state["made"] = number = state.get("made", 0) + 1
    other = {"redis": "redis:7", "loadbalancer": "haproxy:2.6"}
    state["containers"].append(
        {
            "id": f"id{number}",
            "name": f"{settings['COMPOSE_PROJECT_NAME']}-{service}-{number}",
            "state": "running",
            "image": other.get(service, image),
            "service": service,
            "folder": str(Path.cwd()),
            "made_of": settings.get("MADE_OF", ""),
        }
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
