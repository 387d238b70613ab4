"""Commits that were given back for one document, put in order again along the MAC chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coedit.errors import ForgedOfferError, UnknownKeyError
from coedit.identifiers import DocumentId, Revision
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import ChainKey

_Place = tuple[Revision, str]
MAX_DONATED_WEIGHT = 64 * 1024 * 1024
"""What a document's donations may weigh together (see `Delta.weight`)."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Commits in a row, at least one; the first follows the mac ``before``."""

    document_id: DocumentId
    before: str
    commits: Sequence[Commit]

    def macs(self) -> Iterator[tuple[Revision, str]]:
        """Yield the revisions that the chain is through, from the one below its first commit on, with their macs."""
        yield Revision(self.commits[0].revision - 1), self.before
        yield from ((commit.revision, commit.mac) for commit in self.commits)


class Donations:
    """What donors gave of one document, whatever its order; only what the chain vouches for is handed out."""

    def __init__(self, document_id: DocumentId) -> None:
        self._document_id = document_id
        self._given: dict[_Place, tuple[str, Commit]] = {}
        """By revision and mac, with the mac of the one before it."""
        self._next: dict[_Place, Commit] = {}
        """By revision, and the mac of the one before it."""
        self._weight = 0

    def add(self, commits: Sequence[Commit], before: str) -> None:
        """Take commits in a row that `check_offer` let through; the first follows the mac ``before``."""
        for commit in commits:
            if commit.lacks_update:
                return  # genuine, and not all of it: of a bridged document whoever held it whole gives it back
            self._take(commit, before)
            before = commit.mac

    def _take(self, commit: Commit, before: str) -> None:
        if (commit.revision, commit.mac) in self._given or self._weight >= MAX_DONATED_WEIGHT:
            return
        self._given[commit.revision, commit.mac] = before, commit
        self._weight += commit.delta.weight
        known = self._next.get((commit.revision, before))
        # Two can be genuine where revisions were lost and written again: the later history is the valid one.
        if known is None or _age(known) < _age(commit):
            self._next[commit.revision, before] = commit

    def after(self, revision: Revision, mac: str, epoch: int) -> list[Commit]:
        """Return the commits that continue the history at ``revision`` named by ``mac``, as far as they are here.

        None of an epoch before ``epoch``, in which the document is there: it has gone on without them.
        """
        found: list[Commit] = []
        while (commit := self._next.get((Revision(revision + 1), mac))) is not None and commit.epoch >= epoch:
            found.append(commit)
            revision, mac = commit.revision, commit.mac
        return found

    def chains(self) -> list[Chain]:
        """Return what was given as chains; where two histories share a beginning, each has it."""
        followed = {(Revision(revision - 1), before) for (revision, _), (before, _) in self._given.items()}
        return [self._down_from(place) for place in self._given if place not in followed]

    def _down_from(self, place: _Place) -> Chain:
        newest_first: list[Commit] = []
        while (found := self._given.get(place)) is not None:
            before, commit = found
            newest_first.append(commit)
            place = Revision(commit.revision - 1), before
        return Chain(self._document_id, place[1], newest_first[::-1])


def _age(commit: Commit) -> tuple[int, int]:
    return commit.epoch, commit.at


def check_offer(key: ChainKey, document_id: DocumentId, commits: Sequence[Commit], before: str) -> None:
    """Refuse commits that do not follow one another, and ``before``, unaltered.

    Raises:
        UnknownKeyError: one was sealed under a secret that is not known here: no offence, and no proof.
        ForgedOfferError: one was not made by us, or was altered.
    """
    for place, commit in enumerate(commits):
        if commit.revision != commits[0].revision + place:
            raise ForgedOfferError("the offered commits do not follow one another")
        if not key.knows(commit.key_id):
            raise UnknownKeyError(
                f"revision {commit.revision} was sealed under a secret that is not known here"
            )
        if not key.holds(document_id, commit, before):
            raise ForgedOfferError(f"revision {commit.revision} as offered was never committed")
        before = commit.mac
