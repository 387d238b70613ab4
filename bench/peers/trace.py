"""A recorded writing session, one character at a time."""

import gzip
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pycrdt import Doc, Text

from bench.peers.clients.yjs_update import ROOT

_FILE = "automerge-paper.json.gz"
_KEYSTROKES = 1000
_CLIENT = 3_141_592_653
"""As long as most ids that Yjs draws."""
Ops = list[dict[str, Any]]


class NoTraceError(OSError):
    """COEDIT_TRACES does not name the folder of the recorded sessions."""


@dataclass(frozen=True)
class Trace:
    """Keystrokes as (place, deleted, inserted), and the text that comes of them."""

    keystrokes: list[tuple[int, int, str]]
    text: str

    @classmethod
    def load(cls) -> "Trace":
        """Return the automerge-paper session.

        Raises:
            NoTraceError: see there.
        """
        file = Path(os.environ.get("COEDIT_TRACES", "")) / _FILE
        if not file.is_file():
            raise NoTraceError(f"COEDIT_TRACES names no folder with {_FILE}")
        recorded = json.loads(gzip.decompress(file.read_bytes()))
        patches = [tuple(patch) for entry in recorded["txns"] for patch in entry["patches"]]
        return cls(patches, recorded["endContent"])

    @cached_property
    def deltas(self) -> list[Ops]:
        """The session as some hundred submissions, each of what a thousand keystrokes have changed.

        What is unchanged at both ends is retained, the middle is replaced: the texts are right, and opening a document
        depends on the newest one.
        """
        deltas, text = list[Ops](), list[str]()
        for first in range(0, len(self.keystrokes), _KEYSTROKES):
            length = left = right = len(text)
            for place, deleted, inserted in self.keystrokes[first : first + _KEYSTROKES]:
                text[place : place + deleted] = inserted
                left, right = min(left, place), min(right, len(text) - place - len(inserted))
            changed = "".join(text[left : len(text) - right])
            ops: Ops = [{"retain": left}, {"insert": changed}, {"delete": length - left - right}]
            deltas.append([op for op in ops if any(op.values())])
        return deltas

    @cached_property
    def update(self) -> bytes:
        """The session as one Yjs update with all of its history, a transaction for each keystroke."""
        doc: Doc[Any] = Doc(client_id=_CLIENT)
        text: Text = doc.get(ROOT, type=Text)
        for place, deleted, inserted in self.keystrokes:
            if deleted:
                del text[place : place + deleted]
            if inserted:
                text.insert(place, inserted)
        if str(text) != self.text:
            raise NoTraceError("the replayed session is not the recorded text")
        return doc.get_update()
