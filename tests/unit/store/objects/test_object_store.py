"""One suite for every implementation of the port."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from coedit.errors import ObjectStoreError
from coedit.identifiers import BEHIND, MAX_NAME_BYTES, document_id, escape
from coedit.store.objects import object_store
from coedit.store.objects.local_folder import LocalFolder
from coedit.store.objects.object_store import ObjectStore, RemoteObjects, open_object_store
from tests.ports import free_port
from tests.s3_servers import CREDENTIALS, S3Server, moto, seaweed

IDS = ["room a/b?x", "é%2F", "..", "😀", "x" * MAX_NAME_BYTES, "日" * (MAX_NAME_BYTES // 3), "a+b"]


@pytest.fixture(scope="module")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="module")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(params=["folder", "memory", "moto", pytest.param("seaweedfs", marks=pytest.mark.seaweedfs)])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    if request.param == "folder":
        return open_object_store(f"{tmp_path.as_uri()}/new%20objects")
    if request.param == "memory":
        return open_object_store("memory://")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    fixture = "moto_server" if request.param == "moto" else "seaweed_server"
    server: S3Server = request.getfixturevalue(fixture)
    return open_object_store(server.folder_url(), server.endpoint, "eu-central-1")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("s3://bucket/below", S3Store),
        ("gs://bucket", GCSStore),
        ("az://container/below", AzureStore),
        ("memory://", MemoryStore),
    ],
)
def test_url_chooses_the_store(url: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    objects = open_object_store(url)
    assert isinstance(objects, RemoteObjects)
    assert type(objects._store) is kind


def test_options_of_the_store_are_those_of_the_settings() -> None:
    objects = open_object_store("s3://bucket/below", "http://127.0.0.1:1", "eu-north-1")
    assert isinstance(objects, RemoteObjects)
    store = objects._store
    assert isinstance(store, S3Store)
    config = {str(name).removeprefix("aws_"): value for name, value in store.config.items()}
    assert (config["endpoint"], config["region"]) == ("http://127.0.0.1:1", "eu-north-1")
    assert (config["virtual_hosted_style_request"], store.prefix) == ("false", "below")
    assert store.client_options is not None
    assert store.client_options["allow_http"] in (True, "true")
    assert store.retry_config is not None


@pytest.mark.parametrize(("url", "endpoint"), [("gs://bucket", "http://127.0.0.1:1"), ("az://container", "")])
def test_store_that_cannot_be_opened_says_why(url: str, endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint|container"):
        open_object_store(url, endpoint)


async def test_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    objects = open_object_store("s3://bucket", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ObjectStoreError):
        await objects.read("d/snapshot/1")


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


async def test_folders_are_listed_from_any_place_on_by_their_first_keys(objects: ObjectStore) -> None:
    """In the order of the keys, where a name's end counts as a slash; however many keys a folder has."""
    names = [*map(escape, (*map(document_id, IDS), "a", "a-b", "a b", "team/1", "team/2", "team-"))]
    for name in names:
        for rest in ("snapshot/000000000001", "history/1-2", "version/zeta"):
            await objects.create(f"{name}/{rest}", b"x")
    in_order = sorted(f"{name}/" for name in names)
    assert await objects.first_keys("", 100) == [f"{folder}history/1-2" for folder in in_order]
    for place, folder in enumerate(in_order):
        expected = [f"{one}history/1-2" for one in in_order[place : place + 3]]
        assert await objects.first_keys(folder, 2) == expected[:2]
        assert await objects.first_keys(folder + BEHIND, 2) == expected[1:]
    assert await objects.first_keys(escape("team/"), 2) == ["team%2F1/history/1-2", "team%2F2/history/1-2"]
    await objects.create("team%2F3/snapshot/000000000001", b"x")
    behind = "team%2F2/" + BEHIND
    assert await objects.first_keys(behind, 1) == ["team%2F3/snapshot/000000000001"]
    await objects.delete("team%2F3/snapshot/000000000001")
    assert await objects.first_keys(behind, 1) != ["team%2F3/snapshot/000000000001"]


async def test_folder_with_many_keys_is_passed_over(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_PAGE_KEYS", 8)
    for number in range(50):
        await objects.create(f"large/history/{number:016d}", b"")
    for folder in ("a", "m", "z"):
        await objects.create(f"{folder}/snapshot/1", b"x")
    expected = ["a/snapshot/1", f"large/history/{0:016d}", "m/snapshot/1", "z/snapshot/1"]
    assert await objects.first_keys("", 10) == expected
    assert await objects.first_keys("", 2) == expected[:2]


async def test_what_is_known_of_a_folder_of_folders_is_read_again_after_a_change(tmp_path: Path) -> None:
    objects = LocalFolder(str(tmp_path))
    await objects.create("a/snapshot/1", b"x")
    os.utime(tmp_path, (1, 1))  # changed long ago
    assert await objects.first_keys("", 9) == ["a/snapshot/1"]
    (tmp_path / "b").mkdir()  # empty: of something that was deleted
    os.utime(tmp_path, (1, 1))
    await objects.create("b/snapshot/1", b"x")
    assert await objects.first_keys("", 9) == ["a/snapshot/1"], "by the clock nothing has changed"
    await objects.create("c/snapshot/1", b"x")
    assert await objects.first_keys("", 9) == ["a/snapshot/1", "b/snapshot/1", "c/snapshot/1"]


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


async def test_whole_folder_goes_and_its_neighbours_stay(objects: ObjectStore) -> None:
    for key in ("d/snapshot/1", "d/history/1", "d/2", "da/1", "!deleted/d/1"):
        await objects.create(key, b"body")
    await objects.delete_all("d/")
    await objects.delete_all("d/")  # again is harmless
    assert await objects.list("d/") == []
    assert [await objects.read(key) for key in ("da/1", "!deleted/d/1")] == [b"body", b"body"]


async def test_what_a_killed_process_left_goes_with_its_folder(tmp_path: Path) -> None:
    objects = LocalFolder(str(tmp_path))
    await objects.create("d/snapshot/1", b"body")
    (tmp_path / "d" / "snapshot" / ".staged-left-by-a-crash").write_bytes(b"half")
    await objects.delete_all("d/")
    assert await asyncio.to_thread(lambda: list(tmp_path.rglob("*"))) == []
