"""What the application is asked is a part of what is traced, and it may go on with that."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from coedit.identifiers import AuthorId, document_id
from coedit.protocol.grants import Grants
from coedit.protocol.tokens import Identity
from coedit.runtime.tracing.active import traced
from services.gateway.access.permission_hook import PermissionHook
from services.gateway.settings import GatewaySettings
from tests.unit.conftest import Begin

_SECRET = "whsec_" + "c2lnbmVkIGJ5IHRoaXMgc2VjcmV0IG9mIG1hbnkgYnl0ZXM="


@pytest.fixture
async def asked() -> AsyncIterator[tuple[str, list[str | None]]]:
    """Where an application answers, and which ``traceparent`` each question came with."""
    told: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        told.append(request.headers.get("traceparent"))
        return web.json_response({"grants": "write"})

    app = web.Application()
    app.router.add_post("/permissions", answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/permissions?key=hidden")), told
    await server.close()


async def _ask(url: str) -> None:
    settings = GatewaySettings(
        secret=SecretStr("x" * 32), permission_url=url, permission_secret=SecretStr(_SECRET)
    )
    hook = PermissionHook(settings)
    await hook.ask(Identity(AuthorId("ada"), Grants({})), document_id("notes"))
    await hook.aclose()


async def test_question_is_a_span_whose_context_goes_along(
    asked: tuple[str, list[str | None]], begin: Begin
) -> None:
    url, told = asked
    spans = begin()
    with traced("a"):
        await _ask(url)
    call, outer = spans.get_finished_spans()
    assert (call.name, call.parent) == ("POST", outer.context)
    assert call.context is not None
    assert told[0] is not None
    assert told[0].startswith(f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-")
    assert call.attributes is not None
    assert call.attributes["http.url"] == url.partition("?")[0]


async def test_without_traces_nothing_goes_along(asked: tuple[str, list[str | None]]) -> None:
    url, told = asked
    await _ask(url)
    assert told == [None]
