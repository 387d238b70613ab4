"""``coedit doctor``: where it stands among the commands; what it does needs the server's packages."""

import argparse

from coedit.commands.document import Commands
from coedit.errors import UnavailableError


def add_to(commands: Commands) -> None:
    """Add the command."""
    doctor = commands.add_parser(
        "doctor",
        help="examine or repair a damaged document, on the server",
        description="Show what is stored of a document and what is wrong with it; without DOC, list the documents that "
        "are quarantined. Runs where the services run: it reads the same COEDIT_ settings, and needs "
        "Redis, the object store and COEDIT_SECRET.",
        epilog="Exit codes: 0 healthy, or repaired; 1 damaged, or quarantined, or revisions could not be checked; "
        "5 it cannot be repaired without loss.",
    )
    doctor.add_argument("document", nargs="?", metavar="DOC")
    doctor.add_argument("--repair", action="store_true", help="put it right from what else is stored of it")
    doctor.add_argument(
        "--accept-loss",
        action="store_true",
        help="with --repair: where that is not enough, go on from the last sound revision, in a new epoch",
    )
    doctor.add_argument("--redis-url", help="instead of COEDIT_REDIS_URL")
    doctor.add_argument("--object-store-url", help="instead of COEDIT_OBJECT_STORE_URL")
    doctor.set_defaults(run=run)


async def run(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        UnavailableError: the server's packages are not installed.
        CoeditError: see `coedit.commands.server_doctor.run`.
    """
    try:
        from coedit.commands import server_doctor  # noqa: PLC0415 - a client has none of what it needs
    except ImportError as error:
        raise UnavailableError(f"this needs the server's packages, coedit[server]: {error}") from error
    return await server_doctor.run(options)
