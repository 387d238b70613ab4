"""Times our core: python -m bench.ot.python_runner INPUTS MINIMUM_SECONDS. Prints {name: µs per case or edit}."""

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.ot.inputs import Batch, Json
from coedit.ot import Delta, apply, compose, invert, transform

Verb = Callable[[Delta, Delta], object]
VERBS: dict[str, Verb] = {"transform": transform, "compose": compose, "apply": apply, "invert": invert}


def main() -> None:
    """Time all batches and replays."""
    inputs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    minimum_seconds = float(sys.argv[2])
    figures = {batch["name"]: time_batch(batch, minimum_seconds) for batch in inputs["batches"]}
    edits = [as_delta(*patch) for patch in inputs["trace"]]
    gc.freeze()
    for count in inputs["growth"]:
        for name, verb in (("apply", apply), ("compose", compose)):
            figures[f"paper: {name} {count}"], length = time_replay(verb, edits[:count])
        figures[f"paper: length {count}"] = length
    print(json.dumps(figures))


def time_batch(batch: Batch, minimum_seconds: float) -> float:
    """Return µs per case: the whole batch, again and again for at least ``minimum_seconds``."""
    verb = VERBS[batch["verb"]]
    pairs: list[Any] = [[Delta.from_json(ops) for ops in case] for case in batch["cases"]]
    run_all(verb, pairs)
    passes, started = 0, perf_counter()
    while perf_counter() - started < minimum_seconds:
        run_all(verb, pairs)
        passes += 1
    return 1e6 * (perf_counter() - started) / passes / len(pairs)


def run_all(verb: Verb, pairs: list[Any]) -> None:
    """Do all cases once."""
    for left, right in pairs:
        verb(left, right)


def as_delta(position: int, deleted: int, inserted: Json) -> Delta:
    """Return a patch of a trace as a delta."""
    return Delta().retain(position).delete(deleted).insert(inserted)


def time_replay(verb: Callable[[Delta, Delta], Delta], edits: list[Delta]) -> tuple[float, int]:
    """Return µs per edit, done one by one on what the others made, and the length of the result."""
    document = Delta()
    started = perf_counter()
    for edit in edits:
        document = verb(document, edit)
    return 1e6 * (perf_counter() - started) / len(edits), document.length


if __name__ == "__main__":
    main()
