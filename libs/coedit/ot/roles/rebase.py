"""A submission on its way over the commits that it had not seen, one by one: all at once, or a part at a time.

Over the composition of those commits the result would differ (see README.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from coedit.errors import RevisionTooOldError, SequenceError
from coedit.identifiers import Revision
from coedit.ot.commit import Caret, Commit, Submission
from coedit.ot.delta import Delta
from coedit.ot.transform import transform

MAX_STEPS = 1_000_000
"""How many ops one rebase may go over: about a second. Of 100,000 commits of typing by somebody who typed as well."""


@dataclass(slots=True)
class Rebase:
    """How far a submission has come; ``revision`` is what it could now be submitted on.

    A step is one op, of a commit or of what is carried, that had to be looked at.
    """

    submission: Submission
    revision: Revision
    delta: Delta
    caret: Caret | None
    grown: int = 0
    """By how much the commits passed so far made the document longer."""
    steps: int = 0
    repeated: Revision | None = None
    """Where the submission stands in the log already."""

    @classmethod
    def begin(cls, submission: Submission) -> "Rebase":
        """Return the rebase of a submission that has not gone over anything yet."""
        return cls(submission, submission.base_revision, submission.delta, submission.caret)

    @property
    def is_too_long(self) -> bool:
        """Whether it was given up; it still looks for a repeat."""
        return self.steps > MAX_STEPS

    def copy(self) -> "Rebase":
        """Return another one that has come as far."""
        return Rebase(
            self.submission,
            self.revision,
            self.delta,
            self.caret,
            self.grown,
            self.steps,
            self.repeated,
        )

    def over(self, history: Iterable[Commit], max_steps: int | None = None) -> bool:
        """Go on over the next commits; return False where that took more than ``max_steps``, and stop there.

        Raises:
            SequenceError: a later submission of the client is among them.
        """
        until = None if max_steps is None else self.steps + max_steps
        for commit in history:
            self._pass(commit)
            if until is not None and self.steps > until:
                return False
        return True

    def check_done(self) -> None:
        """Refuse what cannot be committed, however well it fits.

        Raises:
            RevisionTooOldError: it took too many steps.
        """
        if self.is_too_long:
            behind = self.revision - self.submission.base_revision
            raise RevisionTooOldError(f"{behind} commits behind, with so many ops, is too much to rebase")

    def _pass(self, commit: Commit) -> None:
        submission = self.submission
        if commit.client_id == submission.client_id:
            if commit.client_sequence == submission.client_sequence:
                self.repeated = commit.revision
            elif commit.client_sequence > submission.client_sequence and self.repeated is None:
                raise SequenceError(f"sequence {commit.client_sequence} of this client is committed already")
        self.revision = commit.revision
        if self.repeated is not None or self.is_too_long or submission.is_exact:
            return
        self.steps += len(commit.delta.ops) + len(self.delta.ops)
        self.grown += commit.delta.target_length - commit.delta.base_length
        carried, self.delta = transform(commit.delta, self.delta)
        if self.caret is not None:
            self.caret = self.caret.over(carried)
