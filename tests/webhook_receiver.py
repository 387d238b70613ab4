"""An application that is told what happens, for tests: it checks who tells it, as PyPI's standardwebhooks does."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

SECRET = "whsec_" + "c2lnbmVkIGJ5IHRoaXMgc2VjcmV0IG9mIG1hbnkgYnl0ZXM="
OTHER_SECRET = "whsec_" + "YW5vdGhlciBzZWNyZXQgdGhhdCB0YWtlcyBvdmVyIHNvb24="


@dataclass(frozen=True)
class Told:
    """One request: which event, by which id, and when it came by this loop's clock."""

    webhook_id: str
    event: dict[str, Any]
    at: float

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data


Answer = Callable[[Told], Awaitable[web.Response]]


async def _take(_: Told) -> web.Response:
    return web.Response(status=204)


@dataclass
class Receiver:
    """Takes what is told, and answers as ``answer`` says."""

    url: str = ""
    answer: Answer = _take
    told: list[Told] = field(default_factory=list)
    secrets: tuple[str, ...] = (SECRET,)

    def of(self, kind: str) -> list[Told]:
        """Return what was told of this type."""
        return [told for told in self.told if told.event["type"] == kind]

    def setting(self, **more: object) -> dict[str, object]:
        """Return itself as an endpoint of COEDIT_WEBHOOK_ENDPOINTS."""
        return {"url": self.url, "secret": " ".join(self.secrets)} | more

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        for secret in self.secrets:
            Webhook(secret).verify(body.decode(), dict(request.headers))
        now = asyncio.get_running_loop().time()
        told = Told(request.headers["webhook-id"], json.loads(body), now)
        self.told.append(told)
        return await self.answer(told)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Run one, on loopback."""
    found = Receiver()
    app = web.Application()
    app.router.add_post("/hooks", found.handle)
    server = TestServer(app)
    await server.start_server()
    found.url = str(server.make_url("/hooks"))
    try:
        yield found
    finally:
        await server.close()


def settings_of(endpoints: dict[str, dict[str, object]], **more: object) -> dict[str, str]:
    """Return variables for these endpoints on loopback, tried again soon; ``more`` without COEDIT_WEBHOOK_."""
    settings = {
        "endpoints": json.dumps(endpoints),
        "private": 1,
        "quiet_seconds": 0.1,
        "retry_seconds": "0.1,0.1",
    }
    return {f"COEDIT_WEBHOOK_{name.upper()}": str(value) for name, value in (settings | more).items()}
