"""One attempt to tell an endpoint, as it is traced, and what is taken for an answer."""

import socket
from dataclasses import replace

import pytest
from aiohttp import web

from coedit.protocol.webhooks.endpoints import Endpoint, endpoints_of
from coedit.store.keys import Shard
from coedit.store.webhooks.deliveries import Delivery
from services.snapshotter.webhooks.sender import Attempt, Sender
from tests.unit.conftest import Begin
from tests.webhook_receiver import SECRET, Told, receiver

_DELIVERY = Delivery(
    Shard(0), "app", "1-0", 2, 0, "msg_1", "document.deleted", b'{"type": "document.deleted"}'
)


def endpoint(url: str) -> Endpoint:
    (found,) = endpoints_of(f'{{"app": {{"url": "{url}", "secret": "{SECRET}"}}}}', private=True)
    return found


async def attempt(url: str, *, seconds: float = 20, private: bool = True) -> Attempt:
    sender = Sender(seconds=seconds, private=private)
    try:
        return await sender.attempt(endpoint(url), _DELIVERY)
    finally:
        await sender.aclose()


async def test_attempt_is_a_trace_that_names_the_endpoint_and_no_address(begin: Begin) -> None:
    spans = begin()
    async with receiver() as app:
        assert (await attempt(f"{app.url}?key=geheim")).outcome == "delivered"
    (span,) = spans.get_finished_spans()
    assert span.name == "webhook"
    assert span.parent is None
    said = {"coedit.webhook": "app", "coedit.event": "document.deleted", "coedit.attempt": 3}
    assert said.items() <= dict(span.attributes or {}).items()
    assert "geheim" not in span.to_json()
    assert "hooks" not in span.to_json()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (301, "failed"),
        (307, "failed"),
        (400, "failed"),
        (410, "gone"),
    ],
)
async def test_only_two_hundreds_are_a_success(status: int, outcome: str) -> None:
    async with receiver() as app:

        async def answer(_: Told) -> web.Response:
            return web.Response(status=status, headers={"Location": app.url})

        app.answer = answer
        found = await attempt(app.url)
        assert len(app.told) == 1
    assert found.outcome == outcome
    assert found.reason == ("" if outcome == "delivered" else f"answered with {status}")


async def test_why_nobody_was_reached_is_said_without_an_address() -> None:
    with socket.socket() as bound:  # and nobody listens there
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        refused = await attempt(f"http://127.0.0.1:{port}/hooks")
        private = await attempt(f"http://127.0.0.1:{port}/hooks", private=False)
    assert refused == Attempt("failed", "not reached: ClientConnectorError")
    assert private == replace(refused, reason="the address is not public")


async def test_endpoint_that_does_not_answer_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found = await attempt(f"http://127.0.0.1:{silent.getsockname()[1]}/hooks", seconds=0.2)
    assert found == Attempt("failed", "no answer within 0.2 s")
