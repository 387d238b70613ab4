import time
from dataclasses import replace

import jwt
import pytest

from coedit.errors import ForbiddenError, UnauthorizedError
from coedit.identifiers import AuthorId, ClientId, DocumentId
from coedit.protocol.tokens import (
    Identity,
    check_resume_token,
    make_access_token,
    make_resume_token,
    read_access_token,
    signing_key,
)

_SECRET = "a secret of sixteen bytes"
_ADA = Identity(AuthorId("ada"), {"notes": "write", "*": "read"}, "Ada")
_LATER = int(time.time()) + 3600


def test_access_token_names_its_identity() -> None:
    identity = read_access_token(_SECRET, make_access_token(_SECRET, _ADA, _LATER))
    assert identity == replace(_ADA, expires_at=_LATER)
    assert identity.right(DocumentId("notes")) == "write"
    assert identity.right(DocumentId("anything")) == "read"


def test_document_that_is_not_granted_is_forbidden() -> None:
    with pytest.raises(ForbiddenError):
        Identity(AuthorId("ada"), {"notes": "write"}).right(DocumentId("other"))


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
        _forged(documents={"*": ["write"]}),
        _forged(sub=""),
        _forged(sub="a\nb"),
    ],
    ids=range(12),
)
def test_token_that_is_not_ours_or_not_whole_is_refused(token: str) -> None:
    with pytest.raises(UnauthorizedError):
        read_access_token(_SECRET, token)


def test_resume_token_fits_one_client_of_one_author() -> None:
    token = make_resume_token(_SECRET, ClientId("c1"), AuthorId("ada"))
    check_resume_token(_SECRET, ClientId("c1"), AuthorId("ada"), token)
    for client, author in (("c2", "ada"), ("c1", "eve"), ("c1|ada", ""), ("c", "1|ada")):
        with pytest.raises(UnauthorizedError):
            check_resume_token(_SECRET, ClientId(client), AuthorId(author), token)
    with pytest.raises(UnauthorizedError):
        check_resume_token(_SECRET, ClientId("c1"), AuthorId("ada"), "é")
