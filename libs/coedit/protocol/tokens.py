"""Proofs that the server gives out and takes back: access tokens (JWT) and resume tokens."""

from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

import jwt

from coedit.errors import CoeditError, UnauthorizedError, UnknownTokenKeyError
from coedit.identifiers import AuthorId, ClientId, author_id
from coedit.presence.roster import AVATAR, COLOUR, MAX_SHOWN_NAME
from coedit.protocol.grants import Grants

_ALGORITHM = "HS256"
_UNTIMED = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat"), False)
"""Times are compared here: PyJWT knows this machine's clock alone."""
_MOST_CHARACTERS = 16 * 1024
"""Of a token; what is longer is not decoded."""
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999: what claims to hold for longer was not meant."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks, what they may do, and how they are shown: what a token says of that, nobody else says."""

    author: AuthorId
    grants: Grants
    name: str = ""
    expires_at: float | None = None
    """Seconds since 1970; None: never."""
    colour: str = ""
    avatar: str = ""
    claims: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """All that the token says; nothing where nobody was asked for one."""
    issued_at: float = field(default=0.0, compare=False)
    """Seconds since 1970; 0: the token does not say when."""

    def seconds_left(self, now: float) -> float | None:
        """Return for how long the token holds from ``now`` on, seconds since 1970; None: for ever."""
        return None if self.expires_at is None else round(max(0.0, self.expires_at - now), 1)


def make_access_token(secret: str, identity: Identity, expires_at: int) -> str:
    """Return a JWT (HS256) that says ``identity`` until ``expires_at`` (seconds since 1970)."""
    claims: dict[str, Any] = {
        "sub": identity.author,
        "documents": identity.grants.claim(),
        "iat": identity.issued_at or "",
        "exp": expires_at,
        "name": identity.name,
        "colour": identity.colour,
        "avatar": identity.avatar,
    }
    return jwt.encode(
        {name: claim for name, claim in claims.items() if claim != ""}, signing_key(secret), _ALGORITHM
    )


def read_access_token(secret: str, token: str, now: float) -> Identity:
    """Return whom a JWT names that coedit itself made; ``now`` as for `read_jwt`.

    Raises:
        UnknownTokenKeyError: it is not ours.
        UnauthorizedError: it has expired, or lacks a claim.
    """
    # Its iat is only compared with ours: whose clock is ahead may make tokens, too.
    return read_jwt(token, signing_key(secret), _ALGORITHM, now, {"verify_iat": False})


def read_jwt(
    token: str,
    key: Any,
    algorithm: str,
    now: float,
    options: dict[str, Any],
    **decoding: Any,
) -> Identity:
    """Return whom a JWT names that is signed by ``key``; ``options`` and ``decoding`` are PyJWT's.

    ``now`` is the time at which it has to hold, in seconds since 1970.

    Raises:
        UnknownTokenKeyError: it is not.
        UnauthorizedError: it has expired, lacks a claim, or has one that cannot be.
    """
    if len(token) > _MOST_CHARACTERS:
        raise UnauthorizedError("the token is not valid: it is too long")
    try:
        all_options: Any = {"require": ["exp", "sub"]} | options | _UNTIMED
        claims = jwt.decode(token, key, [algorithm], all_options, **decoding)
        leeway_seconds = float(decoding.get("leeway", 0))
        begins = [name for name in ("nbf", "iat") if options.get(f"verify_{name}", True)]
        _check_times(claims, begins, now, leeway_seconds)
        return _identity(claims, leeway_seconds)
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
        raise UnknownTokenKeyError(f"the token is not valid: {_why(error)}") from None
    except jwt.InvalidTokenError as error:
        raise UnauthorizedError(f"the token is not valid: {_why(error)}") from None
    except (TypeError, ValueError, OverflowError, RecursionError):
        # No UTF-8, no number, a tower of brackets. What such an error says may hold the token: it goes no further.
        raise UnauthorizedError("the token is not valid: it cannot be read") from None
    except UnauthorizedError:
        raise
    except CoeditError as error:
        raise UnauthorizedError(str(error)) from error


def _check_times(claims: dict[str, Any], begins: list[str], now: float, leeway_seconds: float) -> None:
    """Refuse a token before the claims that it ``begins`` with, and from its end on; errors are PyJWT's."""
    for name in begins:
        if name in claims and int(claims[name]) > now + leeway_seconds:
            raise jwt.ImmatureSignatureError(f"The token is not yet valid ({name})")
    if int(claims["exp"]) <= now - leeway_seconds:
        raise jwt.ExpiredSignatureError("Signature has expired")


def head_of(token: str) -> tuple[str, str]:
    """Return the algorithm and the key id ("": none) that a JWT claims for itself; nothing of that is proved.

    Raises:
        UnauthorizedError: it is no JWT.
    """
    if len(token) > _MOST_CHARACTERS:
        raise UnauthorizedError("the token is not valid: it is too long")
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, TypeError, ValueError, RecursionError):
        raise UnauthorizedError("the token is not valid: it cannot be read") from None
    algorithm, key_id = head.get("alg"), head.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(key_id, str):
        raise UnauthorizedError("the token is not valid: it cannot be read")
    return algorithm, key_id


def _identity(claims: dict[str, Any], leeway_seconds: float) -> Identity:
    name = _text(claims, "name")
    colour = _text(claims, "colour") or _text(claims, "color")
    avatar = _text(claims, "avatar")
    if colour and not COLOUR.fullmatch(colour):
        raise UnauthorizedError("the token's claim 'colour' is not of the form #rrggbb")
    if avatar and not AVATAR.fullmatch(avatar):
        raise UnauthorizedError("the token's claim 'avatar' is not a short https address")
    return Identity(
        author_id(claims["sub"]),
        Grants.of(claims.get("documents", {})),
        name[:MAX_SHOWN_NAME],
        _expiry(claims["exp"]) + leeway_seconds,
        colour,
        avatar,
        claims,
        issued_at=float(claims.get("iat", 0.0)),
    )


def _text(claims: dict[str, Any], name: str) -> str:
    claim = claims.get(name, "")
    if not isinstance(claim, str):
        raise UnauthorizedError(f"the token's claim '{name}' is not a text")
    return claim.encode(
        "utf-8", "replace"
    ).decode()  # half a character, as where a name was cut, could not be shown


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
        jwt.InvalidAudienceError,
        jwt.InvalidIssuerError,
        jwt.InvalidSignatureError,
        jwt.MissingRequiredClaimError,
    )
    return str(error) if isinstance(error, quotes_nothing) else type(error).__name__


def signing_key(secret: str) -> bytes:
    """Return the key that signs the access tokens which coedit itself makes, derived from the deployment's secret."""
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
