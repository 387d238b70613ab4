"""``python -m tests.chaos.bugged BUG SERVICE``: a service with a bug planted in it, to see that the checker finds it.

Production code knows nothing of this. Each plant also takes out the repair that would mask it.
"""

import asyncio
import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import coedit.store.writes.commit as commit_script_module
from coedit.identifiers import ClientId, DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.ot.roles.authority import Authority
from coedit.ot.roles.rebase import Rebase
from coedit.protocol.events import Committed, decode_events
from coedit.store.objects.archive import Archive, Segment
from coedit.store.scripts import source
from coedit.store.streams.offers import OffersStream
from coedit.store.writes.commit import BatchWrite, CommitScript, Outcome
from services.gateway.documents.feed import Feed
from services.gateway.documents.open_document import OpenDocument
from services.gateway.documents.recent import Logged

_LATE_SECONDS = 0.4
_LOST_EVERY = 20


def ack_before_commit() -> None:
    """The transformer publishes, and moves its cursor, well before it commits; who dies in between has lied.

    Nothing is given back by those who saw it.
    """
    run = CommitScript.run

    async def run_late(self: CommitScript, batches: Sequence[BatchWrite]) -> list[Outcome]:
        for batch in batches:
            for write in batch.documents:
                await self._redis.spublish(batch.shard.events(write.document_id), write.message)
            await self._redis.set(batch.shard.cursor, batch.new_cursor)
        await asyncio.sleep(_LATE_SECONDS)
        return await run(self, [_told(batch) for batch in batches])

    _set(CommitScript, "run", run_late)
    _give_nothing_back()


def no_dedupe() -> None:
    """A submission that is sent again is committed again; its sequence is not looked at either."""
    go_over = Rebase._pass

    def go_over_anonymous(self: Rebase, commit: Commit) -> None:
        go_over(self, replace(commit, client_id=ClientId("nobody")))

    _set(Rebase, "_pass", go_over_anonymous)
    _set(Authority, "_check_sequence", lambda self, submission: None)


def trim_too_early() -> None:
    """The log is trimmed of what the archive does not hold."""

    async def store(
        self: Archive, document_id: DocumentId, first: Revision, entries: Sequence[bytes]
    ) -> Segment:
        return Segment(first, Revision(first + len(entries) - 1))

    _set(Archive, "store", store)


def stale_owner() -> None:
    """Whoever believes to own a shard writes: no token, no cursor, no head is compared, and the last one wins.

    Nothing is given back by those who saw what is overwritten.
    """
    text = source("commit.lua")
    for check in (
        "if redis.call('GET', KEYS[1]) ~= token then return {'fenced'} end",
        "if cursor ~= old_cursor then return {'moved', cursor} end",
        "if #stale > 1 then return stale end",
        "if #broken > 1 then return broken end",
    ):
        text = _without(text, check)
    append = "        for offset = 1, document.count do\n            local commit"
    text = _replaced(text, append, f"{_OVERWRITE}\n{append}")
    _set(commit_script_module, "source", lambda name: text)
    _give_nothing_back()


def lost_message() -> None:
    """Some commits never reach a gateway's clients, and it fills no gaps, nor does who comes back get them."""
    on_message = Feed.on_message

    def on_some(self: Feed, packed: bytes) -> None:
        first = next((e for e in decode_events(packed) if isinstance(e, Committed)), None)
        if first is None or Logged.read(first.commits[0]).revision % _LOST_EVERY:
            on_message(self, packed)

    def on_commits(self: Feed, commits: list[Logged]) -> None:
        self.take(commits)

    _set(Feed, "on_message", on_some)
    _set(Feed, "_on_commits", on_commits)

    async def page_after(self: OpenDocument, revision: Revision) -> list[dict[str, Any]]:
        return [commit.fields for commit in self.feed.recent_above(revision)[1]]

    _set(Feed, "_miss", lambda self: None)
    _set(OpenDocument, "page_after", page_after)


PLANTS: dict[str, dict[str, Callable[[], None]]] = {
    "ack-before-commit": {"transformer": ack_before_commit},
    "no-dedupe": {"transformer": no_dedupe},
    "trim-too-early": {"snapshotter": trim_too_early},
    "stale-owner": {"transformer": stale_owner},
    "lost-message": {"gateway": lost_message},
}
"""Which bug sits in which service."""

_OVERWRITE = """
        local newer = redis.call('XRANGE', document.log, string.format('(%.0f-0', revision), '+')
        for _, entry in ipairs(newer) do redis.call('XDEL', document.log, entry[1]) end
        if #newer > 0 then redis.call('XSETID', document.log, string.format('%.0f-0', revision)) end
"""


def plant(bug: str, service: str) -> None:
    """Plant a bug in this process, if it is one of this service.

    Raises:
        KeyError: there is no such bug.
        LookupError: what it replaces is not there any more.
    """
    PLANTS[bug].get(service, lambda: None)()


def _give_nothing_back() -> None:
    async def read(self: OffersStream, places: dict[Any, str], block_ms: int) -> dict[Any, Any]:
        await asyncio.sleep(block_ms / 1000)
        return {}

    _set(OffersStream, "read", read)


def _told(batch: BatchWrite) -> BatchWrite:
    documents = [replace(write, message=b"") for write in batch.documents]
    return replace(batch, old_cursor=batch.new_cursor, documents=documents)


def _set(owner: object, name: str, value: object) -> None:
    if not hasattr(owner, name):
        raise LookupError(f"{owner} has no {name}")
    setattr(owner, name, value)


def _without(text: str, part: str) -> str:
    return _replaced(text, part, "")


def _replaced(text: str, part: str, other: str) -> str:
    if part not in text:
        raise LookupError(f"the script has no {part!r}")
    return text.replace(part, other)


if __name__ == "__main__":
    _bug, _service = sys.argv[1:]
    plant(_bug, _service)
    sys.argv[1:] = []
    runpy.run_module(f"services.{_service}", run_name="__main__", alter_sys=True)
