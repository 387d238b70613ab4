"""A Yjs client that puts items where no editor can: it is refused, and everybody else has one text, now and later."""

import random

import pytest

from coedit.client import connect
from coedit.crdt.document import YjsDocument
from coedit.errors import InvalidUpdateError
from coedit.protocol.yjs.sync import write_update
from coedit.protocol.yjs.update import decode_state_vector, decode_update
from tests.conftest import MakeSystem
from tests.integration.yjs_client import YjsClient
from tests.property.test_neighbours import OddWriter
from tests.system import System, eventually
from tests.yjs.convergence import stored
from tests.yjs.test_snapshots import SOON, snapshot_at

_TYPED = bytes.fromhex("01010500040107636f6e74656e740361626300")
"""Client 5 writes `abc`."""
_TYPED_IN_TWO = (
    bytes.fromhex("01010700040107636f6e74656e7402656800"),
    bytes.fromhex("01010702840701016300"),
)
"""Client 7 writes `ehc`."""
_COLLECTED = bytes.fromhex("010207000002000200")
"""Its items up to clock 4 were collected, of which three are there."""
_BEHIND_IT = bytes.fromhex("01010704840703016100")
"""An `a` behind the fourth."""
_ODD = {
    "right before left": bytes((1, 1, 7, 0, 0xC4, 5, 2, 5, 1)) + b"\1z\0",
    "right is left": bytes((1, 1, 7, 0, 0xC4, 5, 1, 5, 1)) + b"\1z\0",
    "from the beginning to where b was written behind a": bytes((1, 1, 7, 0, 0x44, 5, 1)) + b"\1z\0",
}


async def _all_have_one_text(system: System, name: str, reader: YjsClient) -> None:
    """Check that who was there, who comes, OT clients, REST and the snapshot have one text after one more edit."""
    async with connect(system.url) as session, YjsClient(system.url, name) as joiner:
        olga = await session.open(name)
        await olga.insert(0, "and on ")
        await eventually(lambda: olga.saved, "the OT client's edit is saved")
        await reader.until_text(olga.text)
        await joiner.until_text(olga.text)
        assert stored(system.url, name) == olga.content
        snapshot = await snapshot_at(system, name, olga.revision)
        loaded = YjsDocument(snapshot.document_id, snapshot.update)
        assert loaded.render() == snapshot.document == olga.content


@pytest.mark.parametrize("update", _ODD.values(), ids=_ODD.keys())
async def test_update_between_what_never_were_neighbours_is_refused_and_nobody_notices(
    make_system: MakeSystem, update: bytes
) -> None:
    system = make_system(settings=SOON)
    async with YjsClient(system.url, "odd") as reader:
        async with YjsClient(system.url, "odd") as eve:
            await eve.until_synced()
            await eve.send(write_update(_TYPED))
            await reader.until_text("abc")
            await eve.send(write_update(update))
            assert await eve.until_closed() == 4422
            await eve.reconnect()
            await eve.until_synced()
            await eve.edit(lambda text: text.insert(3, "!"))
            await reader.until_text("abc!")
        await _all_have_one_text(system, "odd", reader)


async def test_update_behind_what_was_collected_is_refused_and_nobody_notices(
    make_system: MakeSystem,
) -> None:
    system = make_system(settings=SOON)
    async with YjsClient(system.url, "gone") as reader:
        async with YjsClient(system.url, "gone") as eve:
            await eve.until_synced()
            for typed in _TYPED_IN_TWO:
                await eve.send(write_update(typed))
            await reader.until_text("ehc")
            await eve.send(write_update(_COLLECTED))
            await eve.send(write_update(_BEHIND_IT))
            assert await eve.until_closed() == 4422
        await _all_have_one_text(system, "gone", reader)


async def test_what_waited_is_refused_to_its_own_author_alone(make_system: MakeSystem) -> None:
    system = make_system(settings=SOON)
    before_what_it_rests_on = bytes((1, 1, 7, 0, 0xC4, 9, 0, 5, 0)) + b"\1z\0"
    at_the_end = bytes((1, 1, 9, 0, 0x84, 5, 2)) + b"\1d\0"
    async with YjsClient(system.url, "waits") as eve, YjsClient(system.url, "waits") as bob:
        await bob.until_synced()
        await bob.send(write_update(_TYPED))
        await eve.until_text("abc")
        await eve.send(write_update(before_what_it_rests_on))
        await eve.until(lambda: _questions(eve) > 1, "the update is held, and what it rests on asked for")
        await bob.send(write_update(at_the_end))
        assert await eve.until_closed() == 4422
        await bob.until_text("abcd")
        await _all_have_one_text(system, "waits", bob)


