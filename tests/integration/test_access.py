"""Who may do what, on a real gateway that asks for tokens."""

import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import jwt
import pytest

from coedit.protocol.tokens import signing_key
from tests.integration.raw_client import RawClient
from tests.system import SECRET, System

_INSERT = {"type": "submit", "client_sequence": 1, "epoch": 1, "base_revision": 0, "delta": [{"insert": "x"}]}


@pytest.fixture(scope="module")
def closed_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is not in open mode, for tests that use documents of different names."""
    settings = {"COEDIT_GATEWAY_OPEN": "0", "COEDIT_GATEWAY_ORIGINS": "https://edit.example.org"}
    system = System(tmp_path_factory.mktemp("system"), settings=settings)
    system.start()
    yield system
    system.stop()


def token(
    documents: Any, *, key: bytes | None = signing_key(SECRET), algorithm: str = "HS256", **claims: Any
) -> str:
    """A JWT, by default one of ours; a claim given as None is left out.

    It outlasts all the tests: some are made when the tests are gathered.
    """
    all_claims = {"sub": "ada", "exp": int(time.time()) + 86_400, "documents": documents} | claims
    present = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(present, key or "", algorithm)


@pytest.mark.parametrize("documents", [{"notes": "write"}, {"*": "write"}, {"*": "read", "notes": "write"}])
async def test_token_that_grants_writing_writes(closed_system: System, documents: Any) -> None:
    async with RawClient(closed_system.url) as client:
        assert (await client.hello(token=token(documents)))["author"] == "ada"
        opened = await client.open("notes")
        assert opened["access"] == "write"
        await client.send(_INSERT | {"document": "notes", "base_revision": opened["revision"]})
        await client.expect("ack")


@pytest.mark.parametrize("documents", [{"read": "read"}, {"*": "read"}, {"*": "write", "read": "read"}])
async def test_token_that_grants_reading_writes_nothing(closed_system: System, documents: Any) -> None:
    async with RawClient(closed_system.url) as client:
        await client.hello(token=token(documents))
        assert (await client.open("read"))["access"] == "read"
        await client.send(_INSERT | {"document": "read"})
        error = await client.expect("error")
        assert (error["code"], error["definite"], error["client_sequence"]) == ("forbidden", True, 1)
        await client.send({"type": "close", "document": "read"})
        assert (await client.open("read"))["head"] == 0


@pytest.mark.parametrize("documents", [{}, {"notes": "write"}, {"Other": "write"}, {"other ": "write"}, None])
async def test_token_for_other_documents_opens_nothing(closed_system: System, documents: Any) -> None:
    async with RawClient(closed_system.url) as client:
        await client.hello(token=token(documents))
        await client.send({"type": "open", "document": "other"})
        error = await client.expect("error")
        assert (error["code"], error["document"]) == ("forbidden", "other")
        await client.send(_INSERT | {"document": "other"})
        assert (await client.expect("error"))["code"] == "unexpected-message"


_ALL = {"*": "write"}
_FORGED = {
    "missing": None,
    "empty": "",
    "no token": "ada",
    "expired": token(_ALL, exp=int(time.time()) - 1),
    "not yet valid": token(_ALL, nbf=int(time.time()) + 600),
    "without expiry": token(_ALL, exp=None),
    "without author": token(_ALL, sub=None),
    "author with a control character": token(_ALL, sub="a\nb"),
    "unknown right": token({"*": "admin"}),
    "rights that are no map": token(["*"]),
    "rights that are unknown": token({"*": ["own"]}),
    "signed by another": token(_ALL, key=b"another secret of thirty-two bytes"),
    "signed with the secret itself": token(_ALL, key=SECRET.encode()),
    "signed by nobody": token(_ALL, key=None, algorithm="none"),
    "altered": ".".join((token({}).rpartition(".")[0], token(_ALL).rpartition(".")[2])),
}


@pytest.mark.parametrize("forged", _FORGED.values(), ids=_FORGED)
async def test_token_that_is_not_ours_is_refused(closed_system: System, forged: str | None) -> None:
    async with RawClient(closed_system.url) as client:
        await client.send({"type": "hello"} if forged is None else {"type": "hello", "token": forged})
        assert (await client.expect("error"))["code"] == "unauthorized"
        assert await client.close_code() == 4401
    headers = {} if forged is None else {"Authorization": f"Bearer {forged}"}
    assert await _status(closed_system, "notes", headers) == 401


async def test_connection_ends_when_its_token_expires(closed_system: System) -> None:
    async with RawClient(closed_system.url) as client:
        await client.hello(token=token(_ALL, exp=int(time.time()) + 2))
        await client.open("notes")
        assert await client.close_code() == 4401


async def test_author_is_who_the_token_names(closed_system: System) -> None:
    async with RawClient(closed_system.url) as client:
        assert (await client.hello(token=token({}), author="eve"))["author"] == "ada"


async def test_document_over_http_takes_the_same_tokens(closed_system: System) -> None:
    reading = {"Authorization": f"Bearer {token({'notes': 'read'})}"}
    assert await _status(closed_system, "notes", reading) == 200
    assert await _status(closed_system, "other", reading) == 403
    assert await _status(closed_system, "notes", reading | {"Origin": "https://evil.example"}) == 403


async def test_only_the_client_itself_comes_back_as_it(closed_system: System) -> None:
    ada, eve = token(_ALL), token(_ALL, sub="eve")
    async with RawClient(closed_system.url) as client, RawClient(closed_system.url) as other:
        welcome = await client.hello(token=ada)
        claim = {"client_id": welcome["client_id"], "resume_token": welcome["resume_token"]}
        theirs = await other.hello(token=eve)
        for forged in (claim, claim | {"resume_token": theirs["resume_token"]}):
            await other.send({"type": "open", "document": "resumed", **forged})
            assert (await other.expect("error"))["code"] == "unauthorized"
            async with RawClient(closed_system.url) as thief:
                await thief.send({"type": "hello", "token": eve, **forged})
                assert (await thief.expect("error"))["code"] == "unauthorized"
                assert await thief.close_code() == 4401
        await client.open("resumed")  # and was not thrown out
        async with RawClient(closed_system.url) as again:
            assert (await again.hello(token=ada, **claim))["client_id"] == welcome["client_id"]
            assert await client.close_code() == 4409


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://edit.example.org", True),
        ("https://edit.example.org.evil.example", False),
        ("http://edit.example.org", False),
        ("null", False),
        ("", False),
    ],
)
async def test_page_of_an_origin_that_is_not_named_is_ended(
    closed_system: System, origin: str, is_allowed: bool
) -> None:
    async with RawClient(closed_system.url, headers={"Origin": origin}) as client:
        if is_allowed:
            await client.hello(token=token(_ALL))
        else:
            assert await client.close_code() == 4403


async def test_named_origins_are_all_that_are_allowed(closed_system: System) -> None:
    """A gateway behind a load balancer cannot know under which name it is asked for."""
    async with RawClient(closed_system.url, headers={"Origin": closed_system.url}) as client:
        assert await client.close_code() == 4403


async def _status(system: System, document: str, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{system.url}/v1/documents/{document}", headers=headers) as response,
    ):
        return response.status


async def test_reader_exports_and_does_not_import(closed_system: System) -> None:
    reader = {"Authorization": f"Bearer {token({'notes': 'read'})}"}
    async with aiohttp.ClientSession() as http:
        for method, address, headers, status in (
            ("GET", "export/notes?format=text", reader, 200),
            ("GET", "export/notes?format=text", {}, 401),
            ("GET", "export/other?format=text", reader, 403),
            ("POST", "import/notes?format=text", reader, 403),
            ("POST", "import/notes?format=text", {"Origin": "https://evil.example"} | reader, 403),
        ):
            async with http.request(method, f"{closed_system.url}/v1/{address}", headers=headers) as answer:
                assert answer.status == status, (method, address)
