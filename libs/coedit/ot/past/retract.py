"""Taking back some commits of a history and keeping all others, as one new edit.

A stretch of a history has an ``inverse``, which undoes what is taken back in it, and what is ``kept`` of it: what the
others' commits do where the former were never made. Of one commit, one of the two is empty. Two stretches in a row are
joined to one by a single diamond, at the document between them::

      between ──later.kept──▶ ●          inverse = later.inverse, then inverse'
         │                    │          kept    = earlier.kept, then kept'
    earlier.inverse        inverse'
         ▼                    ▼          transform(later.kept, earlier.inverse): what is kept is first: what it
         ● ──────kept'──────▶ ●          inserted is not deleted by the inverse, what it formatted not formatted

Stretches are joined in pairs of like size, so that each commit takes part in few joins, however long the history is.
What is kept of a stretch is a composition, over which others may never transform (see the README), since they would
come to different ends. Here one alone comes to an end, and submits it as one edit.

So text of a commit that is kept is never removed, and what a taken back commit deleted comes back. What somebody has
put back by hand meanwhile is there twice then: it is another text.
Source: Sun, CSCW 2000 (undo as a new edit), as in `coedit.ot.past.undo`.
"""

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

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


class _Stretch(NamedTuple):
    size: int
    inverse: Delta
    kept: Delta


class Retraction:
    """What takes back the selected ones of the commits that come after ``document``."""

    def __init__(self, document: Delta, selection: Selection) -> None:
        self._selection = selection
        self._stretches: list[_Stretch] = []
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
            self._add(_Stretch(1, invert(commit.delta, self.document), _NOTHING))
            self.count += 1
        elif self._stretches:  # before the first there is nothing to carry
            self._add(_Stretch(1, _NOTHING, commit.delta))
        self.document = after

    @property
    def delta(self) -> Delta:
        """The edit of the document that takes them back; empty where nothing of them is left."""
        inverse = reduce(
            lambda later, earlier: _joined(earlier, later), reversed(self._stretches), _EMPTY
        ).inverse
        return _NOTHING if apply(self.document, inverse) == self.document else inverse

    def _add(self, stretch: _Stretch) -> None:
        while self._stretches and self._stretches[-1].size <= stretch.size:
            stretch = _joined(self._stretches.pop(), stretch)
        self._stretches.append(stretch)


_NOTHING = Delta()
_EMPTY = _Stretch(0, _NOTHING, _NOTHING)


def _joined(earlier: _Stretch, later: _Stretch) -> _Stretch:
    kept, inverse = transform(later.kept, earlier.inverse)
    return _Stretch(earlier.size + later.size, compose(later.inverse, inverse), compose(earlier.kept, kept))
