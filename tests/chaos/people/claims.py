"""Claims to hold what was never given, and offers of it: under made-up macs, and under those of another document."""

from typing import Any

from coedit.protocol.codec import Codec
from tests.chaos.people.scene import Scene, attack
from tests.integration.raw_client import RawClient

_FAR = 10**12
_OFFERS = 8

_Genuine = dict[str, Any]
"""The ack of an edit in a document of the attacker's own: mac, key and time are the server's."""


@attack("forged-claims")
async def claim(scene: Scene) -> None:
    """Open documents of others at revisions that never were, and offer commits that are not theirs."""
    genuine = await _write_own(scene)
    revisions = [_FAR, scene.rng.choice([2**53 - 1, _FAR + 7, 500_000])]
    await scene.together(
        *(_claim_one(scene, name, far, genuine) for name in (*scene.others, scene.own()) for far in revisions)
    )


async def _write_own(scene: Scene) -> _Genuine:
    name = scene.own()
    async with scene.client() as client:
        await client.hello()
        await client.open(name)
        about = {"client_sequence": 1, "epoch": 1, "base_revision": 0, "delta": [{"insert": "mine"}]}
        await client.send({"type": "submit", "document": name, **about})
        return await scene.answer(client, "ack") or {}


async def _claim_one(scene: Scene, name: str, revision: int, genuine: _Genuine) -> None:
    async with scene.client(scene.rng.choice(list(Codec))) as client:
        await client.hello()
        epoch = scene.rng.choice([1, 1, 2, 7])
        claimed = {"epoch": epoch, "revision": revision, "mac": _mac(scene, genuine)}
        await client.send({"type": "open", "document": name, **claimed})
        answer = await scene.answer(client, "opened", "recall")
        held = answer if answer and answer["type"] == "recall" else {"revision": revision, "mac": ""}
        for _ in range(_OFFERS if held is answer else 1):
            await _offer(scene, client, name, held, genuine)
        await scene.answer(client, "opened")


async def _offer(scene: Scene, client: RawClient, name: str, held: dict[str, Any], genuine: _Genuine) -> None:
    """What would come next, behind what the server says that it has."""
    commit = {"revision": held["revision"] + 1, "epoch": 1, "delta": [{"insert": "forged"}], "author": "ada"}
    commit |= {"client_id": "forger", "client_sequence": 1, "at": genuine.get("at", 1763900000000)}
    commit |= {"mac": _mac(scene, genuine), "key_id": genuine.get("key_id", "00000000")}
    before = scene.rng.choice([held["mac"], _mac(scene, genuine)])
    await client.send({"type": "offer", "document": name, "before": before, "commits": [commit]})


def _mac(scene: Scene, genuine: _Genuine) -> str:
    made_up = f"{scene.rng.randrange(2**128):032x}"
    return str(scene.rng.choice([made_up, genuine.get("mac", made_up)]))
