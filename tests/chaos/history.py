"""What happened in a run, as JSON lines: written as it happens, and all that the checker gets to see.

Each record has ``what`` and ``at`` (seconds since the run began). Written while it runs:

==========  =========================================================================================
run         seed, level, seconds, kinds, may_lose: what was asked for
bridged     document: Yjs clients have it open too
opened      client, document, revision: a replica begins there
edit        client, document, inserted, deleted, restored: characters, noted as the edit is made
submitted   client, document, id, sequence, inserted: what an edit went off as
acked       client, document, id, sequence, epoch, revision, mac
seen        client, document, id, sequence, epoch, revision: somebody else's commit
reset       client, document, revision: loaded afresh
rejected    client, document, code: refused for good, in the end of a client's life
failed      client, document, error: the document, or the client, could not go on
left        client, document, settled: whether it waited for everything to be acknowledged
afresh      client, document: a Yjs client had items that were lost, and dropped all that it had
phase       name: what happens from here on, see `tests.chaos.plan`
mixed       document: attackers edit it too
attacked    kind, rounds, answers, error: what came of an attack; an error is the attacker's own
memory      process, phase, bytes: it and its children, whenever it reaches a new height in the phase
lag         process, phase, seconds: its loop stood still for longer; whenever it is a new height in the phase
no lag      process, phase: it does not say how long its loop stands still
fault       kind, target, phase (begin or end)
exit        process, code, reason: a process that ended though nobody had told it to
reported    document, epoch, first, last: what coedit itself says is lost; the epoch is the one that began since
==========  =========================================================================================

and at the end, when all faults are healed:

==========  =========================================================================================
stuck       client, document, revision, saved: not settled within the deadline
replica     client, document, revision, content
document    document, head, mac
served      document, revision, content: what a gateway answers over HTTP
commit      document, epoch, revision, id, sequence, mac, holds, delta: from the log or the archive
forked      document, revision: stored twice, and not the same
snapshot    document, number, revision, content, yjs: the newest one, rendered and as Yjs shows it
unreadable  document, error: what is stored of it cannot be read
quarantined document, damage: marked as damaged
leaked      connections, counted, clients, error: more connections than clients, when all others had gone
==========  =========================================================================================

``id`` is the client id that the server knows; ``client`` is the name of a person's program in this run; ``me``, with
all that moves a replica, is the client id that it has at the time.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class History:
    """Records in order, kept in memory and in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []
        self._began_at = time.monotonic()
        self._file = path.open("w")

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began_at

    def add(self, what: str, **fields: Any) -> None:
        """Write a record, with the time."""
        record = {"what": what, "at": round(self.now, 4), **fields}
        self.records.append(record)
        self._file.write(json.dumps(record) + "\n")

    def close(self) -> None:
        """End the file."""
        self._file.close()


def read_history(path: Path) -> Iterator[Record]:
    """Yield the records of a file."""
    with path.open() as file:
        for line in file:
            yield json.loads(line)
