"""What must be true once nothing is in flight: one text everywhere, and a snapshot that says the same."""

import asyncio
from collections.abc import Callable, Sequence

from coedit.client.connection import connect
from coedit.client.document import Document
from coedit.client.rest import fetch_text
from coedit.identifiers import document_id
from coedit.ot.delta import Delta
from coedit.replay.report import ReplayError, Report

_DEADLINE_SECONDS = 60.0


async def in_time(document: Document, condition: Callable[[], bool], what: str) -> None:
    """Wait until ``condition`` holds, looking whenever something arrives.

    Raises:
        ReplayError: it did not within a minute; names ``what`` was waited for.
        DocumentError: the document cannot be used any more.
    """
    if condition():
        return
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            await document.until(condition)
    except TimeoutError as error:
        raise ReplayError(f"{what} did not come within {_DEADLINE_SECONDS:.0f} s") from error


async def reach(document: Document, revision: int) -> None:
    """Wait until a client has a revision; raises as `in_time`."""
    await in_time(document, lambda: document.revision >= revision, f"revision {revision}")


async def check_everywhere(
    report: Report, documents: Sequence[Document], url: str, token: str | None, expected: str | None = None
) -> None:
    """Compare the server's text, each client's and a fresh client's; ``expected`` is by default the server's.

    Raises:
        ReplayError: a client does not come up to the server's revision in time.
        CoeditError: the server does not answer.
    """
    head = await fetch_text(url, report.document, token)
    report.revisions = head.revision
    report.check(
        head.revision == report.submissions or expected is None,
        f"the head is {head.revision:,}, one revision for each submission",
        f"the head is {head.revision:,} after {report.submissions:,} submissions",
    )
    expected = head.text if expected is None else expected
    report.check_text("server", head.text, expected)
    for number, document in enumerate(documents):
        await reach(document, head.revision)
        report.check_text(f"client {number}", document.text, expected)
    async with connect(url, token=token, author="reader", patience_seconds=_DEADLINE_SECONDS) as session:
        fresh = await session.open(report.document)
        report.check_text("fresh client", fresh.text, expected)
        report.check(
            fresh.revision == head.revision,
            f"fresh client: at revision {fresh.revision:,}",
            f"fresh client: at revision {fresh.revision:,} instead of {head.revision:,}",
        )


async def check_snapshot(report: Report, document: Document, object_store_url: str | None) -> None:
    """Wait until a snapshot of the head is announced; with the store's URL, load it and compare.

    Raises:
        ReplayError: no snapshot in time, or none in the store.
    """
    await in_time(document, lambda: document.state.snapshot_revision >= report.revisions, "a snapshot")
    report.checks.append(f"a snapshot of revision {document.state.snapshot_revision:,} is announced")
    if object_store_url:
        revision, content, text = await _load(report.document, object_store_url)
        report.check(
            revision == report.revisions,
            f"snapshot: revision {revision:,}",
            f"snapshot: revision {revision:,} instead of {report.revisions:,}",
        )
        report.check_text("snapshot", content.text, document.text)
        report.check_text("snapshot, as Yjs", text, document.text)


async def _load(name: str, object_store_url: str) -> tuple[int, Delta, str]:
    try:
        # Only here: the client alone needs neither an object store nor Yjs.
        from coedit.crdt.document import YjsDocument  # noqa: PLC0415
        from coedit.store.objects.object_store import open_object_store  # noqa: PLC0415
        from coedit.store.objects.snapshots import Snapshots  # noqa: PLC0415
    except ImportError as error:
        raise ReplayError(f"to load the snapshot, install coedit[server]: {error}") from error
    snapshot = await Snapshots(open_object_store(object_store_url)).newest(document_id(name))
    if snapshot is None:
        raise ReplayError(f"no snapshot of {name!r} in {object_store_url}")
    rendered = YjsDocument(snapshot.document_id, snapshot.update, root=snapshot.text_root).render()
    return snapshot.revision, snapshot.document, rendered.text
