"""``coedit export`` and ``coedit import``: a document as a file of another program."""

import argparse
import sys
from pathlib import Path

from coedit.client.formats import DocumentFormats
from coedit.commands.document import Commands
from coedit.errors import InvalidRequestError

_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "delta",
    ".delta": "delta",
    ".yjs": "yjs",
    ".ydoc": "yjs",
    ".bin": "yjs",
}
_FORMATS = list(dict.fromkeys(_SUFFIXES.values()))


def add_to(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the commands; ``shared`` has the options that say where and who."""
    export = commands.add_parser(
        "export", parents=[shared], help="write a document as text, Markdown, HTML, Quill Delta or Yjs"
    )
    export.add_argument("document")
    export.add_argument(
        "--format", choices=_FORMATS, help="by default what the name of the file says, or text"
    )
    export.add_argument("--output", "-o", type=Path, metavar="FILE", help="by default standard output")
    export.add_argument(
        "--at", default="head", metavar="MOMENT", help="head, a revision, @TIME or version:NAME"
    )
    export.set_defaults(run=run_export)
    incoming = commands.add_parser(
        "import",
        parents=[shared],
        help="make a document what a file holds",
        description="Make a document, new or not, what a file holds, by one edit, which can be undone as any other.",
    )
    incoming.add_argument("document")
    incoming.add_argument("file", help="the file; - is standard input")
    incoming.add_argument("--format", choices=_FORMATS, help="by default what the name of the file says")
    incoming.add_argument("--root", help="of a Yjs update, the name of its shared text; by default content")
    incoming.set_defaults(run=run_import)


async def run_export(options: argparse.Namespace) -> int:
    """Write the document; nothing is added to it, not even a newline.

    Raises:
        OSError: the file cannot be written.
        CoeditError: the server refuses, or cannot be reached.
    """
    named = _SUFFIXES.get(options.output.suffix.lower()) if options.output else None
    body = await _formats(options).export_as(options.format or named or "text", options.at)
    if options.output:
        options.output.write_bytes(body)
    else:
        sys.stdout.buffer.write(body)
    return 0


async def run_import(options: argparse.Namespace) -> int:
    """Import the file, and say as which revision.

    Raises:
        InvalidRequestError: nothing says which format it has.
        OSError: the file cannot be read.
        CoeditError: the server refuses, or cannot be reached.
    """
    form = options.format or _SUFFIXES.get(Path(options.file).suffix.lower())
    if form is None:
        raise InvalidRequestError(f"say which format {options.file} has: --format {'|'.join(_FORMATS)}")
    edit = await _formats(options).import_from(form, _read(options.file), root=options.root)
    print(
        f"saved as revision {edit.revision}" if edit.changed else "nothing to change",
        file=sys.stderr,
    )
    return 0


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _formats(options: argparse.Namespace) -> DocumentFormats:
    return DocumentFormats(options.url, options.document, options.token, options.author)
