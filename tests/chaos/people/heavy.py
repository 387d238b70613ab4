"""Edits that are allowed, and heavy: each is one frame of somebody who may write."""

import asyncio
from typing import Any

from pycrdt import Text

from coedit.protocol.codec import Codec
from coedit.protocol.yjs.sync import write_update
from tests.chaos.people.scene import Scene, attack
from tests.integration.raw_client import RawClient
from tests.integration.yjs_client import YjsClient
from tests.many_splits import deleting, formatting, inserting, typed, typed_with_letters_in_it

_FLOOD_CHARACTERS = 1_000_000
_FLOODED = 4
_RUNS = 5_000
_STORM_RUNS = 2_000
_STORM_FORMATS = 300
_MOST_OPS = 20_000
_SPLIT_UNITS = 40_000


@attack("emoji-flood")
async def flood(scene: Scene) -> None:
    """A million of one character, 4 MB, into four documents at once; not always one outside the BMP."""
    character = scene.rng.choice(["😀", "😀", "é", "\U0010ffff"])
    delta = [{"insert": character * (_FLOOD_CHARACTERS if len(character.encode()) == 4 else _RUNS)}]
    await scene.together(*(_submit(scene, scene.own(), delta) for _ in range(_FLOODED)))


@attack("many-runs")
async def paste_runs(scene: Scene) -> None:
    """A paste of thousands of runs of alternating formats, into a document that a Yjs client has open."""
    name = scene.own()
    async with YjsClient(scene.gateway, name) as guest:
        await guest.until_synced()
        await guest.edit(lambda text: text.insert(0, "here: "))
        await _submit(scene, name, _runs(_RUNS))


@attack("most-ops")
async def send_most_ops(scene: Scene) -> None:
    """As many ops as a delta may have: inserts, then formats of each, then deletes between them."""
    name = scene.own()
    half = _MOST_OPS // 2
    embeds = [{"insert": {"image": "x"}, "attributes": {"n": n % 7}} for n in range(half)]
    stripes: list[dict[str, Any]] = [{"retain": 1, "attributes": {"bold": n % 2 == 0}} for n in range(half)]
    gaps: list[dict[str, Any]] = [op for _ in range(half // 2) for op in ({"retain": 1}, {"delete": 1})]
    async with scene.client(Codec.MSGPACK) as client:
        await client.hello()
        for delta in (embeds, stripes, gaps):
            await _submit_by(scene, client, Codec.MSGPACK, name, delta)


@attack("format-storm")
async def format_often(scene: Scene) -> None:
    """Hundreds of small formats in one turn, by a Yjs client, over a text of many runs."""
    name = scene.own()
    async with YjsClient(scene.gateway, name) as stormy:
        await stormy.until_synced()
        await stormy.edit(_write_runs)
        length = len(bytes(str(stormy.text), "utf-8"))

        def storm(text: Text) -> None:
            for _ in range(_STORM_FORMATS):
                start = scene.rng.randrange(length - 2)
                text.format(start, start + 2, {"italic": scene.rng.choice([True, None])})

        await stormy.edit(storm)
        await asyncio.sleep(1)
        scene.answers[str(stormy.close_code or "kept")] += 1


@attack("split-everywhere")
async def split_everywhere(scene: Scene) -> None:
    """One long string split at every other unit by one update, from its end to its beginning."""
    name = scene.own()
    text = scene.rng.choice(["a" * _SPLIT_UNITS, "😀" * (_SPLIT_UNITS // 2)])
    places = range(_SPLIT_UNITS - 2, 0, -2)
    split = scene.rng.choice(
        [
            [typed(text), deleting((place, 1) for place in places)],
            [typed(text), inserting(places)],
            [typed(text), formatting(places)],
            [typed_with_letters_in_it(text, places)],
        ]
    )
    async with YjsClient(scene.gateway, name) as splitter:
        await splitter.until_synced()
        for update in split:
            await splitter.send(write_update(update))
        await asyncio.sleep(1)
        scene.answers[str(splitter.close_code or "kept")] += 1


@attack("far-behind")
async def rebase_far(scene: Scene) -> None:
    """Edits on the empty document, when others have made it a text of many revisions."""
    name = scene.own()
    async with scene.client() as writer, scene.client(Codec.MSGPACK) as late:
        for client in (writer, late):
            await client.hello()
        await late.open(name)
        for _ in range(40):
            await _submit_by(scene, writer, Codec.JSON, name, _runs(60))
        await late.send(_submission(name, 1, 0, 1, _runs(_RUNS)))
        await scene.answer(late, "ack")


def _runs(count: int) -> list[dict[str, Any]]:
    return [
        {"insert": "ab", "attributes": {"bold": True}} if n % 2 else {"insert": "cd"} for n in range(count)
    ]


def _write_runs(text: Text) -> None:
    for number in range(_STORM_RUNS):
        text.insert(2 * number, "ab", {"bold": number % 2 == 0})


async def _submit(scene: Scene, name: str, delta: list[dict[str, Any]]) -> None:
    codec = scene.rng.choice(list(Codec))
    async with scene.client(codec) as client:
        await client.hello()
        await _submit_by(scene, client, codec, name, delta)


async def _submit_by(
    scene: Scene, client: RawClient, codec: Codec, name: str, delta: list[dict[str, Any]]
) -> None:
    """Open afresh, as a new client of the document, and submit once."""
    opened = await client.open(name, renew=True)
    await scene.say(client, codec, _submission(name, 1, opened["revision"], opened["epoch"], delta))
    await scene.answer(client, "ack")


def _submission(
    name: str, sequence: int, base: int, epoch: int, delta: list[dict[str, Any]]
) -> dict[str, Any]:
    about = {"type": "submit", "document": name, "client_sequence": sequence}
    return about | {"epoch": epoch, "base_revision": base, "delta": delta}
