"""An HTTP server that waits for nobody for ever: a head that does not come, and an answer that nobody reads, end.

aiohttp bounds neither by itself. Bodies are for handlers to read, in their own time and inflated by themselves: the
server takes none in before it is asked for, beyond a small buffer.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import Counter

from coedit.runtime.problems import PROBLEM_JSON, plain_problem

logger = logging.getLogger(__name__)

ENDED = Counter("coedit_http_ended_total", "HTTP connections that took too long, by what for.", ["what"])
HEADERS = {
    # Without versions: they tell a stranger what to try.
    hdrs.SERVER: "coedit",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer says."""

_SHUTDOWN_SECONDS = 5.0
"""How long requests may take to end when their server does; aiohttp's minute outlasts an orchestrator's patience."""
_LOOKS = 4
"""So many times within the shortest time that is allowed it is looked who is over it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection may take for what."""

    head_seconds: float = 10.0
    """For the head of a request, from its first byte; for the first one, from when it connected."""
    idle_seconds: float = 75.0
    """Between two requests, also where half of the second came with the first; longer than most proxies keep a
    connection that they do not use."""
    answer_seconds: float = 60.0
    """To read something of an answer."""
    rest_seconds: float = 5.0
    """For the rest of a body that was not wanted, before its connection is closed."""


async def serve(
    app: web.Application, host: str, port: int, patience: Patience | None = None
) -> web.AppRunner:
    """Serve ``app`` until the returned runner is cleaned up.

    Raises:
        OSError: the address is taken or not ours.
    """
    app.on_response_prepare.append(_add_headers)
    runner = _Runner(app, patience or Patience())
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


class _Handler(RequestHandler):
    """One connection, which knows since when it is waited for."""

    __slots__ = ("_awaited_since", "_stalled_since")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._awaited_since: float | None = self._loop.time()
        self._stalled_since: float | None = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._awaited_since = None
        elif self._awaited_since is None and self._has_no_request():
            self._awaited_since = self._loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self._loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what did not become a request of the application."""
        response = super().handle_error(request, status, exc, message)
        if isinstance(response, web.Response):
            response.body = json.dumps(plain_problem(status)).encode()
            response.headers[hdrs.CONTENT_TYPE] = PROBLEM_JSON
        response.headers.update(HEADERS)
        return response

    def overdue(self, now: float, patience: Patience) -> str:
        """Return what took too long; the empty string: nothing."""
        if self._stalled_since is not None and now - self._stalled_since > patience.answer_seconds:
            return "answer"
        awaited_since = self._awaited_since
        if awaited_since is not None and now - awaited_since > patience.head_seconds:
            return "head" if self._has_no_request() else ""
        return ""

    def _has_no_request(self) -> bool:
        return self._waiter is not None and not self._waiter.done() and not self._messages


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    """Serves with `_Handler`, and looks after its connections."""

    __slots__ = ("_looking", "_patience")

    def __init__(self, app: web.Application, patience: Patience) -> None:
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=patience.idle_seconds,
            lingering_time=patience.rest_seconds,
            auto_decompress=False,
        )
        self._patience = patience
        self._looking: asyncio.Task[None] | None = None

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        handle = _behind_expectations(made.request_handler)
        server = _Server(handle, request_factory=made.request_factory, **made._kwargs)  # noqa: SLF001
        self._looking = asyncio.get_running_loop().create_task(_look_after(server, self._patience))
        return server

    async def _cleanup_server(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await super()._cleanup_server()


def _behind_expectations(handle: Callable[..., Awaitable[web.StreamResponse]]) -> Callable[..., Any]:
    """Return ``handle`` behind a refusal of what cannot be expected: aiohttp quotes it, and fails if it is no text."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get(hdrs.EXPECT, "100-continue").lower() == "100-continue":
            return await handle(request)
        refusal = json.dumps(plain_problem(417, "only 100-continue can be expected")).encode()
        return web.Response(body=refusal, status=417, headers=HEADERS, content_type=PROBLEM_JSON)

    return answer


async def _look_after(server: web.Server, patience: Patience) -> None:
    """End who takes too long, until cancelled."""
    while True:
        await asyncio.sleep(min(1.0, min(patience.head_seconds, patience.answer_seconds) / _LOOKS))
        now = asyncio.get_running_loop().time()
        ended: dict[str, int] = {}
        for handler in server.connections:
            if isinstance(handler, _Handler) and (what := handler.overdue(now, patience)):
                if handler.transport is not None:
                    handler.transport.abort()
                ended[what] = ended.get(what, 0) + 1
        for what, count in ended.items():
            ENDED.labels(what).inc(count)
            logger.warning(
                "connections took too long", extra={"event": "http-timeout", "what": what, "count": count}
            )
