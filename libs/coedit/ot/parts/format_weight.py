"""What the formats of a document are together, written out: each run repeats those that it has.

A delta says a format once for a stretch of text, and the document has it once for each run: a small edit could make a
document of many gigabytes. So what the formats take is bounded like the text, and known at a cost that grows with the
edit: it is counted anew only where what is known would not be enough.
"""

from collections.abc import Mapping, Sequence

from coedit.errors import DocumentTooLargeError
from coedit.ot.parts.ops import Delete, Op
from coedit.ot.parts.values import value_weight

_NAME_WEIGHT = 4
"""The quotes, colon and comma of a member."""


class FormatWeight:
    """An upper bound of what the formats of one document are, in characters, as edits are made."""

    def __init__(self, max_weight: int) -> None:
        self._max_weight = max_weight
        self._weight: int | None = None
        self._heaviest: dict[str, int] = {}
        """Of each attribute the most that a run may have."""

    def check(self, run_count: int, ops: Sequence[Op], after: Sequence[Op]) -> None:
        """Refuse an edit that makes a document's formats too much; another is taken to be made.

        ``ops`` make the runs ``after`` of ``run_count`` runs. An edit that adds no format is let through, whatever the
        document has.

        Raises:
            DocumentTooLargeError: it does.
        """
        said = _heaviest(ops)
        new_runs = len(after) - run_count
        if not said and (new_runs <= 0 or self._heaviest_sum == 0):
            return
        added = sum(said.values()) * len(after) + max(0, new_runs) * self._heaviest_sum
        if self._weight is None or self._weight + added > self._max_weight:
            self._count(after)
        else:
            self._weight += added
            _merge(self._heaviest, said)

    @property
    def _heaviest_sum(self) -> int:
        # Before anything was counted, it may be anything.
        return sum(self._heaviest.values()) if self._weight is not None else 1

    def _count(self, runs: Sequence[Op]) -> None:
        weight = sum([sum(weights.values()) for weights in map(_weights, runs)])
        if weight > self._max_weight:
            raise DocumentTooLargeError(
                f"the formats of the document's runs would have {weight} characters; allowed are {self._max_weight}"
            )
        self._weight, self._heaviest = weight, _heaviest(runs)


def _heaviest(ops: Sequence[Op]) -> dict[str, int]:
    heaviest: dict[str, int] = {}
    for op in ops:
        if type(op) is not Delete and op.attributes:
            _merge(heaviest, _weights(op))
    return heaviest


def _merge(heaviest: dict[str, int], weights: Mapping[str, int]) -> None:
    for name, weight in weights.items():
        if weight > heaviest.get(name, 0):
            heaviest[name] = weight


def _weights(op: Op) -> dict[str, int]:
    """Return what each attribute of an op takes; the removal of one takes nothing."""
    attributes = None if type(op) is Delete else op.attributes
    return {
        name: _NAME_WEIGHT + len(name) + value_weight(value)
        for name, value in (attributes or {}).items()
        if value is not None
    }
