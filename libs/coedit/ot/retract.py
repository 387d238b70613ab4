"""Taking back some commits of a history and keeping all others, as one new edit.

One delta stands for what undoes the commits that were to be taken back so far; it always fits the document::

    before ──c──▶ after                  a commit to be taken back: undo(c), then what undid those before it;
      │             │                    both are known only here, so they may be composed
    inverse      compose(invert(c), inverse)
      ▼             ▼
      ● ═══════════ ●

    before ──c──▶ after                  another commit: the inverse is carried over it, one by one, the commit's side
      │             │                    first, so that what it inserted is no part of what the inverse deletes, and
    inverse      inverse'                what it formatted is no longer formatted by it
      ▼             ▼
      ● ────c'────▶ ●

So text of a commit that is kept is never removed, and what a taken back commit deleted comes back. What somebody has
put back by hand meanwhile is there twice then: it is another text.
Source: Sun, CSCW 2000 (undo as a new edit), as in `coedit.ot.undo`.
"""

from dataclasses import dataclass

from coedit.identifiers import AuthorId
from coedit.ot.apply import apply
from coedit.ot.commit import Commit
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.invert import invert
from coedit.ot.transform import transform


@dataclass(frozen=True, slots=True)
class Selection:
    """Which commits are taken back: those that meet everything that is given."""

    author: AuthorId | None = None
    since: int | None = None
    """Milliseconds since 1970: at or after it."""
    until: int | None = None
    """Before it."""

    def takes(self, commit: Commit) -> bool:
        """Return whether the commit is taken back."""
        return (
            (self.author is None or commit.author == self.author)
            and (self.since is None or commit.at >= self.since)
            and (self.until is None or commit.at < self.until)
        )


class Retraction:
    """What takes back the selected ones of the commits that come after ``document``."""

    def __init__(self, document: Delta, selection: Selection) -> None:
        self._selection = selection
        self._inverse = Delta()
        self.document = document
        """With all commits that were taken in."""
        self.count = 0
        """How many of them are taken back."""

    def take(self, commit: Commit) -> None:
        """Take in the next commit.

        Raises:
            InvalidDeltaError: it does not fit the document.
        """
        after = apply(self.document, commit.delta)
        if self._selection.takes(commit):
            self._inverse = compose(invert(commit.delta, self.document), self._inverse)
            self.count += 1
        elif self._inverse.ops:
            _, self._inverse = transform(commit.delta, self._inverse)
        self.document = after

    @property
    def delta(self) -> Delta:
        """The edit of the document that takes them back; empty where nothing of them is left."""
        if apply(self.document, self._inverse) == self.document:
            return Delta()
        return self._inverse
