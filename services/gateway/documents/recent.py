"""The newest commits of a document, bounded in count and bytes, for whoever is a little behind."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import msgpack

from coedit.errors import DamagedError
from coedit.ot.commit import Commit
from coedit.protocol.log_entry import commit_from_fields

MAX_RECENT_COMMITS = 1024
_MAX_BYTES = 1024 * 1024
_PAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Logged:
    """A commit as `coedit.protocol.log_entry.commit_fields` made it, and how large its entry is."""

    fields: dict[str, Any]
    size_bytes: int
    update: bytes = b""
    """What the commit is to Yjs clients, who alone are told it; of a document that is not bridged, nothing."""
    metadata: Any = None
    """What a program said of its edit, which whoever may see the history is told."""

    @classmethod
    def read(cls, entry: bytes) -> "Logged":
        """Return the commit in an entry of the log.

        Raises:
            DamagedError: it is none.
        """
        try:
            fields = msgpack.unpackb(entry)
            fields["revision"], fields["mac"], fields["epoch"], fields["client_id"]
            update, metadata = fields.pop("update", b""), fields.pop("metadata", None)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"an entry cannot be read: {error!r}", "entry") from error
        return cls(fields, len(entry), update, metadata)

    @property
    def revision(self) -> int:
        """Its place in the order."""
        revision: int = self.fields["revision"]
        return revision

    def commit(self) -> Commit:
        """Return it whole, as the log has it."""
        return replace(commit_from_fields(self.fields | {"metadata": self.metadata}), update=self.update)


class RecentCommits:
    """Commits without a gap, up to the newest; the oldest go first."""

    def __init__(self) -> None:
        self._commits: deque[Logged] = deque()
        self._bytes = 0
        self._before = ""

    @property
    def size_bytes(self) -> int:
        """What their entries take together."""
        return self._bytes

    def extend(self, commits: Iterable[Logged]) -> None:
        """Add the commits that come next."""
        for commit in commits:
            self._commits.append(commit)
            self._bytes += commit.size_bytes
        while self._commits and (len(self._commits) > MAX_RECENT_COMMITS or self._bytes > _MAX_BYTES):
            oldest = self._commits.popleft()
            self._bytes -= oldest.size_bytes
            self._before = oldest.fields["mac"]

    def put_below(self, commits: Sequence[Logged], before: str) -> None:
        """Add commits that lead to those that are kept, the newest first, while there is room.

        The first of them follows the mac ``before``; those that are kept already are passed over.
        """
        macs = [before, *(commit.fields["mac"] for commit in commits)]
        end = next((place for place in range(len(commits), 0, -1) if macs[place] == self._before), 0)
        for place in range(end - 1, -1, -1):
            commit = commits[place]
            if len(self._commits) >= MAX_RECENT_COMMITS or self._bytes + commit.size_bytes > _MAX_BYTES:
                break
            self._commits.appendleft(commit)
            self._bytes += commit.size_bytes
            self._before = macs[place]

    def above(self, revision: int) -> tuple[str, list[Logged]]:
        """Return the commits above ``revision`` that are kept, and the mac of the revision below the first."""
        before, found = self._before, list[Logged]()
        for commit in self._commits:
            if commit.revision > revision:
                found.append(commit)
            else:
                before = commit.fields["mac"]
        return before, found

    def newest(self, count: int) -> list[Logged] | None:
        """Return the newest ``count`` commits, oldest first, or None where fewer are kept."""
        if count > len(self._commits):
            return None
        newest_first = list(islice(reversed(self._commits), max(0, count)))
        return newest_first[::-1]

    def begin(self, mac: str) -> None:
        """Forget everything: the next commit follows the revision that ``mac`` is of."""
        self._commits.clear()
        self._bytes = 0
        self._before = mac


def page_of(commits: Sequence[Logged]) -> list[dict[str, Any]]:
    """Return the first commits, at least one, as far as they fit one frame of a catching-up client."""
    page: list[dict[str, Any]] = []
    size = 0
    for commit in commits:
        size += commit.size_bytes
        if page and size > _PAGE_BYTES:
            break
        page.append(commit.fields)
    return page
