"""What is written to Redis about snapshots: scripts, each of which compares before it writes."""

from typing import Literal

from coedit.identifiers import DocumentId, Revision
from coedit.protocol.events import SnapshotStored, encode_events
from coedit.protocol.webhooks.events import DocumentSnapshotted, packed
from coedit.store.documents.log import Position
from coedit.store.keys import shard_of
from coedit.store.objects.snapshots import Snapshot
from coedit.store.objects.spans import folder
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script

Noted = Literal["stored", "known", "stale"]
Trimmed = Literal["trimmed", "fenced", "stale", "refused"]
Evicted = Literal["evicted", "fenced", "stale", "kept"]


class FoldScripts:
    """Runs the scripts; ``token`` is the one by which this process holds its shards."""

    def __init__(self, nodes: Nodes, token: str, shard_count: int) -> None:
        self._nodes = nodes
        self._token = token
        self._shard_count = shard_count
        self._note = Script("snapshot_stored.lua")
        self._trim = Script("trim.lua")
        self._settle = Script("settle.lua")
        self._evict = Script("evict.lua")
        self._hurry = Script("hurry.lua")

    async def note(self, snapshot: Snapshot, epoch: int) -> Noted:
        """Set where the newest snapshot of a document in ``epoch`` is, never backwards, and announce it.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(snapshot.document_id, self._shard_count)
        message = encode_events([SnapshotStored(snapshot.revision)])
        event = DocumentSnapshotted(document=snapshot.document_id, epoch=epoch, revision=snapshot.revision)
        answer = await self._note.run(
            self._nodes.at(shard),
            [
                shard.document(snapshot.document_id),
                shard.events(snapshot.document_id),
                shard.log(snapshot.document_id),
                shard.happened,
                shard.fresh,
            ],
            [epoch, snapshot.revision, snapshot.number, message, packed(event), folder(snapshot.document_id)],
        )
        noted: Noted = answer.decode()
        return noted

    async def hurry(self, document_id: DocumentId) -> bool:
        """Ask whoever makes snapshots for one of a document at its head; return whether Redis has the document.

        Raises:
            RedisError: Redis may or may not have taken note; asking again is harmless.
        """
        shard = shard_of(document_id, self._shard_count)
        keys = [shard.document(document_id), shard.changed]
        return bool(await self._hurry.run(self._nodes.at(shard), keys, [document_id]))

    async def trim(
        self, document_id: DocumentId, epoch: int, floor: Revision, new_floor: Revision
    ) -> Trimmed:
        """Take the revisions up to ``new_floor``, which the archive holds, out of the log.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(document_id, self._shard_count)
        answer = await self._trim.run(
            self._nodes.at(shard),
            [shard.folder, shard.document(document_id), shard.log(document_id)],
            [self._token, epoch, floor, new_floor],
        )
        trimmed: Trimmed = answer.decode()
        return trimmed

    async def settle(self, document_id: DocumentId, *, is_told: bool = False) -> bool:
        """Take a document off the list of changed ones, unless there are commits above its snapshot.

        With ``is_told`` it also stays until applications have been told of all of them.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(document_id, self._shard_count)
        keys = [shard.document(document_id), shard.changed, shard.idle]
        answer = await self._settle.run(self._nodes.at(shard), keys, [document_id, int(is_told)])
        return bool(answer)

    async def evict(self, document_id: DocumentId, position: Position, idle_before_ms: int) -> Evicted:
        """Take a document out of Redis that the object store was found to hold whole at ``position``, if it is idle.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(document_id, self._shard_count)
        keys = [shard.folder, shard.document(document_id), shard.log(document_id)]
        answer = await self._evict.run(
            self._nodes.at(shard),
            [*keys, shard.changed, shard.idle, shard.damaged],
            [self._token, document_id, position.epoch, position.head, position.number, idle_before_ms],
        )
        evicted: Evicted = answer.decode()
        return evicted
