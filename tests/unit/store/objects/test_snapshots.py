import asyncio
from dataclasses import replace

import msgpack
import pytest
from pycrdt import Doc, Text

from coedit.crdt.document import YjsDocument
from coedit.errors import DamagedError
from coedit.identifiers import ClientId, ClientSequence, DocumentId, Revision, escape
from coedit.ot.delta import Delta
from coedit.ot.parts.ops import Insert
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.rendered import Rendered
from coedit.store.objects.snapshots import Snapshot, Snapshots, decode_snapshot, encode_snapshot

DOCUMENT_ID = DocumentId("room a/b?x")


@pytest.fixture
def objects() -> ObjectStore:
    return open_object_store("memory://")


def snapshot(number: int = 1, text: str = "Grüße 😀") -> Snapshot:
    document = Delta().insert(text).insert("fett", {"bold": True, "size": 3}).insert({"image": {"w": 1.5}})
    yjs = YjsDocument(DOCUMENT_ID)
    yjs.fold(document)
    return Snapshot(
        document_id=DOCUMENT_ID,
        number=number,
        revision=Revision(number * 10),
        epoch=2,
        mac="ab12",
        state_vector=yjs.state_vector(),
        update=yjs.update(),
        rendered=Rendered(document),
        last_sequences={ClientId("c1"): ClientSequence(7)},
    )


SNAPSHOT = snapshot()


async def test_snapshot_comes_back_as_it_was_stored(objects: ObjectStore) -> None:
    snapshots = Snapshots(objects)
    assert await snapshots.create(SNAPSHOT)
    assert await snapshots.read(DOCUMENT_ID, 1) == SNAPSHOT == await snapshots.newest(DOCUMENT_ID)


async def test_missing_snapshot_is_none(objects: ObjectStore) -> None:
    assert await Snapshots(objects).newest(DOCUMENT_ID) is None
    assert await Snapshots(objects).read(DOCUMENT_ID, 1) is None


@pytest.mark.parametrize("known_number", [0, 1, 2, 9, 12])
async def test_newest_has_the_highest_number(objects: ObjectStore, known_number: int) -> None:
    snapshots = Snapshots(objects)
    for number in range(1, 13):
        await snapshots.create(snapshot(number))
    newest = await snapshots.newest(DOCUMENT_ID, known_number)
    assert newest is not None
    assert newest.number == 12


async def test_race_for_a_number_has_one_winner(objects: ObjectStore) -> None:
    candidates = [snapshot(text=f"by {racer}") for racer in range(5)]
    won = await asyncio.gather(*(Snapshots(objects).create(candidate) for candidate in candidates))
    assert won.count(True) == 1
    assert await Snapshots(objects).read(DOCUMENT_ID, 1) == candidates[won.index(True)]


async def test_pruning_keeps_the_newest(objects: ObjectStore) -> None:
    snapshots = Snapshots(objects)
    for number in range(1, 8):
        await snapshots.create(snapshot(number))
    assert await snapshots.prune(DOCUMENT_ID, 3) == 4
    assert await snapshots.prune(DOCUMENT_ID, 3) == 0
    assert await snapshots.read(DOCUMENT_ID, 4) is None
    assert await snapshots.read(DOCUMENT_ID, 5) == snapshot(5)
    newest = await snapshots.newest(DOCUMENT_ID, 3)
    assert newest == snapshot(7)


def test_update_inside_is_plain_yjs() -> None:
    parts = msgpack.unpackb(encode_snapshot(SNAPSHOT))
    doc: Doc = Doc()  # type: ignore[type-arg]
    doc.apply_update(parts["update"])
    assert str(doc.get("content", type=Text)).startswith("Grüße 😀fett")


def test_document_may_have_more_runs_than_a_client_may_send() -> None:
    document = Delta([Insert({"hr": True})] * 100_001)
    stored = encode_snapshot(replace(SNAPSHOT, rendered=Rendered(document)))
    assert decode_snapshot(stored).document == document


@pytest.mark.parametrize("part", ["header", "update", "document", "checksum"])
def test_altered_part_is_damage(part: str) -> None:
    parts = msgpack.unpackb(encode_snapshot(SNAPSHOT))
    parts[part] = _flipped(parts[part], len(parts[part]) // 2)
    with pytest.raises(DamagedError):
        decode_snapshot(msgpack.packb(parts))


def test_any_altered_byte_is_damage_or_harmless() -> None:
    body = encode_snapshot(SNAPSHOT)
    for index in range(len(body)):
        try:
            found = decode_snapshot(_flipped(body, index))
        except DamagedError:
            continue
        assert found == SNAPSHOT


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\x80", b"not msgpack", b"\xc1", msgpack.packb({"format": 200})]
)
def test_something_else_is_damage(body: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_snapshot(body)


async def test_snapshot_under_another_key_is_damage(objects: ObjectStore) -> None:
    await objects.create(f"{escape(DOCUMENT_ID)}/snapshot/{2:012d}", encode_snapshot(snapshot(1)))
    with pytest.raises(DamagedError):
        await Snapshots(objects).newest(DOCUMENT_ID)


def _flipped(body: bytes, index: int) -> bytes:
    return body[:index] + bytes([body[index] ^ 0x20]) + body[index + 1 :]
