"""Items of Yjs clients between others that no editor can have seen side by side."""

from coedit.protocol.yjs.sync import write_update
from coedit.protocol.yjs.update import decode_state_vector
from tests.chaos.people.scene import MIXED, Scene, attack
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.property.test_neighbours import OddWriter

_WRITERS = 4
_UPDATES = 8


@attack("odd-neighbours")
async def put_between(scene: Scene) -> None:
    """In a document of one's own and in one of many: made-up origins, some that are in order and some that are not."""
    names = [scene.own(), MIXED]
    await scene.together(*(_write(scene, name) for name in names for _ in range(_WRITERS)))


async def _write(scene: Scene, name: str) -> None:
    """Send updates until one is refused; whoever is sent away comes back as somebody else."""
    writer = OddWriter(scene.rng, collected=0.1, again=0.1)
    kind = scene.rng.choice([YjsClient, HocuspocusClient])
    async with kind(scene.gateway, name) as client:
        await client.until_synced()
        for _ in range(_UPDATES):
            writer.known = decode_state_vector(client.doc.get_state())
            await client.send(write_update(writer.update()))
        scene.answers[str(client.close_code or "kept")] += 1
