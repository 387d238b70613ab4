"""Claims to hold what was never given, and offers of it."""

from coedit.protocol.codec import Codec
from tests.chaos.people.scene import Scene, attack
from tests.integration.raw_client import RawClient

_FAR = 10**12
_OFFERS = 8


@attack("forged-claims")
async def claim(scene: Scene) -> None:
    """Open documents of others at revisions that never were, and offer commits under made-up macs."""
    revisions = [_FAR, scene.rng.choice([2**53 - 1, _FAR + 7, 500_000])]
    await scene.together(
        *(_claim_one(scene, name, far) for name in (*scene.others, scene.own()) for far in revisions)
    )


async def _claim_one(scene: Scene, name: str, revision: int) -> None:
    async with scene.client(scene.rng.choice(list(Codec))) as client:
        await client.hello()
        epoch = scene.rng.choice([1, 1, 2, 7])
        claimed = {"epoch": epoch, "revision": revision, "mac": _mac(scene)}
        await client.send({"type": "open", "document": name, **claimed})
        answer = await scene.answer(client, "opened", "recall")
        for _ in range(_OFFERS if answer and answer["type"] == "recall" else 1):
            await _offer(scene, client, name, revision)
        await scene.answer(client, "opened")


async def _offer(scene: Scene, client: RawClient, name: str, revision: int) -> None:
    commit = {
        "revision": revision,
        "epoch": 1,
        "delta": [{"insert": "forged"}],
        "author": "ada",
        "client_id": "forger",
        "client_sequence": 1,
        "at": 1763900000000,
        "mac": _mac(scene),
        "key_id": "00000000",
    }
    await client.send({"type": "offer", "document": name, "before": _mac(scene), "commits": [commit]})


def _mac(scene: Scene) -> str:
    return f"{scene.rng.randrange(2**128):032x}"
