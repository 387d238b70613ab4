"""Puts a damaged document right, from what else is stored of it.

The document is quarantined first, whether it was before or not: then nobody commits to it while it is examined, and the
one script that repairs it writes only if it still is as it was examined. What is taken away is kept beside the rest, in
the object store's folder ``{document}/damaged/``.
"""

from dataclasses import replace

import msgpack

from coedit.doctor.diagnosis import Diagnosis, Stored, diagnose
from coedit.doctor.examine import Examiner
from coedit.doctor.plan import Plan, make_plan
from coedit.doctor.yjs_view import remade
from coedit.errors import CoeditError, DamagedError, UnavailableError
from coedit.identifiers import DocumentId, Revision, escape
from coedit.protocol.events import DamageRepaired, EpochBegun, Event
from coedit.protocol.log_entry import ChainKey
from coedit.store.documents.log import Position
from coedit.store.documents.quarantine import Quarantine
from coedit.store.objects.archive import Archive, segment_key
from coedit.store.objects.folding import Fold
from coedit.store.objects.object_store import ObjectStore
from coedit.store.objects.snapshots import Snapshots, snapshot_key
from coedit.store.redis.topology import Nodes
from coedit.store.writes.repair import Repair, RepairScript

_ATTEMPTS = 5


class LossRefusedError(CoeditError):
    """The document cannot be put together without losing something, and nobody has agreed to that."""

    code = "loss-refused"


class Surgeon:
    """Repairs documents of one deployment; ``now_ms`` names what is taken away."""

    def __init__(
        self, nodes: Nodes, objects: ObjectStore, shard_count: int, chain_key: ChainKey, now_ms: int
    ) -> None:
        self._examiner = Examiner(nodes, objects, shard_count)
        self._quarantine = Quarantine(nodes, shard_count, "doctor")
        self._script = RepairScript(nodes, shard_count)
        self._objects = objects
        self._archive, self._snapshots = Archive(objects), Snapshots(objects)
        self._chain_key = chain_key
        self._now_ms = now_ms

    async def repair(self, document_id: DocumentId, *, accepts_loss: bool) -> Plan:
        """Repair a document; return what was done.

        Raises:
            LossRefusedError: something would be lost, and ``accepts_loss`` is not given; it stays quarantined.
            UnavailableError: others kept changing it.
            RedisError, OSError, ObjectStoreError: a store cannot be read or written now; do it again.
        """
        for _ in range(_ATTEMPTS):
            await self._quarantine.enter(
                document_id, DamagedError("an operator is repairing it", "log"), anew=True
            )
            diagnosis = diagnose(await self._examiner.read(document_id), self._chain_key)
            if diagnosis.loses and not accepts_loss:
                first = next(finding for finding in diagnosis.findings if not finding.is_settled)
                error = DamagedError(f"{first.where}: {first.what}", "log", diagnosis.reached.revision + 1)
                await self._quarantine.enter(document_id, error, anew=True)
                raise LossRefusedError("it cannot be put together without loss")
            plan = make_plan(diagnosis)
            if await self._carry_out(diagnosis, plan):
                return plan
        raise UnavailableError("the document is changed by others; try again")

    async def _carry_out(self, diagnosis: Diagnosis, plan: Plan) -> bool:
        stored = diagnosis.stored
        if stored.quarantine is None:  # somebody else has repaired it, just now
            return False
        await self._keep_what_goes(stored, plan)
        for segment in plan.bad_segments:
            await self._take_away(segment_key(stored.document_id, segment))
        for segment in plan.new_segments:
            entries = [diagnosis.commits[revision] for revision in range(segment.first, segment.last + 1)]
            await self._archive.store(stored.document_id, segment.first, entries)
        after = plan.after
        if plan.makes_snapshot:
            after = replace(after, number=await self._make_snapshot(diagnosis, after))
        repair = Repair(
            stored.document_id, stored.quarantine, stored.fields, after, plan.log, _events(plan, after)
        )
        if await self._script.run(repair) != "repaired":
            return False
        for number in plan.bad_snapshots:
            await self._take_away(snapshot_key(stored.document_id, number))
        return True

    async def _make_snapshot(self, diagnosis: Diagnosis, after: Position) -> int:
        """Make a snapshot of the document as far as it goes, on the newest sound one; return its number."""
        fold = (
            remade(diagnosis.sound, after.number) if diagnosis.needs_items else self._folded(diagnosis, after)
        )
        fold.number = after.number
        while not await self._snapshots.create(snapshot := fold.finish(after.epoch)):
            fold.number += 1
        return snapshot.number

    def _folded(self, diagnosis: Diagnosis, after: Position) -> Fold:
        fold = Fold.begin(diagnosis.stored.document_id, diagnosis.reached.base)
        for revision in range(fold.revision + 1, after.head + 1):
            fold.add(diagnosis.commits[revision], self._chain_key)
        return fold

    async def _keep_what_goes(self, stored: Stored, plan: Plan) -> None:
        """Keep the position and, if another takes its place, the log as they are."""
        log = (
            None if isinstance(stored.log, DamagedError) or plan.log is None else list(map(list, stored.log))
        )
        body: bytes = msgpack.packb({"fields": stored.fields, "log": log})
        await self._objects.create(f"{escape(stored.document_id)}/damaged/{self._now_ms:016d}-redis", body)

    async def _take_away(self, key: str) -> None:
        body = await self._objects.read(key)
        if body is not None:
            document, kind, name = key.split("/")
            await self._objects.create(f"{document}/damaged/{self._now_ms:016d}-{kind}-{name}", body)
            await self._objects.delete(key)


def _events(plan: Plan, after: Position) -> list[Event]:
    """Return what whoever has the document open is told."""
    if not plan.begins_epoch:
        return [DamageRepaired()]
    last_lost = Revision(max(plan.lost, default=after.head))
    return [EpochBegun(after.epoch, after.head, after.mac, last_lost), DamageRepaired()]
