"""What both sides are given: batches of cases, and the edits of a trace, as JSON."""

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any, Literal, TypedDict

Json = Any
Verb = Literal["compose", "transform", "apply", "invert"]
GROWTH = (10_000, 50_000, 260_000)
"""After how many edits of the paper trace the cost of one is stated; the last is all of them, 259,778."""


class Batch(TypedDict):
    """Pairs of deltas for one verb: timed as a whole, stated per pair."""

    name: str
    verb: Verb
    cases: list[list[Json]]


class Inputs(TypedDict):
    """All that a runner reads. ``trace`` holds patches, [position, deleted, inserted]; it may be empty."""

    batches: list[Batch]
    trace: list[Json]
    growth: list[int]


def make_inputs(seed: int) -> Inputs:
    """Return typing made of ``seed``, and what the folders in COEDIT_VECTORS and COEDIT_TRACES hold."""
    batches = typing_batches(random.Random(seed))
    trace: list[Json] = []
    if "COEDIT_VECTORS" in os.environ:
        batches += vector_batches(Path(os.environ["COEDIT_VECTORS"]))
    if "COEDIT_TRACES" in os.environ:
        trace = paper_trace(Path(os.environ["COEDIT_TRACES"]))
    return {"batches": batches, "trace": trace, "growth": list(GROWTH) if trace else []}


def typing_batches(chance: random.Random) -> list[Batch]:
    """Return single keystrokes, four in five of them inserts, on a text of 2,000 characters."""
    document = [{"insert": "".join(chance.choices("abcdefghij klmnop\n", k=2_000))}]
    edits = [keystroke(chance, 2_000) for _ in range(4_000)]
    pairs = [list(pair) for pair in zip(edits[::2], edits[1::2], strict=True)]
    runs = [run_of_typing(chance, 2_000) for _ in range(2_000)]
    return [
        {"name": "typing: transform", "verb": "transform", "cases": pairs},
        {"name": "typing: compose anywhere", "verb": "compose", "cases": pairs},
        {"name": "typing: compose the next key", "verb": "compose", "cases": runs},
        {"name": "typing: apply", "verb": "apply", "cases": [[document, edit] for edit in edits]},
        {"name": "typing: invert", "verb": "invert", "cases": [[edit, document] for edit in edits]},
    ]


def keystroke(chance: random.Random, length: int) -> Json:
    """Return one character typed or deleted somewhere in the first ``length`` units."""
    typed = {"insert": chance.choice("etaoin srhldcu")} if chance.random() < 0.8 else {"delete": 1}
    return [{"retain": chance.randrange(1, length - 1)}, typed]


def run_of_typing(chance: random.Random, length: int) -> list[Json]:
    """Return up to 20 characters typed at one place, and the next one behind them."""
    place, typed = chance.randrange(1, length), chance.randrange(1, 20)
    first = [{"retain": place}, {"insert": "abcdefghijklmnopqrst"[:typed]}]
    return [first, [{"retain": place + typed}, {"insert": "x"}]]


def vector_batches(folder: Path) -> list[Batch]:
    """Return the recorded random cases but those that may cut surrogate pairs, which we refuse."""
    with gzip.open(folder / "random.jsonl.gz", "rt", encoding="utf-8") as lines:
        cases = [case["in"] for case in map(json.loads, lines) if case["mode"] != "may_split_pairs"]
    return [
        {"name": "vectors: transform", "verb": "transform", "cases": [[c["a"], c["b"]] for c in cases]},
        {"name": "vectors: compose", "verb": "compose", "cases": [[c["a"], c["c"]] for c in cases]},
        {"name": "vectors: apply", "verb": "apply", "cases": [[c["doc"], c["a"]] for c in cases]},
        {"name": "vectors: invert", "verb": "invert", "cases": [[c["a"], c["doc"]] for c in cases]},
    ]


def paper_trace(folder: Path) -> list[Json]:
    """Return the patches of the automerge-paper trace."""
    with gzip.open(folder / "automerge-paper.json.gz", "rt", encoding="utf-8") as file:
        return [patch for transaction in json.load(file)["txns"] for patch in transaction["patches"]]
