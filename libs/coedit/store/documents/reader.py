"""A document at its head, put together from Redis and the object store."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from coedit.errors import BehindSnapshotError, CoeditError, DamagedError, UnavailableError
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.protocol.history import read_entry
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.commits import CommitReader, OnUnchecked, beside
from coedit.store.documents.loaded import EMPTY, LoadedDocument, from_snapshot
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.walk import Walk
from coedit.store.keys import Shard
from coedit.store.objects.archive import Archive
from coedit.store.objects.snapshots import Snapshot, Snapshots

_ATTEMPTS = 5
_PAGE = 500


class DocumentReader:
    """Reads whole documents. ``chain_key``, if given, checks the MAC chain of every commit read.

    ``on_unchecked`` is told of revisions that are handed out, and could not be checked; it may be called in a thread.
    """

    def __init__(
        self,
        log: DocumentLog,
        snapshots: Snapshots,
        archive: Archive,
        chain_key: ChainKey | None = None,
        on_unchecked: OnUnchecked | None = None,
    ) -> None:
        self.commits = CommitReader(log, archive, chain_key, on_unchecked)
        """The same documents' commits by themselves."""
        self._log = log
        self._snapshots = snapshots
        self._archive = archive
        self._chain_key = chain_key

    async def ended(self, document_id: DocumentId) -> list[ClientId]:
        """Return the clients that were definitely rejected in a document, the latest last."""
        return await self._log.ended(document_id)

    def shard(self, document_id: DocumentId) -> Shard:
        """Return the shard that a document belongs to."""
        return self._log.shard(document_id)

    async def refuse_deleted(self, document_id: DocumentId) -> None:
        """Refuse whoever wants a document that is in the trash, or erased, as far as Redis knows.

        What Redis has forgotten is no document that it holds, and is looked up where that is read.

        Raises:
            DeletedError: it is.
            RedisError, OSError: Redis cannot tell now.
        """
        deletion = await self._log.deletion(document_id)
        if deletion is not None:
            deletion.refuse()

    async def refuse_erased(self, document_id: DocumentId) -> None:
        """Refuse to put together again what was erased, whatever Redis has lost.

        Raises:
            DeletedError: it was.
            DamagedError, ObjectStoreError: that cannot be known now.
        """
        newest = await self._snapshots.deletions.newest(document_id)
        if newest is not None and newest.is_final:
            newest.refuse()

    async def load(self, document_id: DocumentId, known: LoadedDocument | None = None) -> LoadedDocument:
        """Return the document at its head; from ``known`` on, where that saves reading.

        Raises:
            DeletedError: it is in the trash, or erased.
            DamagedError: what is stored does not fit together.
            BehindSnapshotError: Redis lost something.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        await self.refuse_deleted(document_id)
        loaded = await self._load(document_id, known)
        if loaded.stored is None:  # then Redis may have forgotten of it as well
            await self._snapshots.deletions.refuse(document_id)
        return loaded

    async def _load(self, document_id: DocumentId, known: LoadedDocument | None = None) -> LoadedDocument:
        before: Position | None = None
        for _ in range(_ATTEMPTS):
            position = await self._log.position(document_id)
            if position is None:
                return await self._evicted(document_id)
            start = await self._start(document_id, position, known)
            is_behind = start.revision > position.head
            if not is_behind:
                entries = await self._log.read(document_id, start.revision + 1, position.head)
                if len(entries) == position.head - start.revision:
                    try:
                        return await beside(entries, partial(self._advance, document_id, start, position))
                    except DamagedError:
                        if start is not known:
                            raise
                        # What was known may be of a history that is no more.
                        known = None
                        continue
            if position == before:
                raise _stuck(is_behind, position)
            # The log was trimmed, or a snapshot was made, between two reads.
            before, known = position, None
        raise UnavailableError("the document changes while it is read")

    async def where(self, document_id: DocumentId) -> LoadedDocument | Position:
        """Return where a document stands, as Redis has it or as it was left; its text is not unpacked.

        Raises:
            DamagedError: that cannot be told.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        return await self._log.position(document_id) or await self._evicted(document_id)

    async def load_readable(
        self, document_id: DocumentId, known: LoadedDocument | None = None
    ) -> tuple[LoadedDocument, DamagedError | None]:
        """Return the document, and what is wrong with it: then it is at the last revision that can be vouched for.

        Raises:
            BehindSnapshotError: Redis lost something.
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        try:
            return await self.load(document_id, known), None
        except DamagedError as damage:
            return await self._salvage(document_id), damage

    async def verify(self, document_id: DocumentId, first: int) -> None:
        """Read the document, and its history from revision ``first`` on, as if nothing of it were known.

        Raises:
            DamagedError: what is stored does not fit together.
            RedisError, OSError, CoeditError: it cannot be known.
        """
        loaded = await self.load(document_id)
        stored = loaded.stored
        floor = 0 if stored is None else stored.floor
        if stored is not None:
            # Whoever reads makes do with what the archive has as well; whoever commits does not.
            entries = await self._log.read(document_id, floor + 1, stored.head)
            if len(entries) != stored.head - floor:
                raise DamagedError("the log does not reach from its floor to the head", "log", stored.head)
        start = max(1, min(first, floor + 1))
        while start <= loaded.revision:
            commits, _ = await self.commits.history(
                document_id, start, min(start + _PAGE - 1, loaded.revision)
            )
            start += len(commits)

    async def load_furthest(self, document_id: DocumentId) -> LoadedDocument:
        """Return the document where it is known to have come to, be that by Redis or by a snapshot alone.

        For a Redis that may have lost what came last, in the trash or not; raises as `load` does.
        """
        position = await self._log.position(document_id)
        if position is None:
            return await self._evicted(document_id)
        snapshot = await self._newest(document_id)
        if snapshot.revision > position.head:
            return replace(snapshot, stored=position)
        return await self._load(document_id)

    async def snapshot_above(self, document_id: DocumentId, revision: Revision) -> Snapshot | None:
        """Return the newest snapshot, if it is of a later revision; only one that Redis does not know of is read.

        Raises:
            DamagedError, RedisError, OSError, ObjectStoreError: it cannot be known now.
        """
        position = await self._log.position(document_id)
        numbers = await self._snapshots.numbers(document_id)
        if not numbers or (position is not None and numbers[-1] <= position.number):
            return None
        snapshot = await self._snapshots.newest(document_id)
        return snapshot if snapshot is not None and snapshot.revision > revision else None

    async def holds(self, document_id: DocumentId, stored: Position) -> bool:
        """Return whether a document is there as far as it was known to be ``stored``, by the same history, or erased.

        In Redis, or, where it may have been evicted, in its snapshot.

        Raises:
            DamagedError: that cannot be told.
            RedisError, OSError, ObjectStoreError: a store cannot be asked now.
        """
        deletion = await self._log.deletion(document_id)
        if deletion is not None and deletion.is_final:
            return True  # nothing of it is missed
        position = await self._log.position(document_id)
        if position is None:
            newest = await self._snapshots.newest(document_id)
            known = (stored.epoch, stored.head, stored.mac)
            return newest is not None and (newest.epoch, newest.revision, newest.mac) == known
        if position.epoch != stored.epoch or position.head < stored.head:
            return False
        entries = await self._log.read(document_id, stored.head, stored.head)
        # What was trimmed is covered by a snapshot.
        return not entries or read_entry(entries[0], stored.head).mac == stored.mac

    async def _evicted(self, document_id: DocumentId) -> LoadedDocument:
        """Return a document that Redis has no position of: a new one, or one that was evicted whole."""
        loaded = await self._newest(document_id)
        # A position that is gone while its log is there, or while the document waits for a snapshot, was not evicted.
        if await self._log.left_behind(document_id) and await self._log.position(document_id) is None:
            raise DamagedError(
                "the position in Redis is gone, and the log or the list of changes is not", "position"
            )
        # History is archived before the snapshot that covers it.
        above = await self.commits.archived_above(document_id, loaded.revision)
        if not above:
            return loaded
        walk = Walk(document_id, loaded, self._chain_key)
        await beside(above, walk.take)
        return replace(self._reached(walk, None), floor=walk.revision)

    async def _newest(self, document_id: DocumentId, at_least: int = 0) -> LoadedDocument:
        snapshot = await self._snapshots.newest(document_id)
        if at_least > (snapshot.number if snapshot else 0):
            raise DamagedError(f"snapshot {at_least} is noted in Redis, and is not there", "object")
        return EMPTY if snapshot is None else from_snapshot(snapshot)

    async def _start(
        self, document_id: DocumentId, position: Position, known: LoadedDocument | None
    ) -> LoadedDocument:
        if (
            known is not None
            and known.epoch == position.epoch
            and position.floor <= known.revision <= position.head
        ):
            return known
        if position.number == 0:
            return EMPTY
        return await self._newest(document_id, position.number)

    def _advance(
        self, document_id: DocumentId, start: LoadedDocument, position: Position, entries: Sequence[bytes]
    ) -> LoadedDocument:
        walk = Walk(document_id, start, self._chain_key)
        walk.take(entries)
        if walk.mac != position.mac:
            raise DamagedError(
                "the history ends in another mac than the position in Redis names", "chain", position.head
            )
        return self._reached(walk, position)

    async def _salvage(self, document_id: DocumentId) -> LoadedDocument:
        """Return a damaged document at the last revision that can be vouched for."""
        position = await self._sound_position(document_id)
        walk = Walk(document_id, await self._newest_sound(document_id), self._chain_key)
        while position is None or walk.revision < position.head:
            before = walk.revision
            count = _PAGE if position is None else min(_PAGE, position.head - before)
            for read in (self._log.run_from, self._archive.run_from):
                with suppress(DamagedError):
                    await beside(await read(document_id, before + 1, count), walk.take)
                if walk.revision > before:
                    break
            else:
                break
        return self._reached(walk, position)

    def _reached(self, walk: "Walk", position: Position | None) -> LoadedDocument:
        self.commits.tell_unchecked(walk.document_id, walk.unchecked)
        return walk.reached(position)

    async def _sound_position(self, document_id: DocumentId) -> Position | None:
        try:
            return await self._log.position(document_id)
        except DamagedError:
            return None

    async def _newest_sound(self, document_id: DocumentId) -> LoadedDocument:
        for number in reversed(await self._snapshots.numbers(document_id)):
            with suppress(DamagedError):
                snapshot = await self._snapshots.read(document_id, number)
                if snapshot is not None:
                    snapshot.rendered.delta  # noqa: B018 - it is sound if that can be unpacked as well
                    return from_snapshot(snapshot)
        return EMPTY


def _stuck(is_behind: bool, position: Position) -> CoeditError:
    """Return what is wrong where two readings in a row found the same, and what they found does not meet."""
    if is_behind:
        return BehindSnapshotError("Redis is behind the newest snapshot")
    return DamagedError("the log does not reach from the newest snapshot to the head", "log", position.head)
