"""Reads, when all is over, what Redis, the object store and a gateway hold, into the history."""

import asyncio
import json
import urllib.request
from contextlib import suppress
from typing import Any

from pycrdt import Doc, Text

from coedit.errors import CoeditError
from coedit.identifiers import DocumentId, escape
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey, commit_fields, decode_commit
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.keys import Shard
from coedit.store.objects.archive import Archive
from coedit.store.objects.object_store import open_object_store
from coedit.store.objects.snapshots import Snapshots
from coedit.store.redis.connection import connect
from coedit.store.redis.topology import Nodes
from tests.chaos.history import History
from tests.chaos.world import SHARDS, World
from tests.system import SECRET, eventually

_ROOT = "content"


class Collector:
    """Reads with coedit's store classes, past all services, and keeps its own opinion to itself."""

    def __init__(self, world: World, history: History, patience_seconds: float) -> None:
        self._world = world
        self._history = history
        self._patience_seconds = patience_seconds
        self._redis = connect(world.system.redis_url)
        self._log = DocumentLog(Nodes(self._redis), SHARDS)
        objects = open_object_store(world.system.object_store_url)
        self._archive, self._snapshots = Archive(objects), Snapshots(objects)
        self._chain_key = ChainKey.derive(SECRET.encode())

    async def collect(self, names: tuple[str, ...]) -> None:
        """Record the end of the documents ``names``."""
        self._reported(set(self._world.left_documents))
        await asyncio.gather(*(self._collect(DocumentId(name)) for name in names))
        await self._quarantined()
        await self._redis.aclose()

    def _reported(self, names: set[str]) -> None:
        """Record what transformers said is lost of documents that nobody has open, who would have been told."""
        for name, process in self._world.system.processes.items():
            lines = process.log.read_text(errors="replace").splitlines() if "transformer" in name else []
            for fields in (json.loads(line) for line in lines if '"event":"lost"' in line):
                if fields["document_id"] in names:
                    facts = {fact: fields[fact] for fact in ("epoch", "first", "last")}
                    self._history.add("reported", document=fields["document_id"], **facts)

    async def _quarantined(self) -> None:
        """Of all documents, also those that the crowd does not know."""
        for number in range(SHARDS):
            marked: dict[Any, Any] = await self._redis.hgetall(Shard(number).damaged)
            for name, damage in marked.items():
                self._history.add("quarantined", document=_text(name), damage=_text(damage)[:300])

    async def _collect(self, document_id: DocumentId) -> None:
        try:
            await self._read(document_id)
        except (CoeditError, OSError, AssertionError) as error:
            self._history.add("unreadable", document=document_id, error=repr(error)[:500])

    async def _read(self, document_id: DocumentId) -> None:
        # What somebody who left had on its way may still be committed, on a machine that is busy: not behind our back.
        with suppress(AssertionError):  # told below, behind all that can be read
            await self._until_covered(document_id)
        position = await self._log.position(document_id) or await self._position_in_store(document_id)
        facts = {"head": position.head, "mac": position.mac, "floor": position.floor}
        self._history.add("document", document=document_id, **facts)
        await self._commits(document_id, position)
        await self._served(document_id)
        await self._snapshot(document_id)

    async def _position_in_store(self, document_id: DocumentId) -> Position:
        """Return where a document stands that Redis lost and nobody has edited since: at its newest snapshot."""
        newest = await self._snapshots.newest(document_id)
        if newest is None:
            raise AssertionError("neither Redis nor the object store holds it")
        head = newest.revision
        return Position(newest.epoch, head, newest.mac, head, head, newest.number)

    async def _commits(self, document_id: DocumentId, position: Position) -> None:
        entries: dict[int, bytes] = {}
        for segment in await self._archive.segments(document_id):
            stored = await self._archive.read(document_id, segment.first, segment.last)
            self._add(document_id, entries, segment.first, stored)
        log = await self._log.read(document_id, position.floor + 1, position.head)
        self._add(document_id, entries, position.head - len(log) + 1, log)
        mac = ""
        for _, entry in sorted(entries.items()):
            commit = decode_commit(entry)
            self._commit(document_id, commit, is_held=self._chain_key.holds(document_id, commit, mac))
            mac = commit.mac

    def _add(
        self, document_id: DocumentId, entries: dict[int, bytes], first: int, stored: list[bytes]
    ) -> None:
        for revision, entry in enumerate(stored, first):
            if entries.setdefault(revision, entry) != entry:
                self._history.add("forked", document=document_id, revision=revision)

    def _commit(self, document_id: DocumentId, commit: Commit, *, is_held: bool) -> None:
        fields = commit_fields(commit)
        self._history.add(
            "commit",
            document=document_id,
            epoch=commit.epoch,
            revision=commit.revision,
            id=commit.client_id,
            sequence=commit.client_sequence,
            mac=commit.mac,
            holds=is_held,
            delta=fields["delta"],
        )

    async def _served(self, document_id: DocumentId) -> None:
        for gateway in self._world.system.gateways:
            stored = await asyncio.to_thread(_fetch, f"{gateway}/v1/documents/{escape(document_id)}")
            facts = {"revision": stored["revision"], "content": stored["content"]}
            self._history.add("served", document=document_id, **facts)

    async def _until_covered(self, document_id: DocumentId) -> None:
        """The document has been quiet, so that a snapshot of its head is due; wait for that."""

        async def is_covered() -> bool:
            position = await self._log.position(document_id)
            return position is None or position.snapshot == position.head

        await eventually(is_covered, "the newest snapshot covers the head", self._patience_seconds)

    async def _snapshot(self, document_id: DocumentId) -> None:
        await self._until_covered(document_id)
        snapshot = await self._snapshots.newest(document_id)
        if snapshot is None:
            raise AssertionError("Redis knows of a snapshot that the object store does not have")
        self._history.add(
            "snapshot",
            document=document_id,
            number=snapshot.number,
            revision=snapshot.revision,
            content=snapshot.document.to_json(),
            yjs=_render(snapshot.update),
        )


def _render(update: bytes) -> list[dict[str, Any]]:
    """Return what any Yjs program shows of an update."""
    text = Text()
    doc: Doc[Any] = Doc()
    doc[_ROOT] = text
    doc.apply_update(update)
    return [
        {"insert": content, "attributes": attributes} if attributes else {"insert": content}
        for content, attributes in text.diff()
    ]


def _text(stored: bytes | str) -> str:
    return stored.decode(errors="replace") if isinstance(stored, bytes) else stored


def _fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())
