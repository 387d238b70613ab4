"""One suite for every implementation of the port."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from coedit.errors import ObjectStoreError
from coedit.identifiers import MAX_NAME_BYTES, document_id, escape
from coedit.store.local_folder import LocalFolder
from coedit.store.object_store import ObjectStore, open_object_store

IDS = ["room a/b?x", "é%2F", "..", "😀", "x" * MAX_NAME_BYTES, "日" * (MAX_NAME_BYTES // 3), "a+b"]


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_object_store(
        f"{tmp_path.as_uri()}/new%20objects" if request.param == "folder" else "memory://"
    )


async def test_created_object_is_read_back(objects: ObjectStore) -> None:
    assert await objects.create("d/snapshot/1", b"\x00body")
    assert await objects.read("d/snapshot/1") == b"\x00body"


async def test_missing_object_is_none(objects: ObjectStore) -> None:
    assert await objects.read("d/snapshot/1") is None


async def test_taken_key_keeps_what_it_has(objects: ObjectStore) -> None:
    await objects.create("d/snapshot/1", b"first")
    assert not await objects.create("d/snapshot/1", b"second")
    assert await objects.read("d/snapshot/1") == b"first"


async def test_race_of_creators_has_one_winner(objects: ObjectStore) -> None:
    for round_number in range(10):
        key = f"d/snapshot/{round_number}"
        won = await asyncio.gather(*(objects.create(key, bytes([racer]) * 1000) for racer in range(8)))
        assert won.count(True) == 1
        assert await objects.read(key) == bytes([won.index(True)]) * 1000


async def test_first_names_are_listed_however_long_they_are(objects: ObjectStore) -> None:
    for name in IDS:
        await objects.create(f"{escape(document_id(name))}/snapshot/1", b"x")
        await objects.create(f"{escape(document_id(name))}/history/1-2", b"x")
    assert await objects.folders() == sorted(map(escape, IDS))


async def test_folder_is_listed_in_order_and_without_its_neighbours(objects: ObjectStore) -> None:
    for key in (
        "d/snapshot/2",
        "d/snapshot/1",
        "d/snapshot/10",
        "d/history/1",
        "de/snapshot/9",
        "d/snapshots/1",
    ):
        await objects.create(key, b"x")
    assert await objects.list("d/snapshot/") == ["d/snapshot/1", "d/snapshot/10", "d/snapshot/2"]
    assert await objects.list("d/snapshot/", "d/snapshot/1") == ["d/snapshot/10", "d/snapshot/2"]
    assert await objects.list("e/snapshot/") == []


async def test_deleted_object_is_gone_and_deleting_again_is_harmless(objects: ObjectStore) -> None:
    await objects.create("d/snapshot/1", b"x")
    await objects.create("d/snapshot/2", b"x")
    for _ in range(2):
        await objects.delete("d/snapshot/1")
    assert await objects.list("d/snapshot/") == ["d/snapshot/2"]


@pytest.mark.parametrize("name", IDS)
async def test_any_document_id_makes_a_key(objects: ObjectStore, name: str) -> None:
    folder = f"{escape(document_id(name))}/snapshot/"
    assert await objects.create(f"{folder}1", b"x")
    assert await objects.list(folder) == [f"{folder}1"]
    assert await objects.read(f"{folder}1") == b"x"


async def test_names_that_share_a_long_beginning_stay_apart(objects: ObjectStore) -> None:
    names = ["y" * length for length in (199, 200, 201, 202, 255)]
    for name in names:
        await objects.create(f"{name}/snapshot/1", name.encode())
    for name in names:
        assert await objects.list(f"{name}/snapshot/") == [f"{name}/snapshot/1"]
        assert await objects.read(f"{name}/snapshot/1") == name.encode()


async def test_file_that_is_being_written_is_no_object(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    await folder.create("d/snapshot/1", b"x")
    (tmp_path / "d" / "snapshot" / ".staged-left-by-a-crash").write_bytes(b"half")
    assert await folder.list("d/snapshot/") == ["d/snapshot/1"]


async def test_creating_leaves_nothing_else_behind(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    assert [await folder.create("d/snapshot/1", b"x") for _ in range(2)] == [True, False]
    assert [path.name for path in (tmp_path / "d" / "snapshot").iterdir()] == ["1"]


async def test_broken_folder_is_unavailable(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    (tmp_path / "d").write_bytes(b"a file where a folder should be")
    for attempt in (
        folder.create("d/snapshot/1", b"x"),
        folder.read("d/snapshot/1"),
        folder.list("d/snapshot/"),
    ):
        with pytest.raises(ObjectStoreError):
            await attempt


def test_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(ValueError, match="ftp"):
        open_object_store("ftp://example.org/x")


async def test_file_is_synced_before_it_gets_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LocalFolder(str(tmp_path))
    await folder.create("d/snapshot/0", b"makes the folders")
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def fsync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        sync(descriptor)

    def record_link(source: str, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", record_link)
    await folder.create("d/snapshot/1", b"x")
    assert steps == ["sync file", "link", "sync folder"]
