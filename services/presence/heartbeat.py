"""The rosters of one shard, as the reports of gateways make them."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator

from coedit.errors import ForbiddenError, ProtocolError
from coedit.identifiers import DocumentId
from coedit.presence.roster import Changes, Roster
from coedit.store.keys import Shard, shard_of
from coedit.store.presence.keeper import Entry, StoredShard
from coedit.store.presence.reports import Alive, Left, Place, Report, Seen, decode_report
from services.presence import metrics

logger = logging.getLogger(__name__)


class ShardRosters:
    """Who is where in the documents of one shard, and how far its reports were read.

    It is only a copy of what Redis holds: whoever doubts it throws it away and loads the shard again.
    """

    def __init__(self, shard: Shard, shard_count: int, stored: StoredShard, ttl_ms: int) -> None:
        self.shard = shard
        self.kept_position = stored.position
        """What Redis has."""
        self.position = stored.position
        """Of the last report that the rosters hold."""
        self._shard_count = shard_count
        self._rosters: dict[DocumentId, Roster] = defaultdict(lambda: Roster(ttl_ms))
        self._touched: set[DocumentId] = set()
        self._put_off: set[DocumentId] = set()
        for document_id, stays in stored.stays.items():
            for client, stay in stays.items():
                self._rosters[document_id].restore(client, stay)
            self._touched.add(document_id)

    def __len__(self) -> int:
        return sum(len(roster) for roster in self._rosters.values())

    def take(self, entries: Iterable[Entry]) -> None:
        """Take over reports, in order; what is not a report of this shard is counted and passed over."""
        refused: list[tuple[str, str]] = []
        for entry in entries:
            try:
                report = _decoded(entry)
                self._apply(report, entry.at_ms)
                metrics.REPORTS.labels(type(report).__name__.lower()).inc()
            except Exception as error:  # noqa: BLE001 - one entry must never stop the shard
                refused.append((entry.entry_id, repr(error)))
            self.position = entry.entry_id
        if refused:
            _tell_refused(self.shard, refused)

    def expire(self, overdue: Iterable[Place], now_ms: int) -> None:
        """End the presence of ``overdue``, as far as they gave no later sign of life."""
        for client, document_id in overdue:
            roster = self._rosters[document_id]
            metrics.EXPIRED.inc(roster.expire(now_ms))
            if client not in roster:
                # Redis still has it, whatever became of it here: it is removed there, and said to have left.
                roster.restore(client, None)
            self._touched.add(document_id)

    def take_changes(self) -> Iterator[tuple[DocumentId, Changes]]:
        """Yield what changed in each document since the last call."""
        touched, self._touched = self._touched, set()
        for document_id in touched:
            if changes := self._rosters[document_id].take_changes():
                yield document_id, changes
            if not self._rosters[document_id]:
                del self._rosters[document_id]

    def give_back(self, document_id: DocumentId, changes: Changes) -> None:
        """Take back changes that could not be stored; `take_changes` yields them again after `retry`."""
        self._rosters[document_id].give_back(changes)
        self._put_off.add(document_id)

    def retry(self) -> None:
        """Let what was given back be tried again."""
        self._touched |= self._put_off
        self._put_off.clear()

    def _apply(self, report: Report, at_ms: int) -> None:
        match report:
            case Seen(document_id, presence):
                self._roster(document_id).report(presence, at_ms)
            case Alive(places):
                for client, document_id in places:
                    # Whoever is not known is reported again: `PresenceStore.alive` told its gateway.
                    self._roster(document_id).alive(client, at_ms)
            case Left(gateway, places):
                for client, document_id in places:
                    self._roster(document_id).leave(client, gateway)

    def _roster(self, document_id: DocumentId) -> Roster:
        if shard_of(document_id, self._shard_count) != self.shard:
            # Its keys would lie on another node, beyond this shard's lease.
            raise ForbiddenError("the document belongs to another shard")
        self._touched.add(document_id)
        return self._rosters[document_id]


def _decoded(entry: Entry) -> Report:
    if entry.packed is None:
        raise ProtocolError("the entry holds no report")
    return decode_report(entry.packed)


def _tell_refused(shard: Shard, refused: list[tuple[str, str]]) -> None:
    metrics.REPORTS.labels("refused").inc(len(refused))
    # One line a tick, however many there are: whoever sends garbage must not fill the logs too.
    entry_id, error = refused[0]
    facts = {"event": "reports-refused", "shard": shard.number, "count": len(refused)}
    logger.warning("reports were passed over", extra=facts | {"entry_id": entry_id, "error": error})
