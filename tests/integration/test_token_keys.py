"""Tokens that others sign: an identity provider's keys over HTTP, keys in a file, and secrets that are shared."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coedit.client import connect
from tests.conftest import MakeSystem
from tests.integration.issuer import Issuer
from tests.integration.raw_client import RawClient
from tests.integration.test_access import token as own_token
from tests.integration.yjs_client import HocuspocusClient, YjsClient
from tests.system import System, eventually

_SHARED = "a secret that application and coedit share"
_SETTINGS = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_TOKEN_KEYS_SECONDS": "1"}
WRITE, READ = {"*": "write"}, {"*": "read"}


@pytest.fixture(scope="module")
def closed_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for tokens, for tests that use documents of different names."""
    system = System(tmp_path_factory.mktemp("system"), settings=_SETTINGS)
    system.start()
    yield system
    system.stop()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as issuer:
        yield issuer


async def status(system: System, token: str, path: str = "/v1/documents/notes") -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.get(system.url + path, headers={"Authorization": f"Bearer {token}"}) as response,
    ):
        return response.status


async def test_every_door_takes_what_any_of_the_keys_signed(
    make_system: MakeSystem, issuer: Issuer, tmp_path: Path
) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    pem = tmp_path / "keys.pem"
    pem.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    keys = json.dumps([issuer.url, str(pem), f"secret:{_SHARED}"])
    system = make_system(settings=_SETTINGS | {"COEDIT_TOKEN_KEYS": keys})
    claims = {"sub": "ada", "exp": int(time.time()) + 3600, "documents": WRITE}
    tokens = [
        issuer.token(WRITE),
        jwt.encode(claims, private, "EdDSA"),
        jwt.encode(claims, _SHARED, "HS256"),
        own_token(WRITE),
    ]
    for number, token in enumerate(tokens):
        assert await status(system, token) == 200
        async with (
            YjsClient(system.url, f"doc {number}", token=token) as ada,
            HocuspocusClient(system.url, f"doc {number}", token) as bob,
            RawClient(system.url) as raw,
        ):
            await bob.until_synced()
            await ada.until_synced()
            await ada.edit(lambda text: text.insert(0, "by any key"))
            await bob.until_text("by any key")
            assert (await raw.hello(token=token))["author"] == "ada"
    forged = jwt.encode(claims, ed25519.Ed25519PrivateKey.generate(), "EdDSA")
    assert await status(system, forged) == 401


async def test_issuer_changes_its_keys_and_goes_away(make_system: MakeSystem, issuer: Issuer) -> None:
    system = make_system(settings=_SETTINGS | {"COEDIT_TOKEN_KEYS": issuer.url})
    first = issuer.token(WRITE)
    assert await status(system, first) == 200
    issuer.rotate()
    second = issuer.token(WRITE)

    async def both() -> bool:
        return [await status(system, token) for token in (first, second)] == [200, 200]

    await eventually(both, "both keys are known")
    for failing in (
        web.Response(status=503),
        web.Response(status=200),
        web.Response(status=302, headers={"Location": issuer.url}),
    ):
        issuer.failing, asked = failing, issuer.asked
        await eventually(lambda asked=asked: issuer.asked > asked + 1, "it was asked again")
        assert await both(), "the keys from before count while there are no others"
    issuer.failing = None
    issuer.rotate(keeps_old=False)

    async def old_is_refused() -> bool:
        return [await status(system, token) for token in (first, issuer.token(WRITE))] == [401, 200]

    await eventually(old_is_refused, "a key that is gone counts no more")
    assert 'coedit_gateway_token_key_reads_total{outcome="failed"}' in system.metrics("gateway-0")


async def test_issuer_that_never_answered_is_an_outage_and_no_refusal(
    make_system: MakeSystem, issuer: Issuer
) -> None:
    issuer.failing = web.Response(status=503)
    system = make_system(settings=_SETTINGS | {"COEDIT_TOKEN_KEYS": issuer.url})
    token = issuer.token(WRITE)
    assert await status(system, token) == 503
    assert await status(system, own_token(WRITE)) == 200, "coedit's own tokens need no issuer"
    async with RawClient(system.url) as raw:
        await raw.send({"type": "hello", "token": token})
        error = await raw.expect("error")
        assert (error["code"], error["definite"], error["retryable"]) == ("undecided", False, True)
        assert await raw.close_code() == 4513
    async with YjsClient(system.url, "notes", token=token) as yjs:
        assert await yjs.until_closed() == 4513
    async with HocuspocusClient(system.url, "notes", token) as hocuspocus:
        assert await hocuspocus.until_closed() == 4513


