"""Named versions: written once, never changed."""

import asyncio
from dataclasses import replace

import pytest

from coedit.errors import (
    DamagedError,
    InvalidIdentifierError,
    TooLargeError,
    UnknownVersionError,
    VersionExistsError,
)
from coedit.identifiers import AuthorId, DocumentId, Revision, document_id, escape, version_name
from coedit.store.objects import versions as module
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.versions import Version, Versions, decode_version, encode_version

DOCUMENT = DocumentId("a/b.c")
FIRST = Version(version_name("first / draft."), Revision(7), 1, "ab12", AuthorId("ada"), 1_700_000_000_000)


@pytest.fixture(params=["memory://", "file"])
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    is_file = request.param == "file"
    return open_object_store(tmp_path_factory.mktemp("objects").as_uri() if is_file else request.param)


async def test_version_comes_back_as_it_was_made(objects: ObjectStore) -> None:
    versions = Versions(objects)
    assert await versions.create(DOCUMENT, FIRST) == FIRST
    assert await versions.read(DOCUMENT, FIRST.name) == FIRST
    assert await versions.names(DOCUMENT) == [FIRST.name]
    assert await versions.names(DocumentId("a")) == []


async def test_same_name_for_the_same_is_the_version_that_is_there(objects: ObjectStore) -> None:
    versions = Versions(objects)
    await versions.create(DOCUMENT, FIRST)
    again = replace(FIRST, author=AuthorId("bob"), at=FIRST.at + 5)
    assert await versions.create(DOCUMENT, again) == FIRST


@pytest.mark.parametrize("other", [{"revision": Revision(8)}, {"mac": "cd"}, {"epoch": 2}])
async def test_name_is_never_given_to_something_else(objects: ObjectStore, other: dict[str, object]) -> None:
    versions = Versions(objects)
    await versions.create(DOCUMENT, FIRST)
    with pytest.raises(VersionExistsError):
        await versions.create(DOCUMENT, replace(FIRST, **other))  # type: ignore[arg-type]
    assert await versions.read(DOCUMENT, FIRST.name) == FIRST


async def test_many_are_read_in_order_and_some_at_a_time(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = Versions(objects)
    names = [version_name(f"{number:02}") for number in range(40)]
    for name in names:
        await versions.create(DOCUMENT, replace(FIRST, name=name))
    under_way, most = 0, 0
    read = objects.read

    async def counted(key: str) -> bytes | None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await read(key)

    monkeypatch.setattr(objects, "read", counted)
    assert [version.name for version in await versions.read_all(DOCUMENT, names)] == names
    assert 1 < most <= 16
    with pytest.raises(UnknownVersionError):
        await versions.read_all(DOCUMENT, [*names, version_name("none")])


async def test_names_go_on_behind_one(objects: ObjectStore) -> None:
    versions = Versions(objects)
    for name in ("b", "a", "c ä"):
        await versions.create(DOCUMENT, replace(FIRST, name=version_name(name)))
    assert await versions.names(DOCUMENT) == ["a", "b", "c ä"]
    assert await versions.names(DOCUMENT, "a") == ["b", "c ä"]


async def test_name_that_nobody_gave_is_unknown(objects: ObjectStore) -> None:
    with pytest.raises(UnknownVersionError):
        await Versions(objects).read(DOCUMENT, version_name("none"))


async def test_versions_are_bounded(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VERSIONS", 1)
    versions = Versions(objects)
    await versions.create(DOCUMENT, FIRST)
    with pytest.raises(TooLargeError):
        await versions.create(DOCUMENT, replace(FIRST, name=version_name("two")))


def test_altered_object_is_damaged() -> None:
    body = encode_version(FIRST)
    for altered in (body.replace(b"ada", b"eve"), b"", b"\x80", body[:-1]):
        with pytest.raises(DamagedError):
            decode_version(altered)


@pytest.mark.parametrize("name", ["", "a\n", "x" * 81, "ä" * 41, "\ud800"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidIdentifierError):
        version_name(name)


def test_longest_key_fits_s3() -> None:
    key = f"{escape(document_id('.' * 255))}/version/{escape(version_name('.' * 80))}"
    assert len(key) <= 1024
