"""A document's past: ``coedit history``, ``show``, ``diff``, ``blame``, ``versions``, ``restore``, ``undo-author``."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from coedit.client.history import DocumentHistory, NamedVersion, PastEdit
from coedit.commands.document import Commands
from coedit.errors import InvalidRequestError
from coedit.ot.parts.utf16 import from_units, to_units
from coedit.ot.past.changes import Change

_MOMENT = "head, a revision, @TIME or version:NAME"


def add_to(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the commands; ``shared`` has the options that say where and who."""
    parents = [shared, _document(), _json()]
    history = commands.add_parser("history", parents=parents, help="list a document's changes, newest first")
    history.add_argument("--before", type=int, metavar="REVISION", help="go on below this revision")
    history.add_argument("--limit", type=int, default=50, help="how many changes; by default 50")
    history.add_argument(
        "--gap", type=float, default=60.0, metavar="SECONDS", help="longer pauses begin another change"
    )
    history.set_defaults(run=run_history)
    show = commands.add_parser("show", parents=parents, help="print a document as it was")
    show.add_argument("moment", help=_MOMENT)
    show.set_defaults(run=run_show)
    difference = commands.add_parser(
        "diff", parents=[shared, _document()], help="print what changed, as a delta"
    )
    difference.add_argument("before", help=_MOMENT)
    difference.add_argument("after", nargs="?", default="head", help="the same; by default head")
    difference.set_defaults(run=run_diff)
    blame = commands.add_parser("blame", parents=parents, help="print who wrote which part")
    blame.add_argument("moment", nargs="?", default="head", help=_MOMENT)
    blame.set_defaults(run=run_blame)
    versions = commands.add_parser("versions", parents=parents, help="list named versions, or name one")
    versions.add_argument("--save", metavar="NAME", help="give a moment this name, for ever")
    versions.add_argument("--at", default="head", metavar="MOMENT", help=f"{_MOMENT}; by default head")
    versions.set_defaults(run=run_versions)
    _add_edits(commands, shared)


def _add_edits(commands: Commands, shared: argparse.ArgumentParser) -> None:
    parents = [shared, _document()]
    restore = commands.add_parser(
        "restore", parents=parents, help="make a document what it was, by a new edit"
    )
    restore.add_argument("moment", help=_MOMENT)
    restore.set_defaults(run=run_restore)
    undo = commands.add_parser(
        "undo-author", parents=parents, help="take back what one author did, by a new edit"
    )
    undo.add_argument(
        "of", metavar="AUTHOR", nargs="?", help="whose edits; without one, everybody's of a time"
    )
    undo.add_argument("--since", metavar="TIME", help="from then on; ISO 8601 with a zone, or ms since 1970")
    undo.add_argument("--until", metavar="TIME", help="before then")
    undo.set_defaults(run=run_undo)


def _document() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("document")
    return parser


def _json() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


async def run_history(options: argparse.Namespace) -> int:
    """Print changes, one a line; the last line says how to go on."""
    with _past(options) as past:
        changes, before = await past.changes(options.before, limit=options.limit, gap_seconds=options.gap)
    if options.json:
        _print_json({"changes": [change.told() for change in changes], "before": before})
        return 0
    for change in changes:
        print(_change_line(change))
    if before is not None:
        print(f"more: --before {before}", file=sys.stderr)
    return 0


async def run_show(options: argparse.Namespace) -> int:
    """Print the document; nothing is added to its text, not even a newline."""
    with _past(options) as past:
        document = await past.at(options.moment)
    if options.json:
        _print_json(document.content.to_json())
    else:
        sys.stdout.buffer.write(document.content.text.encode())
    return 0


async def run_diff(options: argparse.Namespace) -> int:
    """Print the difference, one op a line."""
    with _past(options) as past:
        delta = await past.diff(options.before, options.after)
    for op in delta.to_json():
        _print_json(op)
    return 0


async def run_blame(options: argparse.Namespace) -> int:
    """Print each run of one commit: its revision, its author, and its text as JSON."""
    with _past(options) as past:
        document = await past.at(options.moment)
        runs = await past.blame(document.revision)
    if options.json:
        _print_json([run.told() for run in runs])
        return 0
    units, start = to_units(document.content.text), 0
    for run in runs:
        print(f"{run.revision}\t{run.author}\t{_text(units[start : start + run.length])}")
        start += run.length
    return 0


async def run_versions(options: argparse.Namespace) -> int:
    """Print the versions, or the one that was made."""
    with _past(options) as past:
        found = [await past.save_version(options.save, options.at)] if options.save else await past.versions()
    if options.json:
        _print_json(list(map(asdict, found)))
    else:
        _print_lines(map(_version_line, found))
    return 0


async def run_restore(options: argparse.Namespace) -> int:
    """Restore, and say as which revision."""
    with _past(options) as past:
        return _done(await past.restore(options.moment))


async def run_undo(options: argparse.Namespace) -> int:
    """Take back, and say as which revision.

    Raises:
        InvalidRequestError: neither an author nor a time is named.
    """
    if options.of is None and options.since is None and options.until is None:
        raise InvalidRequestError("name an author, or a time with --since and --until")
    with _past(options) as past:
        return _done(await past.undo(options.of, since=options.since, until=options.until))


@contextmanager
def _past(options: argparse.Namespace) -> Iterator[DocumentHistory]:
    """Ask for a document's past; at the end, say what of it nobody can vouch for."""
    past = DocumentHistory(options.url, options.document, options.token, options.author)
    try:
        yield past
    finally:
        if past.unchecked:
            print(
                f"coedit: {past.unchecked} revisions could not be checked: the server does not know the secret that "
                "they are said to be sealed under",
                file=sys.stderr,
            )


def _done(edit: PastEdit) -> int:
    print(
        f"saved as revision {edit.revision}" if edit.changed else "nothing to change",
        file=sys.stderr,
    )
    return 0


def _change_line(change: Change) -> str:
    revisions = str(change.first) if change.first == change.last else f"{change.first}-{change.last}"
    counts = [f"+{change.inserted}", f"-{change.deleted}"] + (
        [f"~{change.formatted}"] * bool(change.formatted)
    )
    return "\t".join([revisions, _time(change.ended_at), change.author, " ".join(counts)])


def _version_line(version: NamedVersion) -> str:
    return "\t".join([version.name, str(version.revision), _time(version.at), version.author])


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _text(units: str) -> str:
    return orjson.dumps(from_units(units)).decode()


def _print_json(value: Any) -> None:
    print(orjson.dumps(value).decode())


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
