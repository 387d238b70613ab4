"""``python -m bench.load SPEC``: the load generator, a process of its own.

Says ``begin`` and ``end`` around the measured time, then waits until everything has arrived, checks it, and prints the
counts as one line of JSON. Exits with 1 and the reasons if anything is missing.
"""

import asyncio
import json
import random
import sys
import urllib.request
from dataclasses import dataclass
from typing import Any

import uvloop

from bench.editors import CoeditDialect, Dialect, Editor, FloorDialect
from bench.scenarios import Load
from bench.tally import BrokenPromiseError, DocumentTally, Tally

_OPEN_SECONDS = 60.0
_DRAIN_SECONDS = 30.0
_OPEN_AT_ONCE = 50
_DIALECTS: dict[str, type[Dialect]] = {"coedit": CoeditDialect, "floor": FloorDialect}


@dataclass(frozen=True, slots=True)
class Spec:
    """What to do where."""

    load: Load
    dialect: str
    host: str
    port: int
    warm_seconds: float
    seconds: float

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Return the spec that ``text`` holds."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields | {"load": Load(**fields["load"])})

    def to_json(self) -> str:
        """Return the spec as an argument."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields | {"load": self.load.fields()})


async def run(spec: Spec) -> dict[str, Any]:
    """Drive the load; return the counts.

    Raises:
        BrokenPromiseError: something that was sent did not arrive as promised.
    """
    tally = Tally()
    counts = {f"bench-{number}": DocumentTally() for number in range(spec.load.documents)}
    editors = [
        Editor(_DIALECTS[spec.dialect](), tally, document, counts[document], f"{document}-author-{number}")
        for document in counts
        for number in range(spec.load.clients)
    ]
    await _connect(spec, editors)
    typing = asyncio.create_task(_type_at_rate(editors, spec.load.rate)) if spec.load.rate else None
    if typing is None:
        _type_closed(editors, spec.load.outstanding)
    seconds = await _measure(spec, tally)
    if typing is not None:
        typing.cancel()
    for editor in editors:
        editor.on_ack = lambda _editor, _edits: None
    await _drain(tally, editors)
    if spec.dialect == "coedit":
        await asyncio.to_thread(_check_texts, spec, counts)
    for editor in editors:
        editor.close()
    return tally.summary(seconds)


async def _connect(spec: Spec, editors: list[Editor]) -> None:
    async with asyncio.timeout(_OPEN_SECONDS):
        for first in range(0, len(editors), _OPEN_AT_ONCE):
            at_once = editors[first : first + _OPEN_AT_ONCE]
            await asyncio.gather(*(editor.connect(spec.host, spec.port) for editor in at_once))


async def _measure(spec: Spec, tally: Tally) -> float:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(spec.warm_seconds)
    tally.is_measuring = True
    print("begin", flush=True)
    started = loop.time()
    await asyncio.sleep(spec.seconds)
    tally.is_measuring = False
    seconds = loop.time() - started
    print("end", flush=True)
    return seconds


def _type_closed(editors: list[Editor], outstanding: int) -> None:
    """Whatever is acked is typed anew, so that ``outstanding`` edits of each client are always unacked."""
    for editor in editors:
        editor.on_ack = lambda editor, edits: editor.type(edits)
        # In flight and in the buffer from the start, otherwise all would go out in one submission for ever.
        first = max(1, outstanding // 2)
        editor.type(first)
        if outstanding > first:
            editor.type(outstanding - first)


async def _type_at_rate(editors: list[Editor], rate: float) -> None:
    """Type single characters at even times, each client in its turn."""
    loop = asyncio.get_running_loop()
    order = random.Random(1).sample(editors, len(editors))
    started, typed = loop.time(), 0
    while True:
        due = int((loop.time() - started) * rate) + 1
        for number in range(typed, due):
            order[number % len(order)].type(1)
        typed = due
        await asyncio.sleep(max(0.0, started + typed / rate - loop.time()))


async def _drain(tally: Tally, editors: list[Editor]) -> None:
    """Wait until every client has been told of every commit."""
    deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
    while not tally.errors and not all(editor.is_quiet for editor in editors):
        if asyncio.get_running_loop().time() > deadline:
            late = sum(not editor.is_quiet for editor in editors)
            tally.errors.append(
                f"{late} of {len(editors)} clients miss something after {_DRAIN_SECONDS:.0f} s"
            )
        await asyncio.sleep(0.02)
    if tally.errors:
        raise BrokenPromiseError(f"{len(tally.errors)} errors: " + "; ".join(tally.errors[:5]))


def _check_texts(spec: Spec, counts: dict[str, DocumentTally]) -> None:
    for document, count in counts.items():
        request = urllib.request.Request(
            f"http://{spec.host}:{spec.port}/v1/documents/{document}", headers={"Accept": "text/plain"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text: bytes = answer.read()
        if len(text) != count.edits:
            raise BrokenPromiseError(f"{document}: {len(text)} characters stored, {count.edits} typed")


def main() -> int:
    """Run as told by the argument."""
    try:
        result = uvloop.run(run(Spec.from_json(sys.argv[1])))
    except (BrokenPromiseError, TimeoutError, OSError) as error:
        print(f"the load failed: {error!r}", file=sys.stderr)
        return 1
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
