"""Objects of documents that were erased: whoever comes late with one leaves nothing."""

import asyncio

import pytest

from coedit.errors import DamagedError, DeletedError
from coedit.identifiers import AuthorId, DocumentId, Revision
from coedit.store.objects.archive import Archive
from coedit.store.objects.deletions import FOLDER, Deletion, DeletionRecords, State
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.unerased import UnerasedObjects

NOTES, OTHER = DocumentId("team/notes"), DocumentId("other")


def decision(number: int, state: State = "erasing") -> Deletion:
    return Deletion(number, state, AuthorId("ada"), at=1_000, until=2_000 if state == "trash" else 0)


@pytest.fixture
def objects() -> ObjectStore:
    return open_object_store("memory://")


@pytest.mark.parametrize("state", ["erasing", "erased"])
async def test_what_comes_late_of_an_erased_document_is_not_kept(objects: ObjectStore, state: State) -> None:
    await DeletionRecords(objects).add(NOTES, decision(1, state))
    unerased = UnerasedObjects(objects)
    with pytest.raises(DeletedError):
        await Archive(unerased).store(NOTES, Revision(1), [b"secret"])
    assert await objects.list("team%2Fnotes/") == []
    await Archive(unerased).store(OTHER, Revision(1), [b"kept"])
    assert len(await objects.list("other/")) == 1


@pytest.mark.parametrize("state", ["trash", "restored"])
async def test_what_comes_of_a_document_that_can_be_restored_is_kept(
    objects: ObjectStore, state: State
) -> None:
    await DeletionRecords(objects).add(NOTES, decision(1, state))
    await Archive(UnerasedObjects(objects)).store(NOTES, Revision(1), [b"text"])
    assert len(await objects.list("team%2Fnotes/")) == 1


async def test_newest_decision_counts() -> None:
    records = DeletionRecords(open_object_store("memory://"))
    assert await records.newest(NOTES) is None
    states: list[State] = ["trash", "restored", "trash", "erasing", "erased"]
    for number, state in enumerate(states, 1):
        assert await records.add(NOTES, decision(number, state))
        assert await records.newest(NOTES) == decision(number, state)
    assert await records.documents() == [NOTES]


async def test_of_several_who_decide_one_wins() -> None:
    """Somebody restores what is erased in the same moment: one of both is told that it did not happen."""
    records = DeletionRecords(open_object_store("memory://"))
    await records.add(NOTES, decision(1, "trash"))
    restored, erasing = await asyncio.gather(
        records.add(NOTES, decision(2, "restored")), records.add(NOTES, decision(2, "erasing"))
    )
    assert restored != erasing
    newest = await records.newest(NOTES)
    assert newest is not None
    assert newest.state == ("restored" if restored else "erasing")


async def test_altered_decision_is_not_taken_for_one(objects: ObjectStore) -> None:
    await objects.create(f"{FOLDER}other/{1:012d}", b"\x80")
    with pytest.raises(DamagedError):
        await DeletionRecords(objects).newest(OTHER)


@pytest.mark.parametrize("state", ["trash", "restored", "erasing", "erased"])
def test_note_in_redis_says_the_same(state: State) -> None:
    noted = Deletion.of_note(decision(7, state).noted().encode())
    assert (noted.number, noted.state, noted.at) == (7, state, 1_000)
    assert noted.until == decision(7, state).until
