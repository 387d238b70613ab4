"""A history as people read it: runs of commits of one author, and how much each changed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from coedit.identifiers import AuthorId, Revision
from coedit.ot.commit import Commit, Metadata
from coedit.ot.delta import Delta
from coedit.ot.parts.cursor import target_length
from coedit.ot.parts.ops import Delete, Insert


@dataclass(frozen=True, slots=True)
class Change:
    """The revisions ``first`` to ``last``, both included, all of one author. Counts are UTF-16 code units."""

    first: Revision
    last: Revision
    author: AuthorId
    began_at: int
    """Milliseconds since 1970, of ``first``."""
    ended_at: int
    inserted: int
    deleted: int
    formatted: int
    """Units whose attributes were set or removed."""
    metadata: Metadata = ()
    """What programs say of all of its commits alike."""

    def told(self) -> dict[str, Any]:
        """Return it as plain values; metadata only where there is some."""
        fields = asdict(self)
        del fields["metadata"]
        return fields | ({"metadata": dict(self.metadata)} if self.metadata else {})


def change_of(commit: Commit) -> Change:
    """Return the change that a commit is by itself."""
    inserted, deleted, formatted = count_units(commit.delta)
    revision, at = commit.revision, commit.at
    return Change(revision, revision, commit.author, at, at, inserted, deleted, formatted, commit.metadata)


def group_changes(commits: Iterable[Commit], gap_ms: int) -> list[Change]:
    """Return the changes that commits in a row make, in their order.

    Neighbours are one change where they have one author, who says the same of both, and are at most ``gap_ms`` apart.
    So grouping a history in two parts gives the same as grouping it whole, except that the change across the cut is in
    two.
    """
    changes: list[Change] = []
    for commit in commits:
        change = change_of(commit)
        if changes and is_one_change(changes[-1], change, gap_ms):
            change = joined(changes.pop(), change)
        changes.append(change)
    return changes


def is_one_change(earlier: Change, later: Change, gap_ms: int) -> bool:
    """Return whether two neighbours belong together."""
    is_alike = (earlier.author, earlier.metadata) == (later.author, later.metadata)
    return is_alike and later.began_at - earlier.ended_at <= gap_ms


def joined(earlier: Change, later: Change) -> Change:
    """Return two neighbours of one author as one change."""
    return Change(
        earlier.first,
        later.last,
        earlier.author,
        earlier.began_at,
        later.ended_at,
        earlier.inserted + later.inserted,
        earlier.deleted + later.deleted,
        earlier.formatted + later.formatted,
        earlier.metadata,
    )


def count_units(delta: Delta) -> tuple[int, int, int]:
    """Return how many units a delta inserts, deletes and formats."""
    inserted = deleted = formatted = 0
    for op in delta.ops:
        if type(op) is Insert:
            inserted += target_length(op)
        elif type(op) is Delete:
            deleted += op.length
        elif op.attributes:
            formatted += op.length
    return inserted, deleted, formatted
