"""Yjs clients and OT clients see each other, and each other's carets, through real gateways."""

from typing import Any

import orjson

from coedit.client import Document, connect
from coedit.ot.commit import Caret
from coedit.protocol.yjs.awareness import Entry, write_entries
from coedit.protocol.yjs.sync import write_awareness
from tests.integration.yjs_client import YjsClient
from tests.system import System


def _position(client: int, clock: int | None) -> dict[str, Any]:
    item = None if clock is None else {"client": client, "clock": clock}
    return {"type": None, "tname": "content", "item": item, "assoc": 0}


def _person(client: YjsClient, anchor: int | None, head: int | None, name: str = "Yara") -> dict[str, Any]:
    """A state of y-codemirror.next, of somebody whose letters are their own."""
    cursor = {
        "anchor": _position(client.doc.client_id, anchor),
        "head": _position(client.doc.client_id, head),
    }
    return {"user": {"name": name, "color": "#30bced"}, "cursor": cursor}


def _caret(document: Document, name: str) -> Caret | None:
    return next((person.caret for person in document.people if person.name == name), None)


def _named(client: YjsClient, name: str) -> Any:
    states = [orjson.loads(entry.state) for entry in client.states.values()]
    return next((state for state in states if state and state.get("user", {}).get("name") == name), None)


async def test_captured_frames_of_awareness_are_told_to_all_and_to_who_sent_them(system: System) -> None:
    state = bytes.fromhex("011a01050116") + '{"user":{"name":"é"}}'.encode()
    async with YjsClient(system.url, "captured", client=5) as ada, YjsClient(system.url, "captured") as bob:
        await ada.send(state)
        await bob.until(lambda: bob.state_of(5) == {"user": {"name": "é"}}, "ada's state")
        await ada.until(lambda: state in ada.received, "the echo")
        async with YjsClient(system.url, "captured") as late:
            await late.until(lambda: late.state_of(5) == {"user": {"name": "é"}}, "who was here before")
            await late.send(b"\x03")
            await late.until(lambda: sum(state == message for message in late.received) == 2, "the answer")
        await ada.send(bytes.fromhex("010801050104") + b"null")
        await bob.until(lambda: bob.states[5].is_gone, "that ada is gone")


async def test_who_disconnects_is_gone(system: System) -> None:
    async with YjsClient(system.url, "gone") as bob:
        async with YjsClient(system.url, "gone", client=5) as ada:
            await ada.say({"user": {"name": "Ada"}})
            await bob.until(lambda: bob.state_of(5) is not None, "ada's state")
        await bob.until(lambda: bob.states[5].is_gone, "that ada is gone")


async def test_nobody_speaks_for_somebody_else(two_gateways: System) -> None:
    """Neither on the same gateway nor on another; a provider sends back what it heard, so nobody is closed for it."""
    for url in two_gateways.gateways:
        async with (
            YjsClient(two_gateways.url, f"others {url}", client=5) as ada,
            YjsClient(url, f"others {url}", client=6) as eve,
        ):
            await eve.say({"user": {"name": "Eve"}})
            await ada.say({"user": {"name": "Ada"}})
            await eve.until(lambda eve=eve: eve.state_of(5) is not None, "ada's state")  # type: ignore[misc]
            await eve.say({"user": {"name": "Not Ada"}}, client=5)
            await eve.say(None, client=5)
            await eve.say({"user": {"name": "still Eve"}})
            await ada.until(lambda ada=ada: ada.state_of(6) == {"user": {"name": "still Eve"}}, "eve")  # type: ignore[misc]
            assert not ada.states[5].is_gone
            assert ada.state_of(5) == {"user": {"name": "Ada"}}


async def test_state_that_nobody_may_have_is_passed_over(system: System) -> None:
    async with YjsClient(system.url, "large", client=5) as ada, YjsClient(system.url, "large") as bob:
        await bob.until_synced()
        for clock, state in ((1, '"' + "x" * 9_000 + '"'), (2, "{"), (3, '{"a":1}')):
            await ada.send(write_awareness(write_entries([Entry(5, clock, state)])))
        await bob.until(lambda: bob.state_of(5) == {"a": 1}, "the good one")
        await ada.edit(lambda text: text.insert(0, "and edits on"))
        await bob.until_text("and edits on")


