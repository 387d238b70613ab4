"""Takes away all that is stored of a document: what lies under its name, and what waits in the streams of its shard.

Everything here may be done again, and by several at once. What comes late (an edit on its way, an offer, an object of
whoever began before) is not taken, or is taken away by the next time that it is done.
"""

import re
from collections.abc import Callable
from typing import cast

import msgpack

from coedit.identifiers import DocumentId
from coedit.store.keys import Shard
from coedit.store.objects.object_store import ObjectStore
from coedit.store.objects.spans import folder
from coedit.store.redis.stream_pages import pages
from coedit.store.redis.topology import Nodes
from coedit.store.scripts import Script
from coedit.store.streams.offers import OffersStream

_SCAN_COUNT = 1000
_DEL_AT_ONCE = 500
_SPECIAL = re.compile(r"([*?\[\]\\^-])")


class Erasure:
    """Of documents that it was decided to erase; ``shard_of`` says where each lies."""

    def __init__(self, nodes: Nodes, shard_of: Callable[[DocumentId], Shard], objects: ObjectStore) -> None:
        self._nodes = nodes
        self._shard_of = shard_of
        self._objects = objects
        self._offers = OffersStream(nodes)
        self._erase = Script("erase.lua")

    async def erase(self, document_id: DocumentId) -> int:
        """Take away all that is stored of a document; return how much that was: keys, entries and objects.

        Raises:
            RedisError, OSError, ObjectStoreError: some of it may be left.
        """
        shard = self._shard_of(document_id)
        count = await self._from_keys(shard, document_id)
        count += await self._offers.forget_document(shard, document_id)
        count += await self._from_refused(shard, document_id)
        await self._drop_dealt_with(shard)
        keys = await self._objects.list(folder(document_id))
        await self._objects.delete_all(folder(document_id))
        return count + len(keys)

    async def _from_keys(self, shard: Shard, document_id: DocumentId) -> int:
        """Take away what lies under the document's name."""
        keys = [shard.document(document_id), shard.log(document_id), shard.ended(document_id)]
        keys += [shard.staged(document_id), shard.roster(document_id)]
        keys += await self._named(shard, document_id)
        members = [key.removeprefix(f"presence:{shard.tag}:") for key in keys if key.startswith("presence:")]
        count = 0
        for first in range(0, len(keys), _DEL_AT_ONCE):
            some = keys[first : first + _DEL_AT_ONCE]
            lists = [shard.deleted, shard.changed, shard.idle, shard.damaged, shard.fresh, shard.deadlines]
            erased = await self._erase.run(
                self._nodes.at(shard), [*lists, *some], [document_id, folder(document_id), *members]
            )
            count += max(0, int(erased))
        return count

    async def _named(self, shard: Shard, document_id: DocumentId) -> list[str]:
        """Return the keys that have something before the document's name, which has to be looked for."""
        redis, found = self._nodes.at(shard), list[str]()
        name = _SPECIAL.sub(r"\\\1", document_id)
        async for key in redis.scan_iter(match=f"*:{shard.tag}:*:{name}", count=_SCAN_COUNT):
            kind, _, rest = key.decode().split(":", 2)
            # Another document's name may end like this one's.
            if kind in ("asked", "tried", "presence") and rest.split(":", 1)[-1] == document_id:
                found.append(key.decode())
        return found

    async def _from_refused(self, shard: Shard, document_id: DocumentId) -> int:
        """Take away the entries that nobody could decode or decide, and that name the document."""
        redis, count = self._nodes.at(shard), 0
        name: bytes = msgpack.packb(document_id)
        async for page in pages(redis, shard.refused):
            its = [entry_id for entry_id, fields in page if any(name in value for value in fields.values())]
            count += await redis.xdel(shard.refused, *its) if its else 0
        return count

    async def _drop_dealt_with(self, shard: Shard) -> None:
        """Drop the reports of presence that were dealt with, and left to be dropped later; of edits none are."""
        redis = self._nodes.at(shard)
        dealt_with = cast("bytes | None", await redis.get(shard.position))
        if dealt_with is not None:
            await redis.xtrim(shard.reports, minid=dealt_with.decode(), approximate=False)
            await redis.xdel(shard.reports, dealt_with)
