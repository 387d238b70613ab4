"""Which documents a transformer keeps in memory."""

from collections.abc import Iterator
from typing import cast

import pytest
from prometheus_client import REGISTRY

from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.store.documents.loaded import EMPTY, LoadedDocument
from coedit.store.documents.quarantine import Quarantine
from coedit.store.documents.reader import DocumentReader
from coedit.store.writes.commit import DocumentWrite
from services.transformer.documents.working import WorkingDocuments
from services.transformer.recovery.recover import Recovery
from services.transformer.recovery.unsaved import Unsaved

_MAX_BYTES = 1024 * 1024
_MANY = 200


class NewDocuments:
    """Every document is new, none is damaged, and Redis has lost nothing; notes what is read."""

    def __init__(self) -> None:
        self.read: list[DocumentId] = []
        self.loaded = EMPTY

    async def load(self, document_id: DocumentId) -> LoadedDocument:
        self.read.append(document_id)
        return self.loaded

    async def ended(self, _: DocumentId) -> list[ClientId]:
        return []

    async def of(self, _: DocumentId) -> None:
        return None

    def incarnation(self, _: DocumentId) -> str:
        return ""


@pytest.fixture
def stored() -> NewDocuments:
    return NewDocuments()


@pytest.fixture
def documents(stored: NewDocuments) -> Iterator[WorkingDocuments]:
    """Yield a cache of a megabyte, and empty it afterwards: what all of them hold is counted together."""
    kept = WorkingDocuments(
        cast("DocumentReader", stored),
        cast("Recovery", stored),
        cast("Quarantine", stored),
        max_bytes=_MAX_BYTES,
        max_units=_MAX_BYTES,
        unsaved=Unsaved(_MAX_BYTES),
    )
    yield kept
    for document_id in kept.held():
        kept.drop(document_id)
    assert _counted("documents") == 0
    assert _counted("document_bytes") == 0


def _counted(what: str) -> float | None:
    return REGISTRY.get_sample_value(f"coedit_transformer_{what}")


def _ids(count: int) -> list[DocumentId]:
    return [DocumentId(f"document {number}") for number in range(count)]


async def _commit(documents: WorkingDocuments, document_id: DocumentId, text: str) -> None:
    working = await documents.get(document_id)
    authority, delta = working.authority, Delta().insert(text)
    revision = Revision(authority.head + 1)
    commit = Commit(revision, delta, AuthorId("ada"), ClientId("ada"), ClientSequence(revision), 0, 1)
    authority.append(commit, delta)
    documents.note_written(DocumentWrite(document_id, working.stored, working.stands_at(), b""))
    documents.drop_excess()


async def test_small_documents_all_stay_however_many_they_are(
    documents: WorkingDocuments, stored: NewDocuments
) -> None:
    """An edit in each of them in turn reads none of them again."""
    for _ in range(2):
        for document_id in _ids(_MANY):
            await _commit(documents, document_id, "x")
    assert len(stored.read) == _MANY


async def test_large_documents_go_once_they_take_too_much(
    documents: WorkingDocuments, stored: NewDocuments
) -> None:
    """Of those that do not fit together, the one that was edited last stays."""
    first, second, third = _ids(3)
    for document_id in (first, second, first, third):
        await _commit(documents, document_id, "x" * 80_000)
    assert documents.held() == (first, third)
    assert (_counted("document_bytes") or 0) <= _MAX_BYTES
    await documents.get(second)
    assert stored.read == [first, second, third, second]


async def test_document_above_the_bound_is_not_read_at_each_edit(
    documents: WorkingDocuments, stored: NewDocuments
) -> None:
    """The one that is edited stays in any case."""
    (only,) = _ids(1)
    for _ in range(2):
        await _commit(documents, only, "x" * _MAX_BYTES)
    assert stored.read == [only]
