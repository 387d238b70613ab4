"""Whether all that is stored of a document agrees: `diagnose`, even while it is edited, and the named versions."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from coedit.doctor.diagnosis import Diagnosis, Finding, Stored, diagnose, unchecked_message
from coedit.doctor.examine import Examiner
from coedit.errors import DamagedError
from coedit.identifiers import DocumentId, VersionName
from coedit.protocol.log_entry import ChainKey, decode_commit
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.objects.versions import Versions

_ATTEMPTS = 5
_OVERDUE_SECONDS = 60.0
"""A snapshot is made seconds after the last edit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one document."""

    document_id: DocumentId
    revision: int
    log: int
    """Entries in Redis; the others are counts as well."""
    segments: int
    snapshots: int
    versions: int
    findings: tuple[Finding, ...]
    unchecked: int = 0
    """Revisions that nobody here can vouch for."""
    unchecked_message: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong. Old history that can be read no more, below a sound snapshot, is a mere note."""
        return all(finding.is_settled for finding in self.findings)

    @property
    def word(self) -> str:
        """What was found, in a word."""
        return "WRONG" if not self.agrees else "UNCHECKED" if self.unchecked else "agrees"

    def line(self) -> str:
        """Return it in one line."""
        said = [f"{finding.where}: {finding.what}" for finding in self.findings]
        found = "; ".join(filter(None, [*said, self.unchecked_message]))
        counts = (
            f"revision {self.revision}, {self.log} in the log, {self.segments} segments, "
            f"{self.snapshots} snapshots, {self.versions} versions"
        )
        return "\t".join(filter(None, [self.word, self.document_id, counts, found]))

    def fields(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "document": self.document_id,
            "agrees": self.agrees,
            "unchecked": self.unchecked,
            "revision": self.revision,
            "log": self.log,
            "segments": self.segments,
            "snapshots": self.snapshots,
            "versions": self.versions,
            "findings": [
                {"where": finding.where, "what": finding.what, "is_settled": finding.is_settled}
                for finding in self.findings
            ],
        }


class Verifier:
    """Verifies documents of one deployment; reads only."""

    def __init__(self, examiner: Examiner, log: DocumentLog, versions: Versions, chain_key: ChainKey) -> None:
        self._examiner = examiner
        self._log = log
        self._versions = versions
        self._chain_key = chain_key

    async def verify(self, document_id: DocumentId) -> Verdict:
        """Return whether all that is stored of a document agrees.

        Raises:
            RedisError, OSError, ObjectStoreError: a store cannot be read now.
        """
        diagnosis = await self._diagnose(document_id)
        names = await self._versions.names(document_id)
        findings = [*diagnosis.findings]
        quarantine = diagnosis.stored.quarantine
        if quarantine is not None:
            findings.append(Finding("quarantine", f"{quarantine.reason}: {quarantine.message}"))
        findings += [finding async for finding in self._of_versions(diagnosis, names)]
        findings += await self._of_waiting(diagnosis.stored)
        stored = diagnosis.stored
        return Verdict(
            document_id,
            diagnosis.reached.revision,
            0 if isinstance(stored.log, DamagedError) else len(stored.log),
            len(stored.segments),
            len(stored.snapshots),
            len(names),
            tuple(findings),
            len(diagnosis.unchecked),
            unchecked_message(diagnosis),
        )

    async def _diagnose(self, document_id: DocumentId) -> Diagnosis:
        """Read all of it; once more where something is wrong and it has changed: parts read apart did not fit then."""
        diagnosis = await self._once(document_id)
        for _ in range(_ATTEMPTS - 1):
            if diagnosis.is_healthy:
                break
            before, diagnosis = diagnosis, await self._once(document_id)
            if before.stored.fields == diagnosis.stored.fields and before.findings == diagnosis.findings:
                break
        return diagnosis

    async def _once(self, document_id: DocumentId) -> Diagnosis:
        stored = await self._examiner.read(document_id)
        with suppress(DamagedError):  # which the diagnosis finds by itself
            stored = _as_of_position(stored, await self._log.position(document_id))
        return await asyncio.to_thread(diagnose, stored, self._chain_key)

    async def _of_waiting(self, stored: Stored) -> list[Finding]:
        """Return a finding where a document should have a snapshot by now: Redis alone has what is above the last."""
        position = stored.sound_position
        if position is None or position.snapshot >= position.head:
            return []
        waited_seconds = await self._log.waiting_seconds(stored.document_id)
        if waited_seconds < _OVERDUE_SECONDS:
            return []
        revisions = f"revisions {position.snapshot + 1} to {position.head}"
        what = f"{revisions} have no snapshot {waited_seconds:.0f} s after the last; does a snapshotter run?"
        return [Finding("snapshot", what)]

    async def _of_versions(
        self, diagnosis: Diagnosis, names: Sequence[VersionName]
    ) -> AsyncIterator[Finding]:
        for name in names:
            if (what := await self._wrong_in(diagnosis, name)) is not None:
                yield Finding(f"version {name}", what)

    async def _wrong_in(self, diagnosis: Diagnosis, name: VersionName) -> str | None:
        try:
            version = await self._versions.read(diagnosis.stored.document_id, name)
        except DamagedError as error:
            return str(error)
        entry = diagnosis.commits.get(version.revision)
        if entry is not None and decode_commit(entry).mac != version.mac:
            return f"revision {version.revision} is another one than when it was named"
        return None


def _as_of_position(stored: Stored, later: Position | None) -> Stored:
    """Leave out commits that were made between reading the position and reading the log: ``later`` vouches for them."""
    position = stored.sound_position
    if position is None or later is None or isinstance(stored.log, DamagedError) or not stored.log:
        return stored
    if not (later.epoch == position.epoch and position.head < _revision(stored.log[-1][0]) <= later.head):
        return stored
    return replace(stored, log=[entry for entry in stored.log if _revision(entry[0]) <= position.head])


def _revision(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
