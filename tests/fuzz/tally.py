"""What was sent and what came of it, counted by door; and a journal, so that what a process died of can be read."""

import base64
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHOWN_BYTES = 3000
_SUSPICIOUS = {"internal", "1011", "4500"}
_KEPT = 50


@dataclass
class Tally:
    """Of one door; ``journal`` is a file of JSON lines."""

    door: str
    journal: Path
    sequences: int = 0
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    bugs: list[dict[str, Any]] = field(default_factory=list)
    """What no client may be told, each with what was sent before; the first of them."""

    def __post_init__(self) -> None:
        self._file = self.journal.open("a")
        self._last: list[str] = []

    def note_sent(self, payload: bytes | str) -> None:
        """Count a frame or request, and write it down before it is sent."""
        self.sent += 1
        shown = payload if isinstance(payload, str) else base64.b64encode(payload).decode()
        self._last = [*self._last[-9:], shown[:_SHOWN_BYTES]]
        line = {"at": time.time(), "sequence": self.sequences, "sent": shown[:_SHOWN_BYTES]}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def note_answer(self, answer: str) -> None:
        """Count an answer: a type, a code, a close code or a status."""
        self.answers[answer] += 1
        is_server_error = answer.startswith("5") and len(answer) == 3 and answer != "503"
        if (answer in _SUSPICIOUS or is_server_error) and len(self.bugs) < _KEPT:
            self.bugs.append({"answer": answer, "sequence": self.sequences, "after": list(self._last)})

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "door": self.door,
            "sequences": self.sequences,
            "sent": self.sent,
            "answers": dict(self.answers.most_common()),
            "bugs": self.bugs,
        }
