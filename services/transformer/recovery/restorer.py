"""Puts one document at a time where the stores and its donations lead, and says what of it is lost."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from coedit.errors import DeletedError, QuarantinedError, RevisionTooOldError, UnavailableError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Commit
from coedit.protocol.events import Committed, EpochBegun, Event
from coedit.protocol.giving_back.donations import Chain, Donations
from coedit.protocol.history import follow, read_entry
from coedit.protocol.log_entry import ChainKey, encode_commit
from coedit.store.documents.loaded import LoadedDocument
from coedit.store.documents.log import Position
from coedit.store.documents.reader import DocumentReader
from coedit.store.streams.offers import Seen
from coedit.store.writes.restore import Restoration, RestoreScript
from services.transformer.metrics import LOST, RESTORED

logger = logging.getLogger(__name__)

_ATTEMPTS = 5


class _Ending(NamedTuple):
    """An epoch that ends, since its revisions ``first`` to ``last`` are lost; 0: none is."""

    epoch: int
    first: int
    last: int


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
            QuarantinedError: it is damaged.
            UnavailableError: it changes all the time.
            DeletedError: it was erased.
            CoeditError, RedisError, OSError: it cannot be known where the document stands.
        """
        await self._reader.refuse_erased(document_id)
        for _ in range(_ATTEMPTS):
            loaded = await self._reader.load_furthest(document_id)
            await self._add_archived(document_id, loaded, donations)
            given = donations.after(loaded.revision, loaded.mac, loaded.epoch)
            if await self._write(document_id, loaded, given):
                return loaded if not given else _behind(loaded, given[-1])
        raise UnavailableError("the document changes while it is restored")

    async def give_up(self, document_id: DocumentId, donations: Donations, seen: Seen | None = None) -> None:
        """Restore a document, and give up what it goes on without; that is reported, and another epoch begins.

        Lost is what somebody has ``seen`` above where it stands then, and what was given and cannot be put back: it is
        genuine, and another commit stands in its place.

        Raises as `restore` does.
        """
        loaded = await self.restore(document_id, donations)
        for _ in range(_ATTEMPTS):
            if await self._ending(loaded, donations, seen) is None:
                return
            # Where it stood before is not where it stands, if it was put somewhere; it may have been evicted since.
            loaded = await self.restore(document_id, donations)
            ending = await self._ending(loaded, donations, seen)
            if ending is None or await self._begin_epoch(document_id, loaded, ending):
                return
        raise UnavailableError("the document changes while what was lost of it is given up")

    async def _ending(
        self, loaded: LoadedDocument, donations: Donations, seen: Seen | None
    ) -> _Ending | None:
        """Return what epoch is at its end, and why; None: the document's goes on."""
        losses = [
            loss for chain in donations.chains() if (loss := await self._loss(loaded, chain)) is not None
        ]
        if seen is not None and seen.epoch >= loaded.epoch and seen.revision > loaded.revision:
            losses.append(_Ending(seen.epoch, loaded.revision + 1, seen.revision))
        if losses:
            return _Ending(
                max(loss.epoch for loss in losses),
                min(loss.first for loss in losses),
                max(loss.last for loss in losses),
            )
        if seen is None or seen.epoch <= loaded.epoch:
            return None
        # The beginning of an epoch alone is lost: it begins again, or, on another history, the one behind it does.
        ours = await self._macs(loaded, seen.document_id, seen.revision, seen.revision)
        return _Ending(seen.epoch - int(ours.get(seen.revision) == seen.mac), 0, 0)

    async def _loss(self, loaded: LoadedDocument, chain: Chain) -> _Ending | None:
        """Return what of a chain is lost; None: nothing is, or nothing that was not reported.

        Who comes second may know of more that was lost of the epoch that ended last.
        """
        newest = chain.commits[-1]
        stored = loaded.stored
        reported = stored.lost_revisions if stored is not None else None
        is_of_the_last = stored is not None and reported is not None and newest.epoch == stored.lost_epoch
        if newest.epoch < loaded.epoch and not is_of_the_last:
            return None
        first = await self._parts_at(loaded, chain)
        if first is None:
            return None
        if newest.epoch >= loaded.epoch or reported is None:
            return _Ending(newest.epoch, first, newest.revision)
        if reported[0] <= first and newest.revision <= reported[1]:
            return None
        return _Ending(newest.epoch, min(first, reported[0]), max(newest.revision, reported[1]))

    async def _add_archived(
        self, document_id: DocumentId, loaded: LoadedDocument, donations: Donations
    ) -> None:
        """The archive is a donor too: it is written before the snapshot that covers the same."""
        archived = await self._reader.commits.archived_above(document_id, loaded.revision)
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
            await self._reader.commits.archive_tail(document_id, stored)
        after = replace(_position(loaded, given), incarnation=incarnation)
        entries = tuple(encode_commit(commit) for commit in given)
        events: tuple[Event, ...] = (Committed(entries),) if entries else ()
        restoration = Restoration(document_id, stored, after, entries, drops_log=is_behind, events=events)
        answer = await self._script.run(self._reader.shard(document_id), restoration)
        if answer == "broken":
            raise QuarantinedError("the document is damaged, and takes no writes")
        if answer == "erased":
            raise DeletedError("the document was erased meanwhile")
        if answer == "restored" and (given or (stored is not None and is_behind)):
            RESTORED.inc(len(given))
            facts = {"event": "restored", "document_id": document_id, "revision": after.head}
            logger.info("a document is back", extra=facts | {"given": len(given)})
        return answer == "restored"

    async def _begin_epoch(self, document_id: DocumentId, loaded: LoadedDocument, ending: _Ending) -> bool:
        """Begin the epoch behind one that is at its end; False: the document is in another one by now."""
        epoch = max(loaded.epoch, ending.epoch) + 1
        lost = f"{ending.first}-{ending.last}-{ending.epoch}" if ending.last else ""
        after = replace(
            _position(loaded, []), epoch=epoch, incarnation=self._incarnation(document_id), lost=lost
        )
        event = EpochBegun(epoch, Revision(ending.first - 1), "", Revision(ending.last)) if lost else None
        ended = loaded.epoch if loaded.stored is not None else 0
        begun = await self._script.begin_epoch(
            self._reader.shard(document_id), document_id, ended, after, event
        )
        if begun == "broken":
            raise QuarantinedError("the document is damaged, and begins no epoch")
        if begun == "erased":
            raise DeletedError("the document was erased meanwhile")
        if begun == "begun" and lost:
            LOST.inc(ending.last - ending.first + 1 - _count_reported(loaded, ending))
            facts = {"event": "lost", "document_id": document_id, "epoch": epoch}
            logger.error("revisions are lost", extra=facts | {"first": ending.first, "last": ending.last})
        return begun != "stale"

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
            entries = await self._reader.commits.entries(document_id, first, last)
        except RevisionTooOldError:
            return {}
        return {revision: read_entry(entry, revision).mac for revision, entry in enumerate(entries, first)}


def _count_reported(loaded: LoadedDocument, ending: _Ending) -> int:
    stored = loaded.stored
    if stored is None or stored.lost_revisions is None or stored.lost_epoch != ending.epoch:
        return 0
    first, last = stored.lost_revisions
    return last - first + 1


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
