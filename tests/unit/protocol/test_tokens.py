import base64
import hmac
import time
from dataclasses import replace

import jwt
import pytest

from coedit.errors import UnauthorizedError
from coedit.identifiers import AuthorId, ClientId, DocumentId
from coedit.protocol.grants import Grants, right_in
from coedit.protocol.tokens import (
    Identity,
    check_resume_token,
    make_access_token,
    make_resume_token,
    read_access_token,
    signing_key,
)

_SECRET = "a secret of sixteen bytes"
_ADA = Identity(AuthorId("ada"), Grants.of({"notes": "write", "*": "read"}), "Ada")
_LATER = int(time.time()) + 3600


def test_access_token_names_its_identity() -> None:
    identity = read_access_token(_SECRET, make_access_token(_SECRET, _ADA, _LATER), time.time())
    assert identity == replace(_ADA, expires_at=_LATER)
    assert right_in(identity.grants.facets(DocumentId("notes"))) == "write"
    assert right_in(identity.grants.facets(DocumentId("anything"))) == "read"


def _forged(**claims: object) -> str:
    return jwt.encode(
        {"sub": "eve", "exp": _LATER, "documents": {"*": "write"}} | claims, signing_key(_SECRET), "HS256"
    )


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        make_access_token(_SECRET, _ADA, 1),
        make_access_token("another secret of bytes", _ADA, _LATER),
        jwt.encode({"sub": "eve", "exp": _LATER}, "", algorithm="none"),
        jwt.encode(
            {"sub": "eve", "exp": _LATER},
            signing_key(_SECRET) + b"-and-longer-by-far, as the algorithm wants it",
            "HS512",
        ),
        jwt.encode({"sub": "eve"}, signing_key(_SECRET), "HS256"),
        _forged(documents="*"),
        _forged(documents={"*": "own"}),
        _forged(documents={"*": ["own"]}),
        _forged(sub=""),
        _forged(sub="a\nb"),
    ],
    ids=range(12),
)
def test_token_that_is_not_ours_or_not_whole_is_refused(token: str) -> None:
    with pytest.raises(UnauthorizedError):
        read_access_token(_SECRET, token, time.time())


def test_token_holds_from_its_beginning_to_its_end_by_the_time_that_is_given() -> None:
    """Not by this machine's: the clocks of services may be wrong."""
    begins, ends = 1_000_000_000.0, 1_000_003_600.0
    token = _forged(nbf=begins, iat=begins - 10, exp=ends)
    for now in (begins, ends - 1):
        assert read_access_token(_SECRET, token, now).expires_at == ends
    for now, why in ((begins - 1, "nbf"), (ends, "expired"), (time.time(), "expired")):
        with pytest.raises(UnauthorizedError, match=why):
            read_access_token(_SECRET, token, now)


def _signed(header: str, payload: str) -> str:
    """A token whose JSON is written by hand, and whose signature is right."""
    said = ".".join(
        base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (header, payload)
    )
    digest = hmac.digest(signing_key(_SECRET), said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


_HEADER = '{"alg":"HS256","typ":"JWT"}'
_DEEP = "[" * 100_000
_ODD_EXPIRIES = (
    f'"{_LATER}"',
    f'"{_LATER}.5"',
    str(10**30),
    "1e30",
    "1e400",
    "Infinity",
    "-Infinity",
    "NaN",
    "9" * 5000,
    "true",
    "null",
    "[]",
    str(253_402_300_800),
)


@pytest.mark.parametrize("expiry", _ODD_EXPIRIES, ids=range(len(_ODD_EXPIRIES)))  # the same in every process
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_times_that_are_none_are_refused(claim: str, expiry: str) -> None:
    claims = f'"sub":"eve","documents":{{"*":"write"}},"{claim}":{expiry}'
    if claim == "exp":
        with pytest.raises(UnauthorizedError):
            read_access_token(_SECRET, _signed(_HEADER, f"{{{claims}}}"), time.time())
        return
    try:
        identity = read_access_token(_SECRET, _signed(_HEADER, f'{{{claims},"exp":{_LATER}}}'), time.time())
    except UnauthorizedError:
        return  # as a time from which on it holds it may be odd, but nothing else is raised
    assert identity.expires_at == _LATER


def test_a_fraction_of_a_second_is_a_time() -> None:
    token = _signed(_HEADER, f'{{"sub":"eve","exp":{_LATER}.5}}')
    assert read_access_token(_SECRET, token, time.time()).expires_at == _LATER + 0.5


_ODD_TOKENS = {
    "deep claims": _signed(_HEADER, _DEEP),
    "a deep header": _signed(_DEEP, "{}"),
    "a deep claim": _signed(_HEADER, f'{{"sub":"eve","exp":{_LATER},"x":{_DEEP}}}'),
    "a long number": _signed(f'{{"alg":"HS256","x":{"9" * 5000}}}', "{}"),
    "half a character": "\ud800",
    "half a character in parts": "a.\ud800.c",
    "a name that is none": _signed(_HEADER, f'{{"sub":"eve","exp":{_LATER},"name":{{"a":1}}}}'),
    "a header that is a list": _signed("[]", "{}"),
    "claims that are a list": _signed(_HEADER, "[]"),
    "an algorithm that is none": _signed('{"alg":["HS256"]}', "{}"),
}


@pytest.mark.parametrize("token", _ODD_TOKENS.values(), ids=_ODD_TOKENS)
def test_a_token_of_odd_json_is_refused(token: str) -> None:
    with pytest.raises(UnauthorizedError):
        read_access_token(_SECRET, token, time.time())


def test_resume_token_fits_one_client_of_one_author() -> None:
    token = make_resume_token(_SECRET, ClientId("c1"), AuthorId("ada"))
    check_resume_token(_SECRET, ClientId("c1"), AuthorId("ada"), token)
    for client, author in (("c2", "ada"), ("c1", "eve"), ("c1|ada", ""), ("c", "1|ada")):
        with pytest.raises(UnauthorizedError):
            check_resume_token(_SECRET, ClientId(client), AuthorId(author), token)
    with pytest.raises(UnauthorizedError):
        check_resume_token(_SECRET, ClientId("c1"), AuthorId("ada"), "é")
