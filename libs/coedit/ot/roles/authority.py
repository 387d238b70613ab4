"""The server's role for one document: one order, each submission once, each rebased over what it had not seen.

Pure: who calls it stamps the time, seals the mac, stores the commit, and only then calls `Authority.append`.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from coedit.errors import (
    DivergedError,
    DocumentTooLargeError,
    FutureRevisionError,
    LengthMismatchError,
    PreconditionError,
    SequenceError,
)
from coedit.identifiers import ClientId, ClientSequence, Revision
from coedit.ot.apply import apply
from coedit.ot.commit import Caret, Commit, Submission
from coedit.ot.delta import Delta
from coedit.ot.parts.format_weight import FormatWeight
from coedit.ot.parts.ops import Insert, Retain
from coedit.ot.roles.rebase import Rebase

MAX_RECENT_COMMITS = 512
MAX_RECENT_WEIGHT = 256 * 1024
"""What recent commits may weigh (see `Delta.weight`)."""
MAX_LAST_SEQUENCES = 4096
MAX_ENDED_CLIENTS = 4096
_UNIT_WEIGHT = 4
"""How many times its units a document may weigh: embeds and formats take what no unit counts."""
_SMALL_WEIGHT = 1024 * 1024
"""So much any document may weigh."""
_BYTES = 2000
"""What a document takes that holds nothing, where the text and the commits come on top."""
_COMMIT_BYTES = 800
_OP_BYTES = 300
_UNIT_BYTES = 2
_CLIENT_BYTES = 150


@dataclass(frozen=True, slots=True)
class Accepted:
    """The submission, carried over everything that was committed since its base revision."""

    delta: Delta
    caret: Caret | None
    document: Delta
    """The document with it."""


@dataclass(frozen=True, slots=True)
class AlreadyCommitted:
    """The submission stands in the log as ``revision``."""

    revision: Revision


class Authority:
    """Where a document stands, and what becomes of the next submission.

    ``document`` is the content at ``head``; kept are the newest commits, without a gap up to ``head``;
    ``last_sequences`` a bounded cache: what decides about a repeat are the commits above the base revision.
    """

    def __init__(
        self,
        epoch: int,
        head: Revision,
        mac: str,
        document: Delta,
        last_sequences: dict[ClientId, ClientSequence] | None = None,
        *,
        max_units: int,
    ) -> None:
        self.epoch = epoch
        self.head = head
        self.mac = mac
        self.document = document
        self._max_units = max_units
        self._max_weight = max(_SMALL_WEIGHT, _UNIT_WEIGHT * max_units)
        self._formats = FormatWeight(self._max_weight)
        self._weight = document.weight
        """What the document weighs, or more: what was taken away is not looked at before the bound is near."""
        self._recent: deque[Commit] = deque()
        self._recent_weight = 0
        self._last_sequences: OrderedDict[ClientId, ClientSequence] = OrderedDict(last_sequences or {})
        self._ended: OrderedDict[ClientId, None] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """About what the document and all that is known of it take in memory; told at once, however much that is."""
        document = _OP_BYTES * len(self.document.ops) + _UNIT_BYTES * self.document.document_length
        commits = _COMMIT_BYTES * len(self._recent) + _UNIT_BYTES * self._recent_weight
        clients = _CLIENT_BYTES * (len(self._last_sequences) + len(self._ended))
        return _BYTES + document + commits + clients

    def since(self, base: Revision) -> list[Commit] | None:
        """Return the commits above ``base``, or None where they are older than what is kept here."""
        missing = self.head - base
        if missing > len(self._recent):
            return None
        newest_first = list(islice(reversed(self._recent), max(0, missing)))
        return newest_first[::-1]

    def decide(self, submission: Submission, history: Sequence[Commit]) -> Accepted | AlreadyCommitted:
        """Return what becomes of ``submission``; ``history`` holds the commits above its base revision up to the head.

        Raises:
            DivergedError: it was made in another epoch.
            FutureRevisionError: its base revision is above the head.
            PreconditionError: it was wanted on exactly that revision, and others have written since.
            SequenceError: its sequence leaves a gap, a later one of its client is committed, or one was rejected.
            LengthMismatchError: it reaches past the end of its base revision.
            SplitSurrogateError: an op begins or ends inside a surrogate pair.
            DocumentTooLargeError: the document would grow beyond the bound.
            RevisionTooOldError: the rebase would take too long.
        """
        rebase = Rebase.begin(submission)
        rebase.over(history)
        return self.conclude(rebase)

    def conclude(self, rebase: Rebase) -> Accepted | AlreadyCommitted:
        """Return what becomes of a submission that was carried over everything up to the head; raises as `decide`."""
        # First of all: what is committed is so in whatever epoch it is sent again.
        if rebase.repeated is not None:
            return AlreadyCommitted(rebase.repeated)
        self._check_place(rebase.submission)
        self._check_exact(rebase.submission)
        self._check_sequence(rebase.submission)
        rebase.check_done()
        caret = self._check_length(rebase)
        delta = rebase.delta
        if _adds(delta):
            self.check_weight(delta.weight)
        document = apply(self.document, delta)
        self.check_formats(delta, document)
        if document.document_length > self._max_units:
            raise DocumentTooLargeError(
                f"the document would have {document.document_length} code units; allowed are {self._max_units}"
            )
        return Accepted(delta, caret, document)

    def check_weight(self, more: int) -> None:
        """Refuse what would make the document weigh more than it may, by ``more`` (see `Delta.weight`).

        Raises:
            DocumentTooLargeError: it would.
        """
        most = self._max_weight
        if self._weight + more > most:
            self._weight = self.document.weight
        if self._weight + more > most:
            raise DocumentTooLargeError(f"the document would weigh {self._weight + more}; allowed is {most}")

    def check_formats(self, delta: Delta, document: Delta) -> None:
        """Refuse a delta that makes a ``document`` whose runs repeat more formats than it may weigh.

        Raises:
            DocumentTooLargeError: it does.
        """
        self._formats.check(len(self.document.ops), delta.ops, document.ops)

    def append(self, commit: Commit, document: Delta) -> None:
        """Take note of a commit at the head, and of the document with it."""
        self._weight += commit.delta.weight
        self.head, self.mac, self.document = commit.revision, commit.mac, document
        self.remember((commit,))
        self._last_sequences[commit.client_id] = commit.client_sequence
        self._last_sequences.move_to_end(commit.client_id)
        if len(self._last_sequences) > MAX_LAST_SEQUENCES:
            self._last_sequences.popitem(last=False)

    def end(self, client_id: ClientId) -> bool:
        """Take note of a definite rejection: nothing more of this client is committed, nor the same again.

        Its author was told that it never will be, and may have submitted the text under another client id, while a
        second copy was still on its way. Return False where it was noted before. Bounded; the oldest are forgotten.
        """
        if client_id in self._ended:
            return False
        self._ended[client_id] = None
        if len(self._ended) > MAX_ENDED_CLIENTS:
            self._ended.popitem(last=False)
        return True

    def remember(self, commits: Sequence[Commit]) -> None:
        """Keep commits up to the head, already in the document, for rebasing over them."""
        for commit in commits:
            self._recent.append(commit)
            self._recent_weight += commit.delta.weight

    def remember_older(self, commits: Sequence[Commit]) -> None:
        """Keep commits in a row that come right before those that are kept, or the head, for the same."""
        for commit in reversed(commits):
            self._recent.appendleft(commit)
            self._recent_weight += commit.delta.weight

    def forget_old(self) -> None:
        """Let go of the oldest commits above the bounds: only those that are in the log, so that they can be read."""
        recent = self._recent
        while recent and (len(recent) > MAX_RECENT_COMMITS or self._recent_weight > MAX_RECENT_WEIGHT):
            oldest = recent.popleft()
            self._recent_weight -= oldest.delta.weight

    def _check_place(self, submission: Submission) -> None:
        if submission.epoch != self.epoch:
            raise DivergedError(f"made in epoch {submission.epoch}; the document is in epoch {self.epoch}")
        if submission.base_revision > self.head:
            raise FutureRevisionError(
                f"base revision {submission.base_revision} is above the head, {self.head}"
            )

    def _check_exact(self, submission: Submission) -> None:
        if submission.is_exact and submission.base_revision != self.head:
            raise PreconditionError(
                f"wanted on exactly revision {submission.base_revision}; the head is {self.head}"
            )

    def _check_sequence(self, submission: Submission) -> None:
        if submission.client_id in self._ended:
            raise SequenceError("a submission of this client was rejected: open the document with renew")
        last = self._last_sequences.get(submission.client_id)
        if last is not None and submission.client_sequence != last + 1:
            raise SequenceError(f"sequence {submission.client_sequence} does not follow {last}")

    def _check_length(self, rebase: Rebase) -> Caret | None:
        """Measure against the base revision: at the head, what was too long may seem to fit.

        Return the caret, if it fits: carets may be lost and edits may not, so one behind the end is left out.
        """
        length = self.document.document_length - rebase.grown
        delta, caret = rebase.submission.delta, rebase.submission.caret
        if delta.base_length > length:
            raise LengthMismatchError(
                f"the delta covers {delta.base_length} code units of a document of {length}"
            )
        fits = caret is None or max(caret) <= length + delta.target_length - delta.base_length
        return rebase.caret if fits else None


def _adds(delta: Delta) -> bool:
    """Tell whether anything is more after a delta; one that only takes away is welcome in any document."""
    return any(
        type(op) is Insert
        or (type(op) is Retain and any(value is not None for value in (op.attributes or {}).values()))
        for op in delta.ops
    )
