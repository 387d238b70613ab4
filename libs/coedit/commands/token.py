"""``coedit token``: prints an access token, made with the deployment's secret."""

import argparse
import os
import time
from pathlib import Path

from coedit.commands.document import Commands
from coedit.errors import CoeditError, InvalidIdentifierError, UnauthorizedError
from coedit.identifiers import author_id, document_id, escape
from coedit.protocol.grants import EVERY_DOCUMENT, FACETS, Grants
from coedit.protocol.tokens import Identity, make_access_token

_DAY_SECONDS = 24 * 60 * 60


class NoSecretError(CoeditError):
    """There is no secret to sign with."""


def add_to(commands: Commands) -> None:
    """Add the command."""
    token = commands.add_parser(
        "token",
        help="print an access token",
        description="Make a token with COEDIT_SECRET, or with the secret that `make run` keeps in COEDIT_DATA.",
    )
    token.add_argument("--author", required=True, help="whom the token names")
    token.add_argument(
        "--document",
        required=True,
        action="append",
        help=f"may be given often; {EVERY_DOCUMENT} is every one, team-7/{EVERY_DOCUMENT} all that begin so",
    )
    token.add_argument(
        "--rights",
        type=_rights,
        default="write",
        help="read, write (the default), or facets, separated by commas",
    )
    token.add_argument("--name", default="", help="how the author is shown; nobody can say otherwise")
    token.add_argument("--days", type=float, default=30.0, help="how long it holds; by default 30")
    token.add_argument("--url", help="print the page's address at this server, with the token in it")
    token.set_defaults(run=run_token)


async def run_token(options: argparse.Namespace) -> int:
    """Print a token, or the link that holds it.

    Raises:
        NoSecretError: neither COEDIT_SECRET nor the file is there.
        InvalidIdentifierError: a document or author cannot have this name, or a link is asked for to no one document.
    """
    grants = Grants.of({document_id(name): options.rights for name in options.document})
    now = time.time()
    identity = Identity(author_id(options.author), grants, options.name, issued_at=now)
    expires_at = int(now + options.days * _DAY_SECONDS)
    token = make_access_token(_secret(), identity, expires_at)
    if options.url is None:
        print(token)
        return 0
    if len(grants.by_key) != 1 or options.document[0].endswith(EVERY_DOCUMENT):
        raise InvalidIdentifierError("--url makes a link to one document; name exactly one")
    print(f"{options.url.rstrip('/')}{_page_path(options.document[0])}#token={token}")
    return 0


def _rights(said: str) -> str | list[str]:
    rights = said if said in ("read", "write") else said.split(",")
    try:
        Grants.of({EVERY_DOCUMENT: rights})
    except UnauthorizedError as error:
        raise argparse.ArgumentTypeError(f"not read, write or {', '.join(sorted(FACETS))}") from error
    return rights


def _page_path(name: str) -> str:
    # A path segment "." or ".." is taken for a step by every browser, however it is escaped.
    return f"/d/?document={escape(name)}" if name in {".", ".."} else f"/d/{escape(name)}"


def _secret() -> str:
    secret = os.environ.get("COEDIT_SECRET")
    if secret:
        return secret
    path = Path(os.environ.get("COEDIT_DATA", "var")) / "secret"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise NoSecretError(
            f"set COEDIT_SECRET; it is not set, and {path} cannot be read: {error.strerror}"
        ) from error
