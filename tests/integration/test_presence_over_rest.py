"""Programs that are seen in a document without a connection."""

import asyncio
from functools import partial
from typing import Any

import orjson
import pytest

from coedit.client import Document, connect
from coedit.ot.commit import Caret
from tests.conftest import MakeSystem
from tests.integration.rest_client import Answered, ask
from tests.integration.test_access import token
from tests.integration.yjs_client import YjsClient
from tests.system import System, eventually


async def presence(system: System, method: str, name: str, body: Any = None, **more: Any) -> Answered:
    url = system.gateways[more.pop("gateway", 0)]
    return await ask(url, method, name, behind="/presence", body=body, **more)


def _bot(document: Document) -> Any:
    return next((person for person in document.people if person.author == "bot"), None)


async def _present(system: System, name: str) -> list[str]:
    return [one["author"] for one in (await presence(system, "GET", name, author="ada")).json["present"]]


async def test_program_is_seen_by_everybody_until_it_leaves(two_gateways: System) -> None:
    system = two_gateways
    async with connect(system.gateways[1], author="ada") as session:
        document = await session.open("seen")
        await document.insert(0, "a😀bc")
        await document.settle()
        body = {"name": "Bot", "colour": "#00ff00", "caret": {"anchor": 1, "head": 3}}
        said = await presence(system, "PUT", "seen", body, author="bot")
        assert said.status == 200
        assert {name: said.json[name] for name in ("document", "author", "revision")} == {
            "document": "seen",
            "author": "bot",
            "revision": 1,
        }
        await document.until(lambda: _bot(document) is not None)
        seen = _bot(document)
        assert (seen.name, seen.colour, seen.caret) == ("Bot", "#00ff00", Caret(1, 3))
        await document.insert(0, "> ")
        assert _bot(document).caret == Caret(3, 5), "it goes along, as anybody's"
        async with YjsClient(system.gateways[1], "seen") as yara:
            await yara.until(lambda: "Bot" in _names(yara), "the program")
            moved = await presence(system, "PUT", "seen", {"name": "Bot 2"}, author="bot", gateway=1)
            assert moved.json["client_id"] == said.json["client_id"], "it is one person, whoever is asked"
            await yara.until(lambda: _names(yara) == ["Bot 2"], "its new name")
            (told,) = [
                one
                for one in (await presence(system, "GET", "seen", author="ada")).json["present"]
                if one["author"] == "bot"
            ]
            assert (told["name"], told["caret"], "ttl_ms" in told) == ("Bot 2", None, False)
            left = await presence(system, "DELETE", "seen", author="bot", gateway=1)
            assert (left.status, left.body) == (204, b"")
            await yara.until(lambda: _names(yara) == [], "that it left")
        await document.until(lambda: _bot(document) is None)
        assert (await presence(system, "DELETE", "seen", author="bot")).status == 204


def _names(client: YjsClient) -> list[str]:
    states = [orjson.loads(entry.state) for entry in client.states.values() if not entry.is_gone]
    return [state["user"]["name"] for state in states if state and "user" in state]


async def test_program_that_says_nothing_more_is_gone_after_its_time(two_gateways: System) -> None:
    system = two_gateways
    said = await presence(system, "PUT", "short", {"ttl_seconds": 1}, author="bot")
    assert said.json["ttl_seconds"] == 1
    longer = await presence(system, "PUT", "short", {"ttl_seconds": 600}, author="other")
    assert longer.json["ttl_seconds"] == 600

    async def has(*expected: str) -> bool:
        return sorted(await _present(system, "short")) == sorted(expected)

    await eventually(partial(has, "bot", "other"), "both")
    await eventually(partial(has, "other"), "that the first is gone")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 65},
        {"name": "\ud800"},
        {"name": 7},
        {"colour": "green"},
        {"colour": "#00ff000"},
        {"caret": {"anchor": 1}},
        {"caret": {"anchor": -1, "head": 0}},
        {"caret": {"anchor": True, "head": 0}},
        {"caret": [1, 2]},
        {"revision": 1.5},
        {"ttl_seconds": 0},
        {"ttl_seconds": 3601},
        {"ttl_seconds": "9"},
        {"nmae": "Bot"},
        [],
    ],
)
async def test_what_no_person_can_be_is_refused(two_gateways: System, body: Any) -> None:
    sent = body if body != {"name": "\ud800"} else b'{"name": "\\ud800"}'
    refused = await presence(two_gateways, "PUT", "odd", sent, author="bot")
    assert (refused.status, refused.code) == (400, "invalid-request")


async def test_right_is_needed_and_a_token_says_who_one_is(make_system: MakeSystem) -> None:
    system = await asyncio.to_thread(make_system, settings={"COEDIT_GATEWAY_OPEN": "0"})
    for documents, reads, is_seen in (
        ({"a": "read"}, 200, 200),
        ({"a": ["read"]}, 200, 403),
        ({"a": ["presence"]}, 403, 403),
        ({"b": "write"}, 403, 403),
    ):
        bearer = token(documents)
        assert (await presence(system, "GET", "a", token=bearer)).status == reads
        assert (await presence(system, "PUT", "a", {}, token=bearer)).status == is_seen
        assert (await presence(system, "DELETE", "a", token=bearer)).status == (
            204 if is_seen == 200 else 403
        )
    for method in ("GET", "PUT", "DELETE"):
        assert (await presence(system, method, "a", {})).status == 401
    shown = token({"a": "read"}, name="Ada", colour="#112233", avatar="https://example.org/a.png")
    said = await presence(system, "PUT", "a", {"name": "Eve", "colour": "#ffffff"}, token=shown)
    assert (said.json["name"], said.json["colour"]) == ("Ada", "#112233")
    assert said.json["avatar"] == "https://example.org/a.png"
