"""``coedit replay``: does a recorded editing session again, with a progress bar, and checks what came out."""

import argparse
import os
import secrets
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from coedit.commands.document import Commands
from coedit.replay.replay import ReplayOptions, replay
from coedit.replay.report import Report
from coedit.replay.traces import Trace, read_trace


def add_to(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command; ``shared`` has the options that say where and who."""
    parser = commands.add_parser(
        "replay",
        parents=[shared],
        help="do a recorded editing session again, and check the result",
        description="Replay a trace (JSON, maybe gzipped, as in github.com/josephg/editing-traces). A sequential one "
        "must end in exactly the recorded text; of a concurrent one all clients, the server and the snapshot must "
        "agree, and every character be there once.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--document", help="a document that does not exist yet; by default a new name")
    parser.add_argument(
        "--each", action="store_true", help="wait after each transaction: each becomes a revision"
    )
    parser.add_argument("--clients", type=_positive, default=1, help="open it so often; the rest only watch")
    parser.add_argument(
        "--delay", type=float, default=0.0, help="mean pause before a transaction, in milliseconds"
    )
    parser.add_argument("--limit", type=_positive, help="only the first so many transactions")
    parser.add_argument("--seed", type=int, default=0, help="of the pauses")
    parser.add_argument(
        "--snapshot",
        action="store_true",
        help="wait for the snapshot of a sequential trace too, and with COEDIT_OBJECT_STORE_URL load and compare it",
    )
    parser.set_defaults(run=run_replay)


async def run_replay(options: argparse.Namespace) -> int:
    """Replay a trace, print what was counted and checked; return 1 if a check failed.

    Raises:
        TraceError: the file is not a trace.
        OSError: it cannot be read.
        CoeditError: the replay cannot go on.
    """
    trace = read_trace(options.file.read_bytes())
    report = await _replay(trace, _replay_options(options))
    print("\n".join(report.lines()))
    return 1 if report.problems else 0


async def _replay(trace: Trace, options: ReplayOptions) -> Report:
    total = min(len(trace.transactions), options.limit or len(trace.transactions))
    columns = (
        TextColumn(options.document),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        task = progress.add_task("", total=total)
        return await replay(trace, options, lambda: progress.advance(task))


def _replay_options(options: argparse.Namespace) -> ReplayOptions:
    name = options.file.name.partition(".")[0]
    return ReplayOptions(
        url=options.url,
        document=options.document or f"replay-{name}-{secrets.token_hex(4)}",
        token=options.token,
        each=options.each,
        clients=options.clients,
        delay_seconds=options.delay / 1000,
        limit=options.limit,
        seed=options.seed,
        wait_for_snapshot=options.snapshot,
        object_store_url=os.environ.get("COEDIT_OBJECT_STORE_URL") if options.snapshot else None,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
