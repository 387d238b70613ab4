"""Proofs that the server gives out and takes back: access tokens (JWT) and resume tokens.

Time and randomness are arguments, so that this stays pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Literal

import jwt

from coedit.errors import CoeditError, ForbiddenError, UnauthorizedError
from coedit.identifiers import AuthorId, ClientId, DocumentId, author_id

Right = Literal["read", "write"]
EVERY_DOCUMENT = "*"
_ALGORITHM = "HS256"
_MOST_CHARACTERS = 16 * 1024
"""Of a token; what is longer is not decoded."""
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999: what claims to hold for longer was not meant."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks, and what they may do: a right per document id; ``*`` stands for every document."""

    author: AuthorId
    grants: Mapping[str, Right]
    name: str = ""
    expires_at: float | None = None
    """Seconds since 1970; None: never."""

    def right(self, document_id: DocumentId) -> Right:
        """Return the right on a document.

        Raises:
            ForbiddenError: there is none.
        """
        right = self.grants.get(document_id) or self.grants.get(EVERY_DOCUMENT)
        if right is None:
            raise ForbiddenError("the token does not grant this document")
        return right


def make_access_token(secret: str, identity: Identity, expires_at: int) -> str:
    """Return a JWT (HS256) that says ``identity`` until ``expires_at`` (seconds since 1970)."""
    claims: dict[str, Any] = {"sub": identity.author, "documents": dict(identity.grants), "exp": expires_at}
    if identity.name:
        claims["name"] = identity.name
    return jwt.encode(claims, signing_key(secret), _ALGORITHM)


def read_access_token(secret: str, token: str) -> Identity:
    """Return whom a JWT names.

    Raises:
        UnauthorizedError: it is not ours, has expired, or lacks a claim.
    """
    if len(token) > _MOST_CHARACTERS:
        raise UnauthorizedError("the token is not valid: it is too long")
    try:
        claims = jwt.decode(token, signing_key(secret), [_ALGORITHM], options={"require": ["exp", "sub"]})
        grants = claims.get("documents", {})
        if not isinstance(grants, dict) or not set(grants.values()) <= {"read", "write"}:
            raise UnauthorizedError("the token's claim 'documents' is not a map to 'read' or 'write'")
        name = claims.get("name", "")
        if not isinstance(name, str):
            raise UnauthorizedError("the token's claim 'name' is not a text")
        return Identity(author_id(claims["sub"]), grants, name[:64], _expiry(claims["exp"]))
    except jwt.InvalidTokenError as error:
        raise UnauthorizedError(f"the token is not valid: {_why(error)}") from None
    except (TypeError, ValueError, OverflowError, RecursionError):
        # No UTF-8, no number, a tower of brackets. What such an error says may hold the token: it goes no further.
        raise UnauthorizedError("the token is not valid: it cannot be read") from None
    except UnauthorizedError:
        raise
    except CoeditError as error:
        raise UnauthorizedError(str(error)) from error


def _expiry(claim: Any) -> float:
    is_number = isinstance(claim, int | float) and not isinstance(claim, bool)
    if not is_number or not 0 < claim <= _LAST_SECOND:
        raise UnauthorizedError("the token's claim 'exp' is not a number of seconds up to the year 9999")
    return float(claim)


def _why(error: Exception) -> str:
    """Return what is wrong with a token, without its words: some errors quote what stands in its head."""
    quotes_nothing = (
        jwt.ExpiredSignatureError,
        jwt.ImmatureSignatureError,
        jwt.InvalidSignatureError,
        jwt.MissingRequiredClaimError,
    )
    return str(error) if isinstance(error, quotes_nothing) else type(error).__name__


def signing_key(secret: str) -> bytes:
    """Return the key that signs access tokens, derived from the deployment's secret."""
    return _derived(secret, b"coedit-access")


def make_resume_token(secret: str, client_id: ClientId, author: AuthorId) -> str:
    """Return the proof that ``client_id`` was issued to ``author``."""
    key = _derived(secret, b"coedit-resume")
    return blake2b(f"{client_id}|{author}".encode(), digest_size=16, key=key).hexdigest()


def check_resume_token(secret: str, client_id: ClientId, author: AuthorId, token: str) -> None:
    """Refuse a client id that was not issued to ``author``.

    Raises:
        UnauthorizedError: the token does not fit.
    """
    if not compare_digest(make_resume_token(secret, client_id, author).encode(), token.encode()):
        raise UnauthorizedError("the resume token does not fit the client id and author")


def _derived(secret: str, purpose: bytes) -> bytes:
    return blake2b(secret.encode(), digest_size=32, person=purpose).digest()
