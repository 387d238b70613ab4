"""What a snapshotter writes to Redis: three scripts, each of which compares before it writes."""

from typing import Literal

from redis.asyncio import Redis

from coedit.identifiers import DocumentId, Revision
from coedit.protocol.events import SnapshotStored, encode_events
from coedit.store.keys import shard_of
from coedit.store.scripts import source
from coedit.store.snapshots import Snapshot

Noted = Literal["stored", "known", "stale"]
Trimmed = Literal["trimmed", "fenced", "stale", "refused"]

_REPLICATION_MS = 2000


class FoldScripts:
    """Runs the scripts; ``token`` is the one by which this process holds its shards."""

    def __init__(self, redis: Redis, token: str, shard_count: int) -> None:
        self._redis = redis
        self._token = token
        self._shard_count = shard_count
        self._note = redis.register_script(source("snapshot_stored.lua"))
        self._trim = redis.register_script(source("trim.lua"))
        self._settle = redis.register_script(source("settle.lua"))

    async def await_replicas(self, count: int) -> None:
        """Return once ``count`` replicas have all that Redis has now.

        A snapshot must not hold what a failover could still take back.

        Raises:
            TimeoutError: they do not have it within two seconds.
            RedisError: Redis cannot be asked.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            # WAIT is about what was written before the last command of its own connection, whoever wrote it.
            pipe.ping()
            pipe.execute_command("WAIT", count, _REPLICATION_MS)
            _, reached = await pipe.execute()
        if reached < count:
            raise TimeoutError(f"{reached} of {count} replicas have what is to be folded")

    async def note(self, snapshot: Snapshot, epoch: int) -> Noted:
        """Set where the newest snapshot of a document in ``epoch`` is, never backwards, and announce it.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(snapshot.document_id, self._shard_count)
        message = encode_events([SnapshotStored(snapshot.revision)])
        answer = await self._note(
            keys=[shard.document(snapshot.document_id), shard.events(snapshot.document_id)],
            args=[epoch, snapshot.revision, snapshot.number, message],
        )
        noted: Noted = answer.decode()
        return noted

    async def trim(
        self, document_id: DocumentId, epoch: int, floor: Revision, new_floor: Revision
    ) -> Trimmed:
        """Take the revisions up to ``new_floor``, which the archive holds, out of the log.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(document_id, self._shard_count)
        answer = await self._trim(
            keys=[shard.folder, shard.document(document_id), shard.log(document_id)],
            args=[self._token, epoch, floor, new_floor],
        )
        trimmed: Trimmed = answer.decode()
        return trimmed

    async def settle(self, document_id: DocumentId) -> bool:
        """Take a document off the list of changed ones, unless there are commits above its snapshot.

        Raises:
            RedisError: Redis may or may not have done it; doing it again is harmless.
        """
        shard = shard_of(document_id, self._shard_count)
        answer = await self._settle(keys=[shard.document(document_id), shard.changed], args=[document_id])
        return bool(answer)
