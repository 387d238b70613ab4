"""``coedit cat`` and ``coedit edit``: one document, printed or changed."""

import argparse
import sys
from pathlib import Path
from typing import TypeAlias

import orjson

from coedit.client.connection import connect
from coedit.client.document import Document
from coedit.client.events import DocumentError
from coedit.client.rest import fetch_json, fetch_text
from coedit.errors import CoeditError, InvalidDeltaError
from coedit.ot.delta import Delta

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


class EditRefusedError(CoeditError):
    """The server refused the edit for good; the document is without it."""


def add_to(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the commands; ``shared`` has the options that say where and who."""
    cat = commands.add_parser("cat", parents=[shared], help="print a document's text")
    cat.add_argument("document")
    cat.add_argument("--json", action="store_true", help="print the delta, with formatting and embeds")
    cat.set_defaults(run=run_cat)
    edit = commands.add_parser(
        "edit",
        parents=[shared],
        help="change a document, and wait until it is saved",
        description="Make what stands on standard input the document's text, by a small edit.",
    )
    edit.add_argument("document")
    change = edit.add_mutually_exclusive_group()
    change.add_argument("--file", type=Path, help="read the new text from here instead")
    change.add_argument("--insert", nargs=2, metavar=("POSITION", "TEXT"), help="insert a text instead")
    change.add_argument("--delete", nargs=2, type=int, metavar=("POSITION", "LENGTH"), help="delete instead")
    edit.add_argument(
        "--patience",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long to try to connect; by default 10",
    )
    edit.epilog = "Positions and lengths count UTF-16 code units."
    edit.set_defaults(run=run_edit)


async def run_cat(options: argparse.Namespace) -> int:
    """Print the document as it is at its head; nothing is added to its text, not even a newline."""
    if options.json:
        answer = orjson.loads(await fetch_json(options.url, options.document, options.token))
        print(orjson.dumps(answer["content"]).decode())
        _warn_if(answer.get("damaged", False), answer["revision"])
    else:
        found = await fetch_text(options.url, options.document, options.token)
        sys.stdout.buffer.write(found.text.encode())
        _warn_if(found.is_damaged, found.revision)
    return 0


def _warn_if(is_damaged: bool, revision: int) -> None:
    if is_damaged:
        print(
            f"coedit: the document is damaged; this is revision {revision}, the last sound one",
            file=sys.stderr,
        )


async def run_edit(options: argparse.Namespace) -> int:
    """Change the document, and return once the server has saved it.

    Raises:
        InvalidDeltaError: the change does not fit the document.
        EditRefusedError: the server refused it.
        CoeditError: the document cannot be opened.
        OSError, UnicodeError: the new text cannot be read.
    """
    text = None if options.insert or options.delete else _read(options.file)
    async with connect(
        options.url, token=options.token, author=options.author, patience_seconds=options.patience
    ) as session:
        document = await session.open(options.document)
        if document.damaged:
            raise DocumentError(
                "quarantined", "the document is damaged, and takes no writes until it is repaired"
            )
        if document.state.access != "write":
            raise DocumentError("forbidden", "the token grants only reading")
        if text is not None:
            await document.replace_text(text)
        else:
            await document.edit(_delta(options))
        await _saved(document)
    print(f"saved as revision {document.revision}", file=sys.stderr)
    return 0


def _read(file: Path | None) -> str:
    body = sys.stdin.buffer.read() if file is None else file.read_bytes()
    return body.decode("utf-8")


def _delta(options: argparse.Namespace) -> Delta:
    if options.delete:
        position, length = options.delete
        return Delta().retain(position).delete(length)
    position, text = options.insert
    try:
        return Delta().retain(int(position)).insert(text)
    except ValueError as error:
        raise InvalidDeltaError(f"{position!r} is not a position") from error


async def _saved(document: Document) -> None:
    await document.until(lambda: document.saved or bool(document.rejections))
    for rejection in document.rejections:
        raise EditRefusedError(f"the server refused the edit: {rejection.code}: {rejection.message}")