async def test_whatever_neighbours_are_named_everybody_has_one_text(
    make_system: MakeSystem, seed: int
) -> None:
    system, rng = make_system(settings=SOON), random.Random(seed)
    async with YjsClient(system.url, "any") as reader, YjsClient(system.url, "any") as eve:
        await eve.until_synced()
        await eve.send(write_update(_TYPED))
        await eve.until_text("abc")
        writer = OddWriter(rng, collected=0.1, again=0.1)
        for _ in range(60):
            writer.known = decode_state_vector(eve.doc.get_state())
            await _say(eve, writer.update())
        await _all_have_one_text(system, "any", reader)


async def test_order_of_a_large_document_is_told_beside_the_batches(
    make_system: MakeSystem, seed: int
) -> None:
    """Who writes between what two wrote at one place at the same time is served, and who makes it up is refused."""
    system, rng = make_system(settings=SOON), random.Random(seed)
    async with (
        YjsClient(system.url, "large", client=11) as ada,
        YjsClient(system.url, "large", client=12) as bob,
    ):
        await ada.until_synced()
        with ada.doc.transaction():
            for _ in range(12_000):
                ada.text.insert(rng.randrange(len(ada.text) + 1), "x")
        await ada.edit(lambda _: None)
        await bob.until_text(str(ada.text))
        put_off = _put_off(system)
        assert put_off == 1, "the large update, to be decoded"
        await ada.edit(lambda text: text.insert(3_000, "a"))
        await bob.edit(lambda text: text.insert(3_000, "b"))
        await ada.until(lambda: len(ada.text) == 12_002, "both letters")
        await bob.until(lambda: len(bob.text) == 12_002, "both letters")
        await ada.until_text(str(bob.text))
        await ada.edit(lambda text: text.insert(3_001, "between"))
        await bob.until_text(str(ada.text))
        assert _put_off(system) == put_off + 1
        async with YjsClient(system.url, "large") as eve:
            await eve.until_synced()
            made_up = bytes((1, 1, 7, 0, 0xC4, 11, 3, 11, 3)) + b"\1z\0"  # behind what it is in front of
            await eve.send(write_update(made_up))
            assert await eve.until_closed() == 4422
        assert _put_off(system) == put_off + 2
        await _all_have_one_text(system, "large", bob)


async def test_update_at_more_places_than_are_remembered_is_taken(make_system: MakeSystem) -> None:
    """As where something is replaced everywhere in a large text."""
    system = make_system(settings=SOON)
    async with YjsClient(system.url, "places") as ada, YjsClient(system.url, "places") as bob:
        await ada.until_synced()
        await ada.edit(lambda text: text.insert(0, "twenty characters ..." * 3_500))
        await bob.until_text(str(ada.text))
        with ada.doc.transaction():
            for number in reversed(range(3_500)):
                ada.text.insert(number * 21, "a phrase ")
        await ada.edit(lambda _: None)
        await bob.until_text(str(ada.text))
        await ada.edit(lambda text: text.insert(0, "and on "))
        await bob.until_text(str(ada.text))


def _put_off(system: System) -> int:
    lines = system.metrics("transformer-0").splitlines()
    name = 'coedit_transformer_yjs_updates_total{outcome="put-off"}'
    return next((int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name)), 0)


def _questions(client: YjsClient) -> int:
    return sum(message[:2] == b"\0\0" for message in client.received)


async def _say(eve: YjsClient, update: bytes) -> None:
    """Send an update, and wait until it is refused, or everybody is told of it."""
    try:
        ends = {block.client: block.end for block in decode_update(update).blocks}
    except InvalidUpdateError:
        ends = {}
    await eve.send(write_update(update))

    def is_decided() -> bool:
        known = decode_state_vector(eve.doc.get_state())
        return eve.close_code is not None or all(known.get(one, 0) >= end for one, end in ends.items())

    await eve.until(is_decided, "the update is decided")
    if eve.close_code is not None:
        assert eve.close_code == 4422
        await eve.reconnect()
        await eve.until_synced()
