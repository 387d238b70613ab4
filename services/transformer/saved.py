"""Finds out what snapshots cover of what this transformer keeps, and asks for those that it cannot wait for."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.store.document_log import DocumentLog
from coedit.store.fold_scripts import FoldScripts
from coedit.store.keys import Shard
from services.transformer.metrics import HURRIED
from services.transformer.unsaved import Remembered, Unsaved

_LOOK_SECONDS = 1.0
_PAGE = 500


class Saved:
    """Looks after what the consumers keep; ``on_lost`` is told of what Redis turns out to have no more."""

    def __init__(
        self,
        log: DocumentLog,
        scripts: FoldScripts,
        consumers: Callable[[], Iterable[Unsaved]],
        on_lost: Callable[[Sequence[Remembered]], None],
    ) -> None:
        self._log = log
        self._scripts = scripts
        self._consumers = consumers
        self._on_lost = on_lost

    async def step(self) -> None:
        """Look once, some time after the last look.

        Raises:
            RedisError, OSError: Redis cannot tell now.
        """
        await asyncio.sleep(_LOOK_SECONDS)
        for unsaved in list(self._consumers()):
            heads = unsaved.heads()
            by_shard: dict[Shard, list[DocumentId]] = {}
            for document_id in heads:
                by_shard.setdefault(self._log.shard(document_id), []).append(document_id)
            for shard, names in by_shard.items():
                for first in range(0, len(names), _PAGE):
                    await self._look(unsaved, shard, names[first : first + _PAGE], heads)
            for document_id in unsaved.pressing():
                HURRIED.inc(int(await self._scripts.hurry(document_id)))

    async def _look(
        self,
        unsaved: Unsaved,
        shard: Shard,
        names: Sequence[DocumentId],
        heads: Mapping[DocumentId, Revision],
    ) -> None:
        positions = await self._log.positions(shard, names)
        lost = [
            document_id
            for document_id, position in zip(names, positions, strict=True)
            if not isinstance(position, DamagedError)
            and unsaved.covered(document_id, position, heads[document_id])
        ]
        if lost:
            self._on_lost(unsaved.remembered(lost))