async def test_caret_of_a_yjs_client_is_seen_by_ot_clients(two_gateways: System) -> None:
    first, second = two_gateways.gateways
    async with (
        YjsClient(first, "yjs caret", author="yara") as yara,
        connect(second, author="otto") as session,
    ):
        otto = await session.open("yjs caret")
        await yara.until_synced()
        await yara.edit(lambda text: text.insert(0, "a😀漢b"))
        await otto.until(lambda: otto.text == "a😀漢b")
        await yara.say(_person(yara, 3, 4))
        await otto.until(lambda: _caret(otto, "Yara") == Caret(3, 4))
        (seen,) = otto.people
        assert (seen.author, seen.colour) == ("yara", "#30bced")
        await otto.insert(0, ">>")
        assert _caret(otto, "Yara") == Caret(5, 6)
        await yara.until_text(">>a😀漢b")
        await yara.say(_person(yara, 0, None))
        await otto.until(lambda: _caret(otto, "Yara") == Caret(2, 7))


async def test_caret_that_comes_before_its_text_is_seen_once_the_text_is(system: System) -> None:
    """Editor bindings say where the caret is in the same breath as they type."""
    async with YjsClient(system.url, "ahead") as yara, connect(system.url, author="otto") as session:
        otto = await session.open("ahead")
        await yara.until_synced()
        await yara.edit(lambda text: text.insert(0, "first"))
        await yara.say(_person(yara, 2, 2))
        await otto.until(lambda: _caret(otto, "Yara") == Caret(2, 2))
        await yara.say(_person(yara, 7, 7))
        await yara.edit(lambda text: text.insert(5, " second"))
        await otto.until(lambda: _caret(otto, "Yara") == Caret(7, 7))


async def test_caret_of_an_ot_client_is_seen_by_yjs_clients(two_gateways: System) -> None:
    first, second = two_gateways.gateways
    async with connect(first, author="otto") as session, YjsClient(second, "ot caret") as yara:
        otto = await session.open("ot caret", display_name="Otto", colour="#4f46e5")
        await yara.until_synced()
        await otto.insert(0, "a😀漢b")
        await otto.settle()
        await otto.move_caret(3, 5)
        await yara.until_text("a😀漢b")
        await yara.until(lambda: _is_at(yara, "Otto", (3, None)), "otto's caret")
        assert _named(yara, "Otto")["user"]["color"] == "#4f46e5"
        # The caret rides in the commit, and comes after it.
        await otto.insert(5, "!")
        await otto.settle()
        await otto.move_caret(0)
        await yara.until(lambda: _is_at(yara, "Otto", (0, 0)), "otto's caret at the start")
        async with YjsClient(first, "ot caret") as late:
            await late.until(lambda: _is_at(late, "Otto", (0, 0)), "who was here before")
    async with YjsClient(second, "ot caret") as yara:
        await yara.until_synced()
        await yara.until(lambda: _named(yara, "Otto") is None, "that otto is gone")


def _is_at(client: YjsClient, name: str, clocks: tuple[int | None, int | None]) -> bool:
    """Whether somebody's caret is in front of these items, which are the server's and were made in one go."""
    person = _named(client, name)
    if person is None or "cursor" not in person:
        return False
    ends = [person["cursor"][end]["item"] for end in ("anchor", "head")]
    return tuple(end and end["clock"] for end in ends) == clocks


async def test_yjs_clients_of_two_gateways_see_all_that_the_other_says(two_gateways: System) -> None:
    first, second = two_gateways.gateways
    state = {"user": {"name": "Ada", "color": "#ffffff"}, "anything": {"else": [1, 2, {"deep": "é😀"}]}}
    async with YjsClient(second, "all") as bob:
        async with YjsClient(first, "all", client=5) as ada:
            await ada.say(state)
            await bob.until(lambda: bob.state_of(5) == state, "ada's state")
            async with YjsClient(second, "all") as late:
                await late.until(lambda: late.state_of(5) == state, "who was here before")
        await bob.until(lambda: bob.states[5].is_gone, "that ada is gone")
