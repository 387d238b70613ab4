"""Whether all is well with a deployment, and what is not: pure, of a `DeploymentStatus`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from coedit.store.deployment.notes import ROLES
from coedit.store.deployment.status import DeploymentStatus, MasterStatus, ShardStatus

BEHIND_SECONDS = 5.0
"""What waits in a shard for longer is not only busy."""
UNSAVED_SECONDS = 60.0
"""As `coedit verify` has it: a document without a snapshot for so long after its last edit stands in Redis alone."""
FULL_SHARE = 0.8
_NAMED = 8
"""So many shards are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that wants to be looked at: a code of a closed set, and a sentence."""

    code: str
    message: str


def problems_of(status: DeploymentStatus) -> list[Problem]:
    """Return all that is not well, what stops people from working first."""
    return [*_of_redis(status), *_of_processes(status), *_of_shards(status.shards), *_of_store(status)]


def _of_redis(status: DeploymentStatus) -> Iterator[Problem]:
    if not status.masters:
        yield Problem("redis", "no master of Redis is known")
    for master in status.masters:
        if master.error:
            yield Problem("redis", f"{master.address} does not answer: {master.error}")
        else:
            yield from _of_master(master, status)


def _of_master(master: MasterStatus, status: DeploymentStatus) -> Iterator[Problem]:
    if master.memory_share > FULL_SHARE:
        yield Problem("redis-memory", f"{master.address} has used {master.memory_share:.0%} of its memory")
    if master.evicts:
        yield Problem(
            "durability", f"{master.address} evicts what it has: set maxmemory-policy to noeviction"
        )
    if status.durability != "memory" and not master.append_only:
        yield Problem(
            "durability", f"{master.address} has no append-only file, and the level is {status.durability}"
        )
    if not master.is_writing:
        yield Problem("durability", f"{master.address} could not write its append-only file")
    if status.durability == "replicated" and master.replicas < status.replica_count:
        yield Problem(
            "durability", f"{master.address} has {master.replicas} of {status.replica_count} replicas"
        )


def _of_processes(status: DeploymentStatus) -> Iterator[Problem]:
    if status.error:
        yield Problem("processes", f"which processes there are is unknown: {status.error}")
        return
    there = {note.role for note in status.processes}
    for role in ROLES:
        if role not in there:
            yield Problem("no-process", f"there is no {role}")


_Is = Callable[[ShardStatus], bool]
_SHARDS: tuple[tuple[str, str, _Is], ...] = (
    ("unknown", "cannot be asked for", lambda shard: bool(shard.error)),
    ("no-owner", "have no transformer: nothing is saved there", lambda shard: not shard.transformer),
    ("suspect", "wait for what Redis lost", lambda shard: shard.suspect),
    ("behind", "are behind", lambda shard: shard.queue_age_seconds > BEHIND_SECONDS),
    ("quarantined", "have damaged documents: see `coedit doctor`", lambda shard: shard.quarantined > 0),
    ("no-snapshotter", "have no snapshotter", lambda shard: not shard.snapshotter),
    ("unsaved", "have documents without a snapshot", lambda shard: shard.waiting_seconds > UNSAVED_SECONDS),
    ("no-presence", "have nobody who announces who is where", lambda shard: not shard.presence),
)


def _of_shards(shards: Iterable[ShardStatus]) -> Iterator[Problem]:
    known = list(shards)
    for code, sentence, holds in _SHARDS:
        found = [shard.shard for shard in known if (code == "unknown") == bool(shard.error) and holds(shard)]
        if found:
            yield Problem(code, f"{_named(found)} {sentence}")


def _named(shards: list[int]) -> str:
    named = ", ".join(map(str, shards[:_NAMED]))
    more = f" and {len(shards) - _NAMED} more" if len(shards) > _NAMED else ""
    return f"shards {named}{more}" if len(shards) > 1 else f"shard {named}"


def _of_store(status: DeploymentStatus) -> Iterator[Problem]:
    if status.store.error:
        yield Problem("object-store", f"the object store does not answer: {status.store.error}")
