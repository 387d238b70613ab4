"""Makes the two small traces beside it: invented writing, in several scripts, with code units that come in pairs.

``python tests/traces/make_traces.py`` writes them again; `test_traces.py` checks that they are these.
"""

import gzip
import json
import random
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SEED = 20251123
_WORDS = ["tea ", "茶を ", "🍵", "naïve ", "👩‍👩‍👧 ", "한글 ", "שלום ", "x", "𠀀", "\n", "boil it twice "]


def sequential(count: int = 400) -> dict[str, Any]:
    """Return a trace of one writer: typing, pasting, deleting, replacing, and transactions of several patches."""
    rng = random.Random(SEED)
    text: list[str] = []
    transactions = []
    for number in range(count):
        patches = [_patch(rng, text) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        transactions.append(
            {"time": f"2025-01-01T00:{number // 60:02}:{number % 60:02}Z", "patches": patches}
        )
    return {"startContent": "", "endContent": "".join(text), "txns": transactions}


def concurrent(count: int = 400, agent_count: int = 3) -> dict[str, Any]:
    """Return a trace of several agents, who see each other's transactions late.

    The text is one stretch per agent, in their order. Only its own agent inserts in a stretch, often at its ends, where
    it meets the neighbours, and everybody deletes in all of them. So the end is known without any OT, as long as the
    lower agent's text comes first where two insert in one place.
    """
    rng = random.Random(SEED + 1)
    desk = _Desk(agent_count)
    transactions = [{"agent": 0, "parents": [], "patches": [[0, 0, desk.text()]]}]
    newest = [[0] * agent_count for _ in range(agent_count)]
    while len(transactions) < count:
        agent = rng.randrange(agent_count)
        if rng.random() < 0.2:
            desk.look(agent)
            newest[agent] = [newest[other][other] for other in range(agent_count)]
        patch = desk.delete(rng, agent) if rng.random() < 0.3 else desk.insert(rng, agent)
        parents = sorted(set(newest[agent]))
        newest[agent][agent] = len(transactions)
        transactions.append({"agent": agent, "parents": parents, "patches": [patch]})
    return {"kind": "concurrent", "numAgents": agent_count, "endContent": desk.text(), "txns": transactions}


class _Desk:
    """The stretches, in which deleted characters stay as marks, and what each agent has seen of them."""

    def __init__(self, agent_count: int) -> None:
        self._texts: list[str] = []
        self._stretches: list[list[int]] = [[] for _ in range(agent_count)]
        self._stretches[0] += [self._make(character) for character in "茶"]
        self._deleted: set[int] = set()
        self._seen = [{0} for _ in range(agent_count)]
        self._gone: list[set[int]] = [set() for _ in range(agent_count)]

    def text(self) -> str:
        everything = [one for stretch in self._stretches for one in stretch if one not in self._deleted]
        return "".join(self._texts[one] for one in everything)

    def look(self, agent: int) -> None:
        self._seen[agent] = set(range(len(self._texts)))
        self._gone[agent] = set(self._deleted)

    def insert(self, rng: random.Random, agent: int) -> list[Any]:
        stretch, shown = self._stretches[agent], self._shown(agent)
        own = [one for one in stretch if one in shown]
        place = rng.choice([0, len(own), rng.randint(0, len(own))])
        text = "".join(rng.choices(_WORDS, k=rng.randint(1, 2)))
        made = [self._make(character) for character in text]
        at = stretch.index(own[place - 1]) + 1 if place else 0
        stretch[at:at] = made
        self._seen[agent] |= set(made)
        before = sum(one in shown for other in self._stretches[:agent] for one in other)
        return [before + place, 0, text]

    def delete(self, rng: random.Random, agent: int) -> list[Any]:
        shown = self._shown(agent)
        view = [one for stretch in self._stretches for one in stretch if one in shown]
        start = rng.randint(0, len(view))
        doomed = view[start : start + rng.randint(1, 5)]
        self._deleted |= set(doomed)
        self._gone[agent] |= set(doomed)
        return [start, len(doomed), ""]

    def _shown(self, agent: int) -> set[int]:
        return self._seen[agent] - self._gone[agent]

    def _make(self, character: str) -> int:
        self._texts.append(character)
        return len(self._texts) - 1


def packed(trace: dict[str, Any]) -> bytes:
    """Return the bytes of a trace's file."""
    return gzip.compress(json.dumps(trace, ensure_ascii=False).encode(), mtime=0)


def _patch(rng: random.Random, text: list[str]) -> list[Any]:
    """Change ``text`` (code points) at random; return the patch that does so."""
    position = rng.randint(0, len(text))
    deleted = rng.randint(0, min(6, len(text) - position)) if rng.random() < 0.4 else 0
    inserted = "".join(rng.choices(_WORDS, k=rng.randint(1, 3))) if deleted == 0 or rng.random() < 0.3 else ""
    text[position : position + deleted] = inserted
    return [position, deleted, inserted]


if __name__ == "__main__":
    (FOLDER / "sequential.json.gz").write_bytes(packed(sequential()))
    (FOLDER / "concurrent.json.gz").write_bytes(packed(concurrent()))
