"""What the client makes of a refusal over plain HTTP."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from coedit.client.events import DocumentError
from coedit.client.rest import fetch_text
from coedit.errors import UnavailableError
from services.gateway.rest.answers import refusal_response


async def _asked(answer: web.Response) -> None:
    app = web.Application()

    async def handle(_: web.Request) -> web.Response:
        return answer

    app.router.add_get("/v1/documents/notes", handle)
    async with TestServer(app) as server:
        await fetch_text(str(server.make_url("")), "notes")


async def test_a_refusal_is_read_as_its_code_and_what_it_was() -> None:
    with pytest.raises(DocumentError, match="the token does not grant this document") as refused:
        await _asked(refusal_response("forbidden", "the token does not grant this document", 0, ("read",)))
    assert refused.value.refusal == "forbidden"


async def test_what_is_no_answer_of_coedits_is_said_to_be_none() -> None:
    with pytest.raises(UnavailableError, match="not coedit"):
        await _asked(web.json_response({"code": "forbidden"}, status=403))
