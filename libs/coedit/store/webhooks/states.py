"""Which endpoints there are, and which of them said that they are gone: ``webhooks:{0}``."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from coedit.protocol.webhooks.endpoints import Endpoint
from coedit.store.keys import WEBHOOKS
from coedit.store.redis.topology import Nodes


@dataclass(frozen=True, slots=True)
class State:
    """What all processes know of an endpoint."""

    digest: str
    """Of its address: another one is another endpoint."""
    events: tuple[str, ...]
    disabled_at_ms: int = 0
    """Since when it is told nothing; 0: it is told."""

    @property
    def is_disabled(self) -> bool:
        """Whether it is told nothing."""
        return self.disabled_at_ms > 0


class EndpointStates:
    """The endpoints, in Redis; written by snapshotters, who know them, and by gateways, who enable them again.

    Every method raises RedisError or OSError where Redis cannot do it now; doing it again is harmless.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def all(self) -> dict[str, State]:
        """Return the endpoints by name."""
        found: Any = await self._nodes.of(WEBHOOKS).hgetall(WEBHOOKS)
        return {name.decode(): _state(stored) for name, stored in found.items()}

    async def note(self, endpoints: Collection[Endpoint]) -> dict[str, State]:
        """Have these endpoints known, and no others; return them. One whose address is another is enabled again."""
        known = await self.all()
        wanted = {
            endpoint.name: State(endpoint.digest, tuple(sorted(endpoint.events))) for endpoint in endpoints
        }
        redis = self._nodes.of(WEBHOOKS)
        for name, state in wanted.items():
            before = known.get(name)
            if before is not None and (before.digest, before.events) == (state.digest, state.events):
                wanted[name] = before
            else:
                kept = before.disabled_at_ms if before is not None and before.digest == state.digest else 0
                wanted[name] = State(state.digest, state.events, kept)
                await redis.hset(WEBHOOKS, name, _stored(wanted[name]))
        for name in known.keys() - wanted.keys():
            await redis.hdel(WEBHOOKS, name)
        return wanted

    async def disable(self, name: str, state: State) -> State:
        """Tell an endpoint nothing any more; return its state."""
        redis = self._nodes.of(WEBHOOKS)
        seconds, microseconds = await redis.time()
        disabled = State(state.digest, state.events, int(seconds) * 1000 + int(microseconds) // 1000)
        await redis.hset(WEBHOOKS, name, _stored(disabled))
        return disabled

    async def enable(self, name: str) -> bool:
        """Tell an endpoint again what happens; return False where there is none."""
        state = (await self.all()).get(name)
        if state is None:
            return False
        await self._nodes.of(WEBHOOKS).hset(WEBHOOKS, name, _stored(State(state.digest, state.events)))
        return True


def _stored(state: State) -> bytes:
    return orjson.dumps([state.digest, list(state.events), state.disabled_at_ms])


def _state(stored: bytes) -> State:
    digest, events, disabled_at_ms = orjson.loads(stored)
    return State(digest, tuple(events), disabled_at_ms)
