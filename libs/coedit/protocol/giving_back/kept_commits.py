"""What a replica keeps for a server that loses its log: the commits above the newest snapshot, as they came."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coedit.identifiers import Revision

MAX_KEPT_COMMITS = 4096
MAX_KEPT_WEIGHT = 4 * 1024 * 1024
"""What they may weigh together (see `Delta.weight`)."""
MAX_OFFER_COMMITS = 500
MAX_OFFER_WEIGHT = 256 * 1024

Fields = Mapping[str, Any]
"""A commit as `coedit.protocol.log_entry.commit_fields` makes it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A commit as it came, and what it weighs."""

    fields: Fields
    weight: int

    @property
    def revision(self) -> int:
        """Its place in the order."""
        revision: int = self.fields["revision"]
        return revision


@dataclass(frozen=True, slots=True)
class Offer:
    """Commits in a row, and the mac of the revision below the first: enough for whoever has the key to check them."""

    before: str
    commits: tuple[Fields, ...]


class KeptCommits:
    """Commits without a gap up to the newest; the oldest go first, at a snapshot or at the bounds."""

    def __init__(self) -> None:
        self._commits: deque[Kept] = deque()
        self._weight = 0
        self._before = ""

    def __len__(self) -> int:
        return len(self._commits)

    def begin(self, mac: str) -> None:
        """Forget everything: the next commit follows the revision that ``mac`` is of."""
        self._commits.clear()
        self._weight = 0
        self._before = mac

    def add(self, fields: Fields, weight: int) -> None:
        """Keep the next commit."""
        self._commits.append(Kept(fields, weight))
        self._weight += weight
        while len(self._commits) > MAX_KEPT_COMMITS or self._weight > MAX_KEPT_WEIGHT:
            self._forget_oldest()

    def stored_up_to(self, revision: Revision) -> None:
        """Let go of what a snapshot covers."""
        while self._commits and self._commits[0].revision <= revision:
            self._forget_oldest()

    def above(self, revision: int) -> list[Offer]:
        """Return what is kept above ``revision``, in offers that are small enough to send."""
        return list(self._offers(revision))

    def _offers(self, revision: int) -> Iterator[Offer]:
        before, first, commits, weight = self._before, self._before, list[Fields](), 0
        for kept in self._commits:
            if kept.revision > revision:
                if commits and (len(commits) == MAX_OFFER_COMMITS or weight + kept.weight > MAX_OFFER_WEIGHT):
                    yield Offer(first, tuple(commits))
                    commits, weight = [], 0
                if not commits:
                    first = before
                commits.append(kept.fields)
                weight += kept.weight
            before = kept.fields["mac"]
        if commits:
            yield Offer(first, tuple(commits))

    def _forget_oldest(self) -> None:
        oldest = self._commits.popleft()
        self._weight -= oldest.weight
        self._before = oldest.fields["mac"]
