"""Finds out what snapshots cover of what this transformer keeps, and asks for those that it cannot wait for."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, Revision
from coedit.store.documents.log import DocumentLog
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes
from coedit.store.writes.folds import FoldScripts
from services.transformer.metrics import HURRIED
from services.transformer.recovery.unsaved import Remembered, Unsaved

_LOOK_SECONDS = 1.0
_PAGE = 500

_Job = tuple[Shard, Callable[[], Awaitable[None]]]
"""What is to be asked about documents of a shard."""


class Saved:
    """Looks after what the consumers keep; ``on_lost`` is told of what Redis turns out to have no more."""

    def __init__(
        self,
        nodes: Nodes,
        log: DocumentLog,
        scripts: FoldScripts,
        consumers: Callable[[], Iterable[Unsaved]],
        on_lost: Callable[[Sequence[Remembered]], None],
    ) -> None:
        self._nodes = nodes
        self._log = log
        self._scripts = scripts
        self._consumers = consumers
        self._on_lost = on_lost

    async def step(self) -> None:
        """Look once, some time after the last look; trouble with one node or shard keeps from looking at no other.

        Raises:
            RedisError, OSError: Redis cannot tell now, of some shards at least.
        """
        await asyncio.sleep(_LOOK_SECONDS)
        consumers = list(self._consumers())
        failures = await self._do([job for unsaved in consumers for job in self._looks(unsaved)])
        failures += await self._do([job for unsaved in consumers for job in self._hurries(unsaved)])
        if failures:
            raise failures[0]

    def _looks(self, unsaved: Unsaved) -> list[_Job]:
        heads = unsaved.heads()
        by_shard: dict[Shard, list[DocumentId]] = defaultdict(list)
        for document_id in heads:
            by_shard[self._log.shard(document_id)].append(document_id)
        return [
            (shard, partial(self._look, unsaved, shard, names[first : first + _PAGE], heads))
            for shard, names in by_shard.items()
            for first in range(0, len(names), _PAGE)
        ]

    def _hurries(self, unsaved: Unsaved) -> list[_Job]:
        return [
            (self._log.shard(document_id), partial(self._hurry, document_id))
            for document_id in unsaved.pressing()
        ]

    async def _do(self, jobs: Sequence[_Job]) -> list[Exception]:
        """Do what is to be done on each node, side by side; return the trouble that there was."""
        of_shards: dict[Shard, list[_Job]] = defaultdict(list)
        for job in jobs:
            of_shards[job[0]].append(job)
        placed = self._nodes.by_node(of_shards)
        on_nodes = [[job for shard in shards for job in of_shards[shard]] for shards in placed.values()]
        return [error for errors in await asyncio.gather(*map(_do_on_one, on_nodes)) for error in errors]

    async def _hurry(self, document_id: DocumentId) -> None:
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
        for document_id in tuple(lost):
            deletion = await self._log.deletion(document_id)
            if deletion is not None and deletion.is_final:
                unsaved.forget(document_id)
                lost.remove(document_id)
        if lost:
            self._on_lost(unsaved.remembered(lost))


async def _do_on_one(jobs: Iterable[_Job]) -> list[Exception]:
    """Do what is to be done on one node; return the trouble that there was."""
    failures: list[Exception] = []
    for _, do in jobs:
        try:
            await do()
        except (RedisConnectionError, RedisTimeoutError) as error:
            return [*failures, error]  # it would be waited for as long for each of the others
        except TROUBLE as error:
            failures.append(error)
    return failures
