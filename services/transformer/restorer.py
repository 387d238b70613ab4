"""Puts one document at a time where the stores and its donations lead, and says what of it is lost."""

import logging
from collections.abc import Callable
from dataclasses import replace

from coedit.errors import RevisionTooOldError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.protocol.donations import Chain, Donations
from coedit.protocol.events import Committed, EpochBegun, Event
from coedit.protocol.history import follow
from coedit.protocol.log_entry import ChainKey, decode_commit, encode_commit
from coedit.store.document_log import Position
from coedit.store.documents import DocumentReader, LoadedDocument
from coedit.store.offers_stream import Seen
from coedit.store.restore_script import Restoration, RestoreScript
from services.transformer.metrics import LOST, RESTORED

logger = logging.getLogger(__name__)

_ATTEMPTS = 5


class Restorer:
    """Writes by ``script``; ``incarnation`` tells that of a document's shard."""

    def __init__(
        self,
        reader: DocumentReader,
        script: RestoreScript,
        chain_key: ChainKey,
        incarnation: Callable[[DocumentId], str],
    ) -> None:
        self._reader = reader
        self._script = script
        self._chain_key = chain_key
        self._incarnation = incarnation

    async def restore(self, document_id: DocumentId, donations: Donations) -> LoadedDocument:
        """Put a document as far as the stores and its donations lead; return where that is.

        Raises:
            UnavailableError: it changes all the time.
            CoeditError, RedisError, OSError: it cannot be known where the document stands.
        """
        for _ in range(_ATTEMPTS):
            loaded = await self._reader.load_furthest(document_id)
            await self._add_archived(document_id, loaded, donations)
            given = donations.after(loaded.revision, loaded.mac)
            if await self._write(document_id, loaded, given):
                return loaded if not given else _behind(loaded, given[-1])
        raise UnavailableError("the document changes while it is restored")

    async def begin_epoch_if_lost(self, seen: Seen, donations: Donations) -> None:
        """Give up what somebody saw and nobody has given back: the document goes on without it, in another epoch.

        Raises as `restore` does.
        """
        document_id = seen.document_id
        loaded = await self.restore(document_id, donations)
        for _ in range(_ATTEMPTS):
            if seen.epoch < loaded.epoch or seen.revision <= loaded.revision:
                return
            if await self._begin_epoch(document_id, loaded, seen.epoch, loaded.revision + 1, seen.revision):
                return
            loaded = await self._reader.load_furthest(document_id)
        raise UnavailableError("the document changes while what was lost of it is given up")

    async def begin_epoch_if_forked(self, document_id: DocumentId, donations: Donations) -> None:
        """Give up what was given back too late: the document has gone on without it, in the same epoch.

        That it has is certain: what was given is genuine, and another commit stands in its place.

        Raises as `restore` does.
        """
        chains = donations.chains()
        if not chains:
            return
        for _ in range(_ATTEMPTS):
            loaded = await self._reader.load_furthest(document_id)
            parted: list[tuple[Revision, Commit]] = []
            for chain in chains:
                newest = chain.commits[-1]
                if (
                    newest.epoch >= loaded.epoch
                    and (first := await self._parts_at(loaded, chain)) is not None
                ):
                    parted.append((first, newest))
            if not parted:
                return
            first, last = min(first for first, _ in parted), max(newest.revision for _, newest in parted)
            epoch = max(newest.epoch for _, newest in parted)
            if await self._begin_epoch(document_id, loaded, epoch, first, last):
                return
        raise UnavailableError("the document changes while what was lost of it is given up")

    async def _add_archived(
        self, document_id: DocumentId, loaded: LoadedDocument, donations: Donations
    ) -> None:
        """The archive is a donor too: it is written before the snapshot that covers the same."""
        archived = await self._reader.archived_above(document_id, loaded.revision)
        if archived:
            commits = list(follow(document_id, archived, loaded.revision, loaded.mac, self._chain_key))
            donations.add(commits, loaded.mac)

    async def _write(self, document_id: DocumentId, loaded: LoadedDocument, given: list[Commit]) -> bool:
        stored, incarnation = loaded.stored, self._incarnation(document_id)
        is_behind = stored is None or stored.head < loaded.revision
        if not given and (stored is None and loaded.revision == 0):
            return True  # a document that nobody ever wrote
        if not given and not is_behind and stored is not None and stored.incarnation == incarnation:
            return True
        if stored is not None and is_behind:
            await self._reader.archive_tail(document_id, stored)
        after = replace(_position(loaded, given), incarnation=incarnation)
        entries = tuple(encode_commit(commit) for commit in given)
        events: tuple[Event, ...] = (Committed(entries),) if entries else ()
        restoration = Restoration(document_id, stored, after, entries, drops_log=is_behind, events=events)
        answer = await self._script.run(self._reader.shard(document_id), restoration)
        if answer == "restored" and (given or (stored is not None and is_behind)):
            RESTORED.inc(len(given))
            facts = {"event": "restored", "document_id": document_id, "revision": after.head}
            logger.info("a document is back", extra=facts | {"given": len(given)})
        return answer == "restored"

    async def _begin_epoch(
        self, document_id: DocumentId, loaded: LoadedDocument, ended: int, first: int, last: int
    ) -> bool:
        """Begin an epoch above ``ended`` where the document stands; the revisions ``first`` to ``last`` are lost."""
        # The beginning of the epoch that ends may be lost as well: its number is not given twice.
        epoch = max(loaded.epoch, ended) + 1
        after = replace(
            _position(loaded, []),
            epoch=epoch,
            incarnation=self._incarnation(document_id),
            lost=f"{first}-{last}",
        )
        event = EpochBegun(epoch, Revision(first - 1), after.mac, Revision(last))
        restoration = Restoration(document_id, loaded.stored, after, events=(event,))
        answer = await self._script.run(self._reader.shard(document_id), restoration)
        if answer == "restored":
            LOST.inc(last - first + 1)
            facts = {"event": "lost", "document_id": document_id, "epoch": epoch}
            logger.error("revisions are lost", extra=facts | {"first": first, "last": last})
        return answer != "stale"

    async def _parts_at(self, loaded: LoadedDocument, chain: Chain) -> Revision | None:
        """Return the first revision that is another commit in ``chain`` than in the document; None: none is known."""
        newest = min(chain.commits[-1].revision, loaded.revision)
        theirs = {revision: mac for revision, mac in chain.macs() if 1 <= revision <= newest}
        if newest not in theirs:
            return None
        ours = await self._macs(loaded, chain.document_id, newest, newest)
        if ours.get(newest, theirs[newest]) == theirs[newest]:
            return None
        ours |= await self._macs(loaded, chain.document_id, min(theirs), newest)
        return min(Revision(revision) for revision, mac in ours.items() if mac != theirs[Revision(revision)])

    async def _macs(
        self, loaded: LoadedDocument, document_id: DocumentId, first: int, last: int
    ) -> dict[int, str]:
        """Return the document's macs of these revisions; none where one of them is kept nowhere."""
        if first == loaded.revision:
            return {first: loaded.mac}
        try:
            commits = map(decode_commit, await self._reader.entries(document_id, first, last))
        except RevisionTooOldError:
            return {}
        return {commit.revision: commit.mac for commit in commits}


def _position(loaded: LoadedDocument, given: list[Commit]) -> Position:
    head, mac = (given[-1].revision, given[-1].mac) if given else (loaded.revision, loaded.mac)
    epoch = given[-1].epoch if given else loaded.epoch
    lost = loaded.stored.lost if loaded.stored is not None and loaded.stored.epoch == epoch else ""
    declared = [Bridge.declared(commit.revision, commit.bridge) for commit in given if commit.bridge]
    bridge = declared[-1] if declared else loaded.bridge
    return Position(
        epoch, Revision(head), mac, loaded.floor, loaded.snapshot, loaded.number, lost=lost, bridge=bridge
    )


def _behind(loaded: LoadedDocument, last: Commit) -> LoadedDocument:
    return replace(loaded, epoch=last.epoch, revision=last.revision, mac=last.mac)
