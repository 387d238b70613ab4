"""One attempt to tell an endpoint of an event."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import aiohttp

from coedit.protocol.standard_webhooks import signed_headers
from coedit.protocol.webhooks.endpoints import Endpoint
from coedit.protocol.webhooks.retries import retry_after_seconds
from coedit.runtime.tracing.active import timed, traced
from coedit.runtime.tracing.facts import Facts
from coedit.store.webhooks.deliveries import Delivery
from services.snapshotter.metrics import WEBHOOK_SECONDS
from services.snapshotter.webhooks.public_sockets import NotPublicError, public_socket

_GONE = 410
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it; ``reason`` says why it was not delivered, without a word of the answer."""

    outcome: Literal["delivered", "failed", "gone"]
    reason: str = ""
    retry_after_seconds: float = 0.0
    is_busy: bool = False
    """Whether the endpoint wants to be told less for now."""


class Sender:
    """Sends to endpoints, over connections of its own; ``private``: whatever address they have."""

    def __init__(self, *, seconds: float, private: bool) -> None:
        self._seconds = seconds
        self._private = private
        self._http: aiohttp.ClientSession | None = None

    async def attempt(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        """Send an event, and return what came of it: only 2xx is a success, and a redirect is never followed."""
        facts: Facts = {
            "coedit.webhook": endpoint.name,
            "coedit.event": delivery.kind,
            "coedit.attempt": delivery.attempts + 1,
        }
        with traced("webhook", facts=facts), timed(WEBHOOK_SECONDS):
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._attempt(endpoint, delivery)
            except TimeoutError:
                return Attempt("failed", f"no answer within {self._seconds:g} s")
            except (aiohttp.ClientError, OSError, ValueError) as error:
                return Attempt("failed", _reason(error))

    async def aclose(self) -> None:
        """Close its connections."""
        if self._http is not None:
            await self._http.close()

    async def _attempt(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        now = time.time()
        headers = signed_headers(endpoint.keys, delivery.message_id, int(now), delivery.body)
        headers["Content-Type"] = "application/json"
        http = self._session()
        async with http.post(
            endpoint.url, data=delivery.body, headers=headers, allow_redirects=False
        ) as response:
            if 200 <= response.status < 300:
                return Attempt("delivered")
            if response.status == _GONE:
                return Attempt("gone", "answered with 410")
            wait_seconds = retry_after_seconds(response.headers.get("Retry-After"), now)
            reason = f"answered with {response.status}"
            return Attempt("failed", reason, wait_seconds, is_busy=response.status in _BUSY)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            factory = None if self._private else public_socket
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, socket_factory=factory),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "coedit"},
            )
        return self._http


def _reason(error: Exception) -> str:
    """Return what went wrong, without an address: what there is behind one, nobody shall learn by this."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, NotPublicError):
        return str(error.os_error)
    return f"not reached: {type(error).__name__}"
