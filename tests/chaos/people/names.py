"""Crowds that are one person: thousands of names in the rosters of others' documents."""

import asyncio
import json

from coedit.protocol.codec import Codec
from coedit.protocol.yjs.awareness import Entry, write_entries
from coedit.protocol.yjs.sync import write_awareness
from tests.chaos.people.scene import MIXED, Scene, attack
from tests.integration.yjs_client import YjsClient

_CLIENTS = 15
_NAMES = 200


@attack("many-names")
async def be_many(scene: Scene) -> None:
    """Change name and colour without a pause, in every document, and speak for ids of others over Yjs."""
    await scene.together(*(_rename(scene) for _ in range(_CLIENTS)), _speak_for_all(scene))


async def _rename(scene: Scene) -> None:
    names = [*scene.others, MIXED]
    async with scene.client(scene.rng.choice(list(Codec))) as client:
        await client.hello(author=f"many {scene.rng.randrange(10**6)}")
        name = scene.rng.choice(names)
        opened = await client.open(name)
        for number in range(_NAMES):
            about = {"revision": opened["revision"], "name": f"n {number} 😀", "colour": f"#{number:06x}"}
            caret = {"anchor": scene.rng.randrange(10**9), "head": 0}
            await client.send({"type": "presence", "document": name, "caret": caret, **about})
        await scene.answer(client, "error")


async def _speak_for_all(scene: Scene) -> None:
    async with YjsClient(scene.gateway, MIXED) as speaker:
        await speaker.until_synced()
        for _ in range(20):
            state = json.dumps({"user": {"name": "x" * 3000, "color": "#ff0000"}})
            ids = [scene.rng.randrange(1, 2**35) for _ in range(100)]
            await speaker.send(write_awareness(write_entries([Entry(each, 1, state) for each in ids])))
        await asyncio.sleep(0.5)
        scene.answers[str(speaker.close_code or "kept")] += 1
