"""What an attacker has at hand, and the registry of attacks.

An attack is one round: it does its harm once, and is called again until its time is up. To add one, write a coroutine
function that takes a `Scene`, decorate it with `attack`, and name its module in `kinds`.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from coedit.protocol.codec import Codec
from tests.integration.raw_client import RawClient

OWN = "people/"
"""What the names of attackers' own documents begin with: nobody else is in them."""
MIXED = "market day"
"""The document in which attackers and others edit together: what is done there must hurt none of the others."""
LEFT_OPEN = "left open"
"""The answer to who was to be sent away, and was not."""
UNAVAILABLE = "503 for what is no fault of a server's"
_ANSWER_SECONDS = 3.0
"""How long an attacker waits for an answer: he has no patience, and it is not he who is to be served."""
_PROBLEMS = (aiohttp.ClientError, OSError, TimeoutError, AssertionError, EOFError)
"""How it shows that a gateway is gone, has hung up, or answers too late; attackers take it lightly."""


@dataclass(slots=True)
class Scene:
    """Where to attack, whom, and what came of it; ``rng`` is seeded by the plan."""

    gateways: list[str]
    others: list[str]
    """Documents of other people, in which an attacker must not write, but may do all else."""
    rng: random.Random
    answers: Counter[str] = field(default_factory=Counter)
    """Error codes, close codes and statuses, by how often they came; ``gone`` where nothing came at all."""
    rounds: int = 0

    @property
    def gateway(self) -> str:
        """Any gateway."""
        return self.rng.choice(self.gateways)

    def own(self) -> str:
        """Return the name of a new document of the attacker's own."""
        return f"{OWN}{self.rng.randrange(2**48):x}"

    def client(self, codec: Codec = Codec.JSON) -> AbstractAsyncContextManager[RawClient]:
        """Return a raw client of any gateway, to be entered."""
        return RawClient(self.gateway, codec)

    async def say(self, client: RawClient, codec: Codec, message: dict[str, Any]) -> None:
        """Send a message in as few bytes as it can have, so that as much as is allowed fits into a frame."""
        if codec is Codec.JSON:
            await client.send_raw(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        else:
            await client.send(message)

    async def answer(self, client: RawClient, *kinds: str) -> dict[str, Any] | None:
        """Return the next message of these kinds or the next error, noted; None when the connection has ended."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while True:
                    message = await client.receive()
                    if isinstance(message, int):
                        self.answers[str(message)] += 1
                        return None
                    if message["type"] == "error":
                        self.answers[message["code"]] += 1
                        return message
                    if message["type"] in kinds:
                        self.answers[message["type"]] += 1
                        return message
        except TimeoutError:
            self.answers["no answer"] += 1
            return None

    async def together(self, *attempts: Awaitable[object]) -> None:
        """Make attempts at once; none ends another."""
        await asyncio.gather(*(self.attempt(each) for each in attempts))

    async def attempt(self, attempt: Awaitable[object]) -> None:
        """Wait for an attempt, and note it where nothing came of it."""
        try:
            await attempt
        except _PROBLEMS:
            self.answers["gone"] += 1


Attack = Callable[[Scene], Awaitable[None]]
ATTACKS: dict[str, Attack] = {}


def attack(kind: str) -> Callable[[Attack], Attack]:
    """Make an attack known under a name."""

    def register(function: Attack) -> Attack:
        ATTACKS[kind] = function
        return function

    return register
