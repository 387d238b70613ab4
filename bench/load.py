"""``python -m bench.load SPEC``: the load generator, a process of its own.

Says ``begin`` and ``end`` around the measured time, then waits until everything has arrived, checks it, and prints the
counts as one line of JSON. Exits with 1 and the reasons if anything is missing.
"""

import asyncio
import json
import sys
import urllib.request
from dataclasses import dataclass
from typing import Any

import uvloop

from bench.dialects import CoeditDialect, Dialect, FloorDialect
from bench.drive import connect_all, drained, measured, type_at_rate, type_closed
from bench.editors import Editor
from bench.scenarios import Load
from bench.tally import BrokenPromiseError, DocumentTally, Tally

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
    dialect = _DIALECTS[spec.dialect]()
    editors = [
        Editor(dialect, tally, document, counts[document], f"{document}-author-{number}")
        for document in counts
        for number in range(spec.load.clients)
    ]
    await connect_all(editors, [(spec.host, spec.port)])
    typing = asyncio.create_task(type_at_rate(editors, spec.load.rate)) if spec.load.rate else None
    if typing is None:
        type_closed(editors, spec.load.outstanding)
    seconds = await measured(tally, spec.warm_seconds, spec.seconds)
    if typing is not None:
        typing.cancel()
    await drained(tally, editors)
    if spec.dialect == "coedit":
        await asyncio.to_thread(_check_texts, spec, counts)
    for editor in editors:
        editor.close()
    return tally.summary(seconds)


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