async def test_keys_that_nobody_has_are_not_asked_for_again_and_again(
    make_system: MakeSystem, issuer: Issuer
) -> None:
    system = make_system(settings={"COEDIT_GATEWAY_OPEN": "0", "COEDIT_TOKEN_KEYS": issuer.url})
    assert await status(system, issuer.token(WRITE)) == 200
    for number in range(50):
        # Looked for once, and then not for a while: until then nobody knows whether there is such a key.
        assert await status(system, issuer.token(WRITE, kid=f"made up {number}")) in (401, 503)
    assert issuer.asked <= 2


async def test_next_token_raises_and_lowers_in_place(closed_system: System) -> None:
    async with RawClient(closed_system.url) as raw:
        welcome = await raw.hello(token=own_token({"a": "read", "b": "write"}))
        assert welcome["token_seconds"] > 80_000
        assert [(await raw.open(name))["access"] for name in "ab"] == ["read", "write"]

        async def show(documents: Any, **claims: Any) -> None:
            await raw.send({"type": "token", "token": own_token(documents, **claims)})

        await show({"a": ["write"], "b": ["read"]}, exp=int(time.time()) + 600)
        assert 590 < (await raw.expect("token"))["token_seconds"] <= 600
        rights = [await raw.expect("rights") for _ in range(2)]
        assert [(told["document"], told["access"], told["rights"]) for told in rights] == [
            ("a", "write", ["read", "write"]),
            ("b", "read", ["read"]),
        ]
        submit = {
            "type": "submit",
            "epoch": 1,
            "base_revision": 0,
            "delta": [{"insert": "x"}],
            "client_sequence": 1,
        }
        await raw.send(submit | {"document": "a"})
        assert (await raw.expect("ack"))["document"] == "a"
        await raw.send(submit | {"document": "b"})
        assert (await raw.expect("error"))["code"] == "forbidden"
        await show({"a": "write"})
        error = await raw.expect("error")
        assert (error["code"], error["document"]) == ("forbidden", "b")
        await raw.send(submit | {"document": "b", "client_sequence": 2})
        assert (await raw.expect("error"))["code"] == "unexpected-message"
        await raw.send(submit | {"document": "a", "client_sequence": 2, "base_revision": 1})
        assert (await raw.expect("ack"))["document"] == "a"
        await show({"a": "write"}, sub="bob")
        assert (await raw.expect("error"))["code"] == "unauthorized"
        assert await raw.close_code() == 4401


@pytest.mark.parametrize("bad", ["", "nonsense", own_token({"a": "write"}, exp=1)])
async def test_bad_token_ends_what_the_one_before_granted(closed_system: System, bad: str) -> None:
    async with RawClient(closed_system.url) as raw:
        await raw.hello(token=own_token(WRITE))
        await raw.open("notes")
        await raw.send({"type": "token", "token": bad})
        assert (await raw.expect("error"))["code"] == "unauthorized"
        assert await raw.close_code() == 4401


async def test_hocuspocus_shows_another_token_in_place(closed_system: System) -> None:
    async with (
        HocuspocusClient(closed_system.url, "raised", own_token(READ)) as ada,
        YjsClient(closed_system.url, "raised", token=own_token(WRITE)) as bob,
    ):
        await ada.until(lambda: ada.scope == "readonly", "it may read")
        await bob.until_synced()
        await ada.show_token(own_token(WRITE))
        await ada.until(lambda: ada.scope == "read-write", "it may write")
        await ada.edit(lambda text: text.insert(0, "raised"))
        await bob.until_text("raised")
        await ada.show_token(own_token(READ))
        await ada.until(lambda: ada.scope == "readonly", "it may read only")
        await ada.edit(lambda text: text.insert(0, "not taken"))
        await bob.edit(lambda text: text.insert(0, "still "))
        await bob.until_text("still raised")
        await ada.show_token(own_token({"other": "read"}))
        await ada.until(lambda: ada.reasons == ["permission-denied"], "it may nothing")


