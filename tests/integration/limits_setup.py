"""A system with small limits, and clients of authors and addresses of their own."""

import itertools
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp

from coedit.client import Session, connect
from tests.integration.raw_client import RawClient
from tests.integration.test_access import token
from tests.system import System

SETTINGS = {
    "COEDIT_GATEWAY_OPEN": "0",
    "COEDIT_GATEWAY_TRUSTED_PROXIES": "127.0.0.1",
    "COEDIT_GATEWAY_ADDRESS_CONNECTIONS": "6",
    "COEDIT_GATEWAY_ADDRESS_STRANGERS": "3",
    "COEDIT_GATEWAY_AUTHOR_CONNECTIONS": "3",
    "COEDIT_GATEWAY_OPENS_PER_SECOND": "1",
    "COEDIT_GATEWAY_OPENS_AT_ONCE": "3",
    "COEDIT_GATEWAY_MESSAGES_PER_SECOND": "20",
    "COEDIT_GATEWAY_MESSAGES_AT_ONCE": "40",
    "COEDIT_GATEWAY_BYTES_PER_SECOND": str(256 * 1024),
    "COEDIT_GATEWAY_BYTES_AT_ONCE": str(256 * 1024),
    "COEDIT_GATEWAY_AUTHOR_REQUESTS_PER_SECOND": "2",
    "COEDIT_GATEWAY_AUTHOR_REQUESTS_AT_ONCE": "20",
    "COEDIT_GATEWAY_AUTHOR_MESSAGES_PER_SECOND": "20",
    "COEDIT_GATEWAY_AUTHOR_MESSAGES_AT_ONCE": "80",
}
_addresses = itertools.count(1)


def limited_system(folder: Path) -> System:
    """A system of two gateways, each believed to stand behind a proxy; not started."""
    return System(folder, gateways=2, settings=SETTINGS, acl=True)


def somewhere() -> dict[str, str]:
    """Headers that say that one comes from an address that nobody else has."""
    return {"X-Forwarded-For": f"198.51.100.{next(_addresses)}"}


def raw(url: str, headers: dict[str, str] | None = None) -> RawClient:
    """A client from an address of its own, or of ``headers``."""
    return RawClient(url, headers=headers or somewhere())


def session(url: str, author: str) -> AbstractAsyncContextManager[Session]:
    """A session of our client, from the address of these tests themselves."""
    return connect(url, token=token({"*": "write"}, sub=author))


def shown(author: str) -> dict[str, str]:
    """What an author shows in a hello."""
    return {"token": token({"*": "write"}, sub=author)}


def counted(system: System, limit: str, gateways: int = 2) -> float:
    """Return how often a limit has held somebody up."""
    name = f'coedit_gateway_limited_total{{limit="{limit}"}} '
    lines = [
        line
        for number in range(gateways)
        for line in system.metrics(f"gateway-{number}").splitlines()
        if line.startswith(name)
    ]
    assert len(lines) == gateways
    return sum(float(line.removeprefix(name)) for line in lines)


async def refusal(url: str, headers: dict[str, str]) -> tuple[int, str, dict[str, Any]]:
    """Ask for an upgrade that is refused; return the status, when to come again, and the body."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with aiohttp.ClientSession() as http, http.get(f"{url}/v1/ws", headers=upgrade | headers) as answer:
        assert answer.status != 101
        return answer.status, answer.headers["Retry-After"], await answer.json()
