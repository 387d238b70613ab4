"""``coedit``: read and edit documents and their past, make tokens, and replay recorded sessions, from a shell.

Exit codes: 0 done; 1 a check failed, or an edit was refused; 2 wrong usage; 3 the server cannot be reached;
4 the server refuses who one is, or what one asks for; 5 a document cannot be repaired without loss; 130 interrupted.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from coedit.client.events import DocumentError
from coedit.commands import doctor, document, formats, history, replay, status, token, verify
from coedit.errors import (
    CoeditError,
    ForbiddenError,
    InvalidDeltaError,
    InvalidIdentifierError,
    InvalidRequestError,
    UnauthorizedError,
    UnavailableError,
)

DEFAULT_URL = "http://127.0.0.1:8000"
_EXIT_CODES: tuple[tuple[type[CoeditError], int], ...] = (
    (InvalidIdentifierError, 2),
    (InvalidDeltaError, 2),
    (InvalidRequestError, 2),
    (UnavailableError, 3),
    (UnauthorizedError, 4),
    (ForbiddenError, 4),
    (DocumentError, 4),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, by default the process's; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    logging.basicConfig(level=logging.ERROR)
    try:
        code: int = asyncio.run(options.run(options))
    except CoeditError as error:
        print(f"coedit: {error}", file=sys.stderr)
        return _exit_code(error)
    except (OSError, UnicodeError) as error:
        print(f"coedit: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets ``run``, which takes the parsed options."""
    parser = argparse.ArgumentParser(prog="coedit", description="Documents that several people edit at once.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--url",
        default=os.environ.get("COEDIT_URL", DEFAULT_URL),
        help=f"the gateway; by default COEDIT_URL, or {DEFAULT_URL}",
    )
    shared.add_argument(
        "--token", default=os.environ.get("COEDIT_TOKEN"), help="an access token; by default COEDIT_TOKEN"
    )
    shared.add_argument("--author", help="who one is, where the server asks for no token")
    document.add_to(commands, shared)
    formats.add_to(commands, shared)
    history.add_to(commands, shared)
    token.add_to(commands)
    replay.add_to(commands, shared)
    doctor.add_to(commands)
    verify.add_to(commands)
    status.add_to(commands, shared)
    return parser


def _exit_code(error: CoeditError) -> int:
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


if __name__ == "__main__":
    sys.exit(main())
