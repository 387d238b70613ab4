"""``coedit verify`` and ``coedit recover``: what an operator runs where the services run, with their settings."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from coedit.commands.server_doctor import DAMAGED, HEALTHY, read_settings
from coedit.doctor.examine import Examiner
from coedit.doctor.recover import Recoverer
from coedit.doctor.survey import all_documents, stored_documents
from coedit.doctor.verify import Verifier
from coedit.errors import CoeditError, UnavailableError
from coedit.identifiers import DocumentId, document_id
from coedit.protocol.log_entry import ChainKey
from coedit.store.deployment.deployment import Deployment
from coedit.store.documents.log import DocumentLog
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.objects.versions import Versions
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.topology import Nodes
from coedit.store.streams.offers import OffersStream

_VERIFIED_AT_ONCE = 4
_RECOVERED_AT_ONCE = 32
"""Far below the bound of a shard's offers, so that nobody else's are pushed out."""

T = TypeVar("T")


async def verify(options: argparse.Namespace) -> int:
    """Verify one document or all, print a line for each and a summary; return the exit code.

    Raises:
        UnusableSettingsError: COEDIT_SECRET is missing, say.
        CoeditError: a store cannot be reached, or the name is none.
    """
    async with _deployment(options) as there:
        started = time.perf_counter()
        examiner = Examiner(there.nodes, there.objects, there.shard_count)
        log = DocumentLog(there.nodes, there.shard_count)
        verifier = Verifier(examiner, log, Versions(there.objects), there.chain_key)
        names = [document_id(options.document)] if not options.all else await there.documents()
        wrong = unchecked = 0
        async for verdict in _each(names, verifier.verify, _VERIFIED_AT_ONCE):
            wrong += not verdict.agrees
            unchecked += verdict.unchecked
            print(_json(verdict.fields()) if options.json else verdict.line(), flush=True)
        seconds = round(time.perf_counter() - started, 2)
    if options.json:
        summary = {"documents": len(names), "wrong": wrong, "unchecked": unchecked, "seconds": seconds}
        print(_json(summary))
    else:
        said = f"{unchecked} revisions could not be checked, " if unchecked else ""
        print(f"{len(names)} documents, {wrong} wrong, {said}{seconds} s")
    return DAMAGED if wrong or unchecked else HEALTHY


async def recover(options: argparse.Namespace) -> int:
    """Bring one document or all back into Redis, print what failed and a summary; return the exit code.

    Raises:
        UnusableSettingsError: COEDIT_SECRET is missing, say.
        CoeditError: a store cannot be reached, or the name is none.
    """
    async with _deployment(options) as there:
        started = time.perf_counter()
        log, snapshots = DocumentLog(there.nodes, there.shard_count), Snapshots(there.objects)
        archive, offers = Archive(there.objects), OffersStream(there.nodes)
        recoverer = Recoverer(log, snapshots, archive, offers, options.patience)

        async def one(name: DocumentId) -> str:
            try:
                outcome = await recoverer.recover(name)
                if outcome == "nothing":
                    print(
                        f"NOTHING\t{name}\tthe object store has no snapshot of it, and Redis does not have it"
                    )
                return outcome
            except CoeditError as error:
                print(f"FAILED\t{name}\t{error}", flush=True)
                return "failed"

        names = [document_id(options.document)] if not options.all else await stored_documents(there.objects)
        outcomes = Counter([outcome async for outcome in _each(names, one, _RECOVERED_AT_ONCE)])
        seconds = round(time.perf_counter() - started, 2)
    print(
        f"{len(names)} documents: {outcomes['back']} brought back, {outcomes['there']} were there, "
        f"{outcomes['nothing']} without a snapshot, {outcomes['failed']} failed, {seconds} s"
    )
    return DAMAGED if outcomes["failed"] or outcomes["nothing"] else HEALTHY


@dataclass(frozen=True, slots=True)
class _Deployment:
    nodes: Nodes
    objects: ObjectStore
    shard_count: int
    chain_key: ChainKey

    async def documents(self) -> list[DocumentId]:
        return await all_documents(self.nodes, self.objects, self.shard_count)


@asynccontextmanager
async def _deployment(options: argparse.Namespace) -> AsyncIterator[_Deployment]:
    settings = read_settings(options)
    nodes = connect_nodes(settings.redis_url)
    try:
        await nodes.refresh()
        objects = open_object_store(
            settings.object_store_url, settings.object_store_endpoint, settings.object_store_region
        )
        chain_key = ChainKey.derive(*settings.chain_secrets())
        # What another secret cannot check is told revision by revision.
        await Deployment(nodes, objects, settings.shard_count, chain_key).compare(checks_secret=False)
        yield _Deployment(nodes, objects, settings.shard_count, chain_key)
    except TROUBLE as error:
        raise UnavailableError(f"Redis cannot be reached: {error}") from error
    finally:
        await nodes.aclose()


async def _each(
    names: list[DocumentId], work: Callable[[DocumentId], Awaitable[T]], at_once: int
) -> AsyncIterator[T]:
    """Yield what becomes of each, in order, with few under way at a time."""
    waiting: list[asyncio.Task[T]] = []
    try:
        for name in names:
            waiting.append(asyncio.ensure_future(work(name)))
            if len(waiting) >= at_once:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
