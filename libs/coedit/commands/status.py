"""``coedit status`` and ``coedit top``: how a deployment is, and who keeps it busy."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from coedit.client.rest import fetch_status
from coedit.commands.document import Commands
from coedit.errors import UnavailableError

_WELL, _NOT_WELL, _UNREACHABLE = 0, 1, 3
_WATCH_SECONDS = 2.0
_LEAST_SECONDS = 0.1
_CLEAR = "\x1b[H\x1b[2J"
_NOTHING = "-"

Report = dict[str, Any]
"""As ``GET /v1/status`` has it."""


def add_to(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the commands; ``shared`` has the options that say where and who."""
    parents = [shared, _again()]
    status = commands.add_parser(
        "status",
        parents=parents,
        help="say how a deployment is: processes, shards, documents, Redis, object store",
        description="Asks a gateway, with an admin's token (`coedit token --document '*' --rights admin`).",
        epilog="Exit codes: 0 all is well; 1 something is not, see the lines that begin with !; 3 nobody answers; "
        "4 the token is not an admin's. With --watch the last answer counts.",
    )
    status.add_argument(
        "--here",
        action="store_true",
        help="ask Redis and the object store themselves, where the services run, with their COEDIT_ settings",
    )
    status.add_argument("--redis-url", help="with --here, instead of COEDIT_REDIS_URL")
    status.add_argument("--object-store-url", help="with --here, instead of COEDIT_OBJECT_STORE_URL")
    status.set_defaults(run=run_status)
    top = commands.add_parser(
        "top",
        parents=parents,
        help="list the documents and clients that submit most",
        description="Asks a gateway, with an admin's token, what all gateways have counted of late.",
    )
    top.set_defaults(run=run_top, here=False)


def _again() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs; one line each time")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=_WATCH_SECONDS,
        metavar="SECONDS",
        help=f"ask again and again, by default every {_WATCH_SECONDS:.0f} seconds",
    )
    parser.add_argument("--count", type=int, metavar="N", help="with --watch, end after so many times")
    return parser


async def run_status(options: argparse.Namespace) -> int:
    """Print how the deployment is; return whether it is well."""
    return await _run(options, status_lines, lambda report: report)


async def run_top(options: argparse.Namespace) -> int:
    """Print who is busiest; the code is that of reaching the server."""
    await _run(options, top_lines, lambda report: report["busiest"])
    return _WELL


async def _run(
    options: argparse.Namespace, lines: Callable[[Report], Iterator[str]], part: Callable[[Report], Any]
) -> int:
    if options.watch is None:
        report = await _look(options)
        _print(options, report, lines, part)
        return _code(report)
    code, left = _UNREACHABLE, options.count
    while left is None or left > 0:
        try:
            report = await _look(options)
        except UnavailableError as error:  # whoever watches wants to see it come back
            code = _UNREACHABLE
            print(f"coedit: {error}", file=sys.stderr, flush=True)
        else:
            code = _code(report)
            _print(options, report, lines, part)
        left = None if left is None else left - 1
        if left != 0:
            await asyncio.sleep(max(_LEAST_SECONDS, options.watch))
    return code


async def _look(options: argparse.Namespace) -> Report:
    if not options.here:
        return await fetch_status(options.url, options.token)
    try:
        from coedit.commands import server_status  # noqa: PLC0415 - a client has none of what it needs
    except ImportError as error:
        raise UnavailableError(f"this needs the server's packages, coedit[server]: {error}") from error
    return await server_status.look(options)


def _code(report: Report) -> int:
    return _WELL if report["well"] else _NOT_WELL


def _print(
    options: argparse.Namespace,
    report: Report,
    lines: Callable[[Report], Iterator[str]],
    part: Callable[[Report], Any],
) -> None:
    if options.json:
        print(orjson.dumps(part(report)).decode(), flush=True)
        return
    if options.watch is not None and sys.stdout.isatty():
        print(_CLEAR, end="")
    print("\n".join(lines(report)), flush=True)


def status_lines(report: Report) -> Iterator[str]:
    """Yield a report for people, what is wrong first."""
    yield "all is well" if report["well"] else f"{len(report['problems'])} not well"
    for problem in report["problems"]:
        yield f"! {problem['code']}: {problem['message']}"
    yield ""
    yield from _table([_process(process) for process in report["processes"]], _PROCESS)
    yield ""
    yield from _table([_shard(shard) for shard in report["shards"] if not _is_quiet(shard)], _SHARD)
    quiet = sum(map(_is_quiet, report["shards"]))
    yield f"{quiet} of {len(report['shards'])} shards are at rest and owned"
    yield ""
    documents, connections = report["documents"], report["connections"]
    yield "documents    " + ", ".join(f"{count} {what}" for what, count in documents.items())
    yield "connections  " + ", ".join(f"{count} {kind}" for kind, count in connections.items())
    for master in report["redis"]:
        share = f", {master['memory_share']:.0%} of its memory" if master["memory_share"] else ""
        said = master["error"] or f"{master['latency_ms']} ms, {master['replicas']} replicas{share}"
        yield f"redis        {master['address']}: {said}"
    store = report["object_store"]
    yield f"objects      {store['kind']}: {store['error'] or str(store['latency_ms']) + ' ms'}"
    yield f"durability   {report['durability']['level']}"


def top_lines(report: Report) -> Iterator[str]:
    """Yield who is busiest, for people."""
    busiest = report["busiest"]
    documents = [[_rate(one), one["document"]] for one in busiest["documents"]]
    yield from _table(documents, ["edits/s", "document"])
    yield ""
    clients = [[_rate(one), one["author"], one["client_id"]] for one in busiest["clients"]]
    yield from _table(clients, ["edits/s", "author", "client"])


_PROCESS = ["role", "token", "version", "host", "pid", "up", "about"]
_SHARD = ["shard", "transformer", "snapshotter", "presence", "queued", "behind", "changed", "hot", "state"]


def _process(process: dict[str, Any]) -> list[str]:
    about = ", ".join(f"{name} {_short(value)}" for name, value in process["about"].items())
    up = _duration(process["uptime_seconds"])
    known = [process[name] or _NOTHING for name in ("version", "host", "pid")]
    return [process["role"], process["token"], *map(str, known), up, about]


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "/".join(map(str, value.values()))
    return str(round(value, 3) if isinstance(value, float) else value)


def _duration(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{seconds / length:.1f}{unit}"
    return f"{seconds:.0f}s"


def _is_quiet(shard: dict[str, Any]) -> bool:
    busy = ("error", "queued", "changed", "hot", "quarantined", "suspect")
    return bool(shard["transformer"]) and not any(shard[name] for name in busy)


def _shard(shard: dict[str, Any]) -> list[str]:
    owners = [shard[name] or _NOTHING for name in ("transformer", "snapshotter", "presence")]
    counts = [
        str(shard["queued"]),
        f"{shard['queue_age_seconds']:.1f}s",
        str(shard["changed"]),
        str(shard["hot"]),
    ]
    state = [shard["error"], *(["suspect"] if shard["suspect"] else [])]
    if shard["quarantined"]:
        state.append(f"{shard['quarantined']} quarantined")
    return [str(shard["shard"]), *owners, *counts, " ".join(filter(None, state))]


def _rate(one: dict[str, Any]) -> str:
    return f"{one['submissions_per_second']:.2f}"


def _table(rows: list[list[str]], head: list[str]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
