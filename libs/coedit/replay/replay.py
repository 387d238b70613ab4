"""Recorded editing sessions, done again through a running system, and what came out compared with what must."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from coedit.client.connection import connect
from coedit.client.document import Document
from coedit.errors import InvalidDeltaError
from coedit.ot.delta import Delta
from coedit.replay.checks import check_everywhere, check_snapshot, in_time, reach
from coedit.replay.intents import Intents, find_intents
from coedit.replay.report import ReplayError, Report
from coedit.replay.traces import ConcurrentTrace, SequentialTrace, Trace, text_after, transaction_deltas
from coedit.replay.writer import Ledger, Writer

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a trace is replayed."""

    url: str
    document: str
    """Must be new."""
    token: str | None = None
    each: bool = False
    """Every transaction is a revision, and everybody has it before the next; otherwise edits flow on unanswered."""
    clients: int = 1
    """So many have the document open; those that are not the trace's agents only watch."""
    delay_seconds: float = 0.0
    """The mean pause before a transaction; the pauses are exponentially distributed."""
    limit: int | None = None
    """Only so many transactions."""
    seed: int = 0
    """Of the pauses."""
    wait_for_snapshot: bool = False
    object_store_url: str | None = None
    """Where to load the snapshot from, to compare it."""


Progress = Callable[[], None]
"""Called after each transaction."""


async def replay(trace: Trace, options: ReplayOptions, progress: Progress) -> Report:
    """Do a trace again, and check everything that must hold.

    Raises:
        TraceError: the trace contradicts itself.
        ReplayError: the document is not new, an edit was refused, or an answer did not come.
        CoeditError: the server cannot be reached, or refuses the client.
    """
    if isinstance(trace, SequentialTrace):
        return await _replay_sequential(trace, options, progress)
    return await _replay_concurrent(trace, options, progress)


async def _replay_sequential(trace: SequentialTrace, options: ReplayOptions, progress: Progress) -> Report:
    transactions = trace.transactions[: options.limit]
    report = Report(options.document)
    async with _open_all(options, options.clients) as documents:
        writer = documents[0]
        events, pace = writer.events(), _Pace(options)
        started = time.perf_counter()
        for delta in transaction_deltas(transactions):
            await pace.wait()
            await _edit(writer, delta)
            report.edits += bool(delta.ops)
            if options.each:
                await _settle(writer)
            for event in events.take():
                report.count(event)
            progress()
        await _settle(writer)
        report.seconds = time.perf_counter() - started
        for event in events.take():
            report.count(event)
        if options.each:
            report.check(
                report.submissions == report.edits,
                "every transaction was a submission of its own",
                f"{report.edits} transactions made {report.submissions} submissions",
            )
        await check_everywhere(report, documents, options.url, options.token, text_after(transactions))
        if options.wait_for_snapshot:
            await check_snapshot(report, writer, options.object_store_url)
    return report


async def _replay_concurrent(trace: ConcurrentTrace, options: ReplayOptions, progress: Progress) -> Report:
    intents = await asyncio.to_thread(find_intents, trace, options.limit)
    report = Report(options.document)
    ledger = Ledger(intents)
    async with _open_all(options, max(options.clients, trace.agent_count)) as documents:
        writers = [Writer(document, ledger, report) for document in documents]
        started = time.perf_counter()
        await _perform_all(intents, writers, options, progress)
        report.seconds = time.perf_counter() - started
        await check_everywhere(report, documents, options.url, options.token)
        for number, writer in enumerate(writers):
            writer.catch_up()
            fault = writer.fault()
            report.check(not fault, f"client {number}: every character once", f"client {number}: {fault}")
        report.check(
            report.submissions == report.revisions,
            "every submission is one revision",
            f"{report.submissions} submissions made {report.revisions} revisions",
        )
        await check_snapshot(report, documents[0], options.object_store_url)
    return report


async def _perform_all(
    intents: Intents, writers: Sequence[Writer], options: ReplayOptions, progress: Progress
) -> None:
    pace = _Pace(options)
    for intent in intents.intents:
        await pace.wait()
        writer = writers[intent.agent]
        _refuse_rejected(writer.document)
        await writer.perform(intent)
        if options.each:
            await _settle(writer.document)
            for other in writers:
                await reach(other.document, writer.document.revision)
        progress()
    for writer in writers:
        await _settle(writer.document)


async def _edit(document: Document, delta: Delta) -> None:
    _refuse_rejected(document)
    try:
        await document.edit(delta)
    except InvalidDeltaError as error:
        raise ReplayError(f"somebody else edits the document: {error}") from error


async def _settle(document: Document) -> None:
    await in_time(document, lambda: document.saved or bool(document.rejections), "an ack")
    _refuse_rejected(document)


def _refuse_rejected(document: Document) -> None:
    for rejection in document.rejections:
        raise ReplayError(f"the server refused an edit: {rejection.code}: {rejection.message}")


class _Pace:
    """Pauses as a person makes them: at random, ``delay_seconds`` on average."""

    def __init__(self, options: ReplayOptions) -> None:
        self._random = random.Random(options.seed)
        self._mean_seconds = options.delay_seconds

    async def wait(self) -> None:
        if self._mean_seconds:
            await asyncio.sleep(self._random.expovariate(1 / self._mean_seconds))


@asynccontextmanager
async def _open_all(options: ReplayOptions, count: int) -> AsyncIterator[list[Document]]:
    """Yield the document as ``count`` clients have it, each over a connection of its own."""
    async with AsyncExitStack() as stack:
        documents = []
        for number in range(count):
            connection = connect(
                options.url, token=options.token, author=f"agent-{number}", patience_seconds=_PATIENCE_SECONDS
            )
            session = await stack.enter_async_context(connection)
            documents.append(await session.open(options.document))
        if documents[0].revision:
            raise ReplayError(
                f"the document {options.document!r} is at revision {documents[0].revision}; name a new one"
            )
        yield documents
