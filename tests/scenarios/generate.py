"""Write the scenario files: ``.venv/bin/python -m tests.scenarios.generate``.

A scenario is a run of some clients against the authority, over a network that delays, cuts off and repeats. A file
holds, in order, what happened to which client, and what the client then sent; both client libraries replay it
(`tests/unit/protocol/test_scenarios.py`, `clients/js/tests/scenarios.test.ts`) and must send and show the same::

    {"seed": 1, "clients": 2, "steps": [...], "document": [...]}
    {"client": 0, "do": "connect" | "cut" | "resend" | "undo" | "redo", "sent": [messages]}
    {"client": 0, "do": "edit", "delta": [...], "group": null | 1, "sent": [...]}
    {"client": 0, "do": "receive", "message": {...}, "sent": [...]}

``document`` is what all clients show in the end, and what the server holds. An absent ``sent`` is an empty one.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coedit.ot.delta import Delta
from coedit.testing.strategies import atom_sizes
from tests.client_world import Client, World

FOLDER = Path(__file__).parent
SEEDS = range(1, 31)
_STEPS = 60
_WORDS = ["a", "bc", "é", "😀", "한", "\n", "𠀀x"]
_FORMATS: list[dict[str, Any]] = [{"bold": True}, {"bold": None}, {"bold": True, "size": 2}, {"size": None}]
_HAPPENINGS = {
    "edit": 6, "undo": 2, "redo": 1, "up": 7, "down": 7, "late": 0.5, "resend": 0.7, "cut": 0.6,
}  # fmt: skip
_MAX_RESENDS = 2
"""Of one submission on one connection: a client that is not answered for longer takes its connection for dead, which is
no part of a scenario."""

Step = dict[str, Any]


class Recorder:
    """Lets things happen in a world at random, and writes them down."""

    def __init__(self, seed: int, client_count: int) -> None:
        self._rng = random.Random(f"coedit scenario {seed}")
        self.world = World(client_count)
        self.steps: list[Step] = []
        self._resends: Counter[tuple[int, int]] = Counter()
        self._sent: list[Any] = []
        for client in self.world.clients:
            client.on_sent = self._sent.extend
        for client in self.world.clients:
            self._do(client, "connect", client.connect)

    def run(self, count: int) -> None:
        """Let ``count`` things happen, or a few less, and then let everything arrive."""
        for _ in range(count):
            kind = self._rng.choices(list(_HAPPENINGS), list(_HAPPENINGS.values()))[0]
            self._happen(self._rng.choice(self.world.clients), kind)
        for client in self.world.clients:
            if client.connection is None:
                self._do(client, "connect", client.connect)
        while any([self._flush(client) for client in self.world.clients]):  # noqa: C419 - one round is of all
            pass
        self.world.check()

    def _happen(self, client: Client, kind: str) -> None:
        if client.connection is None and kind in {"up", "down", "resend", "cut"}:
            self._do(client, "connect", client.connect)
        elif kind == "late" and client.late:
            client.deliver_late()
        elif kind in {"up", "down"}:
            self._deliver(client, kind)
        elif kind == "cut":
            self._do(client, "cut", client.cut)
            self._resends[_submission(client)] = 0
        elif kind == "resend":
            self._resend(client)
        elif client.is_loaded:
            self._write(client, kind)

    def _write(self, client: Client, kind: str) -> None:
        if kind == "undo":
            self._do(client, "undo", client.undo)
        elif kind == "redo" or (client.document.history.can_redo and self._rng.random() < 0.6):
            self._do(client, "redo", client.redo)
        elif kind == "edit":
            delta, group = random_delta(self._rng, client.document.content), self._rng.choice([None, None, 1])
            self._do(client, "edit", lambda: client.edit(delta, group), delta=delta.to_json(), group=group)

    def _deliver(self, client: Client, kind: str) -> None:
        connection = client.connection
        if connection is not None and kind == "up" and connection.up:
            client.deliver_up()
        elif connection is not None and kind == "down" and connection.down:
            message = client.next_down(batch=self._rng.random() < 0.5)
            repeats = 2 if message["type"] != "opened" and self._rng.random() < 0.15 else 1
            for _ in range(repeats):
                self._receive(client, message)

    def _receive(self, client: Client, message: Any) -> None:
        self._do(client, "receive", lambda: client.receive(message), message=message)

    def _resend(self, client: Client) -> None:
        if (
            not client.document.saved
            and client.document.is_open
            and self._resends[_submission(client)] < _MAX_RESENDS
        ):
            self._resends[_submission(client)] += 1
            self._do(client, "resend", client.resend)

    def _flush(self, client: Client) -> bool:
        connection = client.connection
        assert connection is not None
        moved = bool(connection.up or connection.down or client.late)
        while connection.up:
            client.deliver_up()
        while client.late:
            client.deliver_late()
        while connection.down:
            self._receive(client, client.next_down(batch=True))
        return moved

    def _do(self, client: Client, what: str, act: Callable[[], None], **facts: Any) -> None:
        self._sent.clear()
        act()
        step = {"client": client.number, "do": what, **facts}
        self.steps.append(step | ({"sent": list(self._sent)} if self._sent else {}))


def _submission(client: Client) -> tuple[int, int]:
    return client.number, client.document.client_sequence


def scenario(seed: int, step_count: int = _STEPS) -> dict[str, Any]:
    """Return the scenario of a seed, as it is written into its file."""
    clients = 2 + seed % 3
    recorder = Recorder(seed, clients)
    recorder.run(step_count)
    document = recorder.world.server.authority.document.to_json()
    return {"seed": seed, "clients": clients, "steps": recorder.steps, "document": document}


def random_delta(rng: random.Random, document: Delta) -> Delta:
    """Return an edit that fits: an insert, a delete or a format, at places that cut no surrogate pair."""
    sizes = atom_sizes(document)
    start = rng.randint(0, len(sizes))
    end = min(len(sizes), start + rng.randint(1, 4))
    delta = Delta().retain(sum(sizes[:start]))
    kind = rng.choices(["insert", "delete", "format", "embed"], [5, 3, 2, 1])[0]
    if kind == "insert" or start == end:
        return delta.insert(rng.choice(_WORDS), rng.choice([None, {"bold": True}]))
    if kind == "embed":
        return delta.insert({"image": "a"}, rng.choice([None, {"width": 3}]))
    length = sum(sizes[start:end])
    return delta.delete(length) if kind == "delete" else delta.retain(length, rng.choice(_FORMATS))


def file_text(seed: int) -> str:
    """Return the text of a seed's file."""
    facts = scenario(seed)
    steps = ",\n".join(json.dumps(step, ensure_ascii=False, separators=(",", ":")) for step in facts["steps"])
    rest = {name: value for name, value in facts.items() if name != "steps"}
    return json.dumps(rest, ensure_ascii=False)[:-1] + f', "steps": [\n{steps}\n]}}\n'


def main() -> None:
    """Write all files."""
    for seed in SEEDS:
        (FOLDER / f"{seed:02}.json").write_text(file_text(seed), encoding="utf-8")


if __name__ == "__main__":
    main()
