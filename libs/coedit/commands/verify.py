"""``coedit verify`` and ``coedit recover``: where they stand among the commands; they need the server's packages."""

import argparse

from coedit.commands.document import Commands
from coedit.errors import UnavailableError


def add_to(commands: Commands) -> None:
    """Add the commands."""
    verify = commands.add_parser(
        "verify",
        parents=[_which()],
        help="check that all that is stored of a document agrees, on the server",
        description="Check log, archive, snapshots, their Yjs documents and named versions against each other, by "
        "checksum, by the MAC chain from revision 1 on, and by replay. Reads only. Runs where the services run: it "
        "reads the same COEDIT_ settings, and needs Redis, the object store and COEDIT_SECRET.",
        epilog="Exit codes: 0 everything agrees; 1 something does not, see `coedit doctor DOC`, or cannot be checked.",
    )
    verify.add_argument("--json", action="store_true", help="print JSON, one object a line, the summary last")
    verify.set_defaults(run=run_verify)
    recover = commands.add_parser(
        "recover",
        parents=[_which()],
        help="bring documents back into Redis now, on the server",
        description="Ask the running transformers to put documents back into an empty Redis, each where its newest "
        "snapshot has it. That happens by itself when a document is edited; this does it at once, for all.",
        epilog="Exit codes: 0 all are there; 1 some are not. Needs what `coedit verify` needs, and transformers.",
    )
    recover.add_argument(
        "--patience", type=float, default=30.0, metavar="SECONDS", help="for one document; 30"
    )
    recover.set_defaults(run=run_recover)


async def run_verify(options: argparse.Namespace) -> int:
    """Run the command; raises as `coedit.commands.server_verify.verify`, and if the server's packages are missing."""
    try:
        from coedit.commands import server_verify  # noqa: PLC0415 - a client has none of what it needs
    except ImportError as error:
        raise _missing(error) from error
    return await server_verify.verify(options)


async def run_recover(options: argparse.Namespace) -> int:
    """Run the command; raises as `coedit.commands.server_verify.recover`, and if the server's packages are missing."""
    try:
        from coedit.commands import server_verify  # noqa: PLC0415 - a client has none of what it needs
    except ImportError as error:
        raise _missing(error) from error
    return await server_verify.recover(options)


def _which() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("document", nargs="?", metavar="DOC")
    which.add_argument("--all", action="store_true", help="every document of the deployment")
    parser.add_argument("--redis-url", help="instead of COEDIT_REDIS_URL")
    parser.add_argument("--object-store-url", help="instead of COEDIT_OBJECT_STORE_URL")
    return parser


def _missing(error: ImportError) -> UnavailableError:
    return UnavailableError(f"this needs the server's packages, coedit[server]: {error}")