async def test_session_outlives_its_tokens(closed_system: System) -> None:
    """Tokens of some seconds, one after the other: nobody is thrown out by the clock."""
    given: list[str] = []

    async def next_token() -> str:
        given.append(own_token(WRITE, exp=int(time.time()) + 4))
        return given[-1]

    async with connect(closed_system.url, token=next_token) as session:
        document = await session.open("notes")

        async def is_renewed() -> bool:
            await document.insert(0, ".")
            await document.settle()
            return len(given) > 3

        await eventually(is_renewed, "three tokens were shown after the first")
        assert session.reconnects == 0


async def test_refused_token_is_followed_by_another(closed_system: System) -> None:
    tokens = iter(["expired", own_token(WRITE)])

    async def next_token() -> str:
        return next(tokens)

    async with connect(closed_system.url, token=next_token) as session:
        assert session.author == "ada"


async def test_what_a_token_says_of_somebody_nobody_says_otherwise(closed_system: System) -> None:
    shown: dict[str, Any] = {"name": "Ada L.", "colour": "#aa0000", "avatar": "https://example.org/ada.png"}
    async with (
        RawClient(closed_system.url) as ada,
        YjsClient(closed_system.url, "shown", token=own_token(WRITE, sub="eve", **shown)) as eve,
        YjsClient(closed_system.url, "shown", token=own_token(READ, sub="bob")) as bob,
    ):
        await eve.until_synced()
        await ada.hello(token=own_token(WRITE, **shown))
        await ada.open("shown")
        presence = {"type": "presence", "document": "shown", "revision": 0, "caret": {"anchor": 0, "head": 0}}
        await ada.send(presence | {"name": "The administrator", "colour": "#00ff00"})
        await eve.say({"user": {"name": "The administrator", "color": "#00ff00"}, "mode": "dark"})
        user = {"name": "Ada L.", "color": "#aa0000", "avatar": "https://example.org/ada.png"}
        await bob.until(
            lambda: bob.state_of(eve.doc.client_id) == {"user": user, "mode": "dark"}, "eve as she is"
        )

        def users() -> list[Any]:
            return [state.get("user") for client in bob.states if (state := bob.state_of(client))]

        await bob.until(lambda: users().count(user) == 2, "ada as she is")
        while True:
            present = (await ada.expect("presence"))["present"]
            if any(person["author"] == "eve" for person in present):
                break
        (person,) = (person for person in present if person["author"] == "eve")
        assert {name: person[name] for name in shown} == shown


async def test_reader_without_the_facet_is_not_seen(closed_system: System) -> None:
    unseen = {"*": ["read"]}
    async with (
        RawClient(closed_system.url) as ada,
        RawClient(closed_system.url) as quiet,
        YjsClient(closed_system.url, "unseen", token=own_token(unseen, sub="yves")) as yves,
    ):
        await quiet.hello(token=own_token(unseen, sub="quiet"))
        opened = await quiet.open("unseen")
        assert (opened["access"], opened["rights"]) == ("read", ["read"])
        presence = {"type": "presence", "document": "unseen", "revision": 0, "caret": None}
        await quiet.send(presence)
        await yves.until_synced()
        await yves.say({"user": {"name": "Yves"}})
        await ada.hello(token=own_token(WRITE))
        await ada.open("unseen")
        await ada.send(presence)
        seen: set[str] = set()
        while "ada" not in seen:
            seen |= {person["author"] for person in (await ada.expect("presence"))["present"]}

        def counted(name: str, why: str) -> bool:
            return f'{name}{{why="{why}"}} ' in closed_system.metrics("gateway-0")

        await eventually(lambda: counted("coedit_gateway_ignored_total", "not-seen"), "passed over")
        await eventually(lambda: counted("coedit_gateway_yjs_ignored_total", "not-seen"), "passed over")
        assert seen == {"ada"}
        for path, code in (("documents", 200), ("history", 403), ("export", 400)):
            assert await status(closed_system, own_token(unseen), f"/v1/{path}/unseen") == code
