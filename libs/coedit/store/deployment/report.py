"""A deployment's status as plain JSON: what ``GET /v1/status`` and ``coedit status --json`` say."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from coedit.store.deployment.notes import ProcessNote
from coedit.store.deployment.problems import problems_of
from coedit.store.deployment.status import DeploymentStatus, shown_token

_BUSIEST = 20


def report_of(status: DeploymentStatus) -> dict[str, Any]:
    """Return the whole answer; ``well`` is whether ``problems`` is empty."""
    problems = problems_of(status)
    gateways = [note.about or {} for note in status.processes if note.role == "gateway"]
    return {
        "well": not problems,
        "problems": [asdict(problem) for problem in problems],
        "processes": [_process(note) for note in status.processes],
        "shards": [asdict(shard) for shard in status.shards],
        "documents": {
            "open": sum(about.get("documents", 0) for about in gateways),
            "hot": sum(shard.hot for shard in status.shards),
            "changed": sum(shard.changed for shard in status.shards),
            "quarantined": sum(shard.quarantined for shard in status.shards),
        },
        "connections": _summed([about.get("connections", {}) for about in gateways]),
        "redis": [asdict(master) for master in status.masters],
        "object_store": asdict(status.store),
        "durability": {"level": status.durability, "replica_count": status.replica_count},
        "busiest": _busiest(gateways),
    }


def _process(note: ProcessNote) -> dict[str, Any]:
    about = {name: value for name, value in (note.about or {}).items() if not name.startswith("busiest_")}
    return {
        "role": note.role,
        "token": shown_token(note.token),
        "version": note.version,
        "host": note.host,
        "pid": note.pid,
        "uptime_seconds": note.uptime_seconds,
        "about": about,
    }


def _summed(counts: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {"ot": 0, "yjs": 0}
    for some in counts:
        for kind, count in some.items():
            total[kind] = total.get(kind, 0) + count
    return total


def _busiest(gateways: list[dict[str, Any]]) -> dict[str, Any]:
    """Return who submits most, of what each gateway named: one document may be busy on several."""
    documents: dict[str, float] = defaultdict(float)
    for about in gateways:
        for document, per_second in about.get("busiest_documents", ()):
            documents[document] += per_second
    clients = [client for about in gateways for client in about.get("busiest_clients", ())]
    clients.sort(key=lambda client: -client[2])
    names = sorted(documents, key=lambda name: -documents[name])
    return {
        "documents": [
            {"document": name, "submissions_per_second": round(documents[name], 2)}
            for name in names[:_BUSIEST]
        ],
        "clients": [
            {"client_id": client_id, "author": author, "submissions_per_second": round(per_second, 2)}
            for client_id, author, per_second in clients[:_BUSIEST]
        ],
    }
