"""The delta between two documents."""

from json import dumps

from diff_match_patch import diff_match_patch

from coedit.errors import InvalidDeltaError
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import diff_attributes
from coedit.ot.parts.cursor import OpCursor, target_length
from coedit.ot.parts.ops import Embed, Insert
from coedit.ot.parts.utf16 import from_units, unit_length
from coedit.ot.parts.values import same
from coedit.ot.parts.writer import OpWriter

_MAX_HALF_MATCH = 10_000
"""Up to how many characters a middle in common is looked for: that takes quadratic time, and looks at no clock."""


class _Engine(diff_match_patch):  # type: ignore[misc]
    """The search for a difference, with all of it bounded in time."""

    def diff_halfMatch(self, before: str, after: str) -> tuple[str, ...] | None:  # noqa: N802
        """Return a middle in common and what is around it; None if there is none, or the texts are long."""
        if max(len(before), len(after)) > _MAX_HALF_MATCH:
            return None
        return super().diff_halfMatch(before, after)  # type: ignore[no-any-return]


def diff(before: Delta, after: Delta, *, budget_seconds: float = 1.0) -> Delta:
    """Return a delta that turns the document ``before`` into ``after``::

        apply(before, diff(before, after)) == after

    It is a small one, not always the smallest. The search for it is the one thing here that looks at a clock:
    past ``budget_seconds`` it settles for a coarser delta, of which the law holds as well.

    Raises:
        InvalidDeltaError: one of the two is not a document.
    """
    if not (before.is_document and after.is_document):
        raise InvalidDeltaError("only documents, which hold only inserts, have a difference")
    stand_ins: dict[str, str] = {}
    engine = _Engine()
    engine.Diff_Timeout = budget_seconds
    old, new, writer = OpCursor(before.ops), OpCursor(after.ops), OpWriter()
    for kind, part in engine.diff_main(_as_text(before, stand_ins), _as_text(after, stand_ins)):
        length = unit_length(part)
        if kind == engine.DIFF_INSERT:
            writer.extend(new.take(length)[0])
        elif kind == engine.DIFF_DELETE:
            old.take(length)
            writer.delete(length)
        else:
            _keep(writer, old, new, length)
    return Delta.from_normal(writer.finish()[0])


def _as_text(document: Delta, stand_ins: dict[str, str]) -> str:
    """Return the document's characters in code points, so that no difference begins inside a pair.

    Each embed is one of the low surrogates, which do not occur in such text. Equal embeds have the same one;
    when more than a thousand differ, some that are different have as well.
    """
    contents = [op.content for op in document.ops if type(op) is Insert]
    return "".join(
        [from_units(part) if isinstance(part, str) else _stand_in(part, stand_ins) for part in contents]
    )


def _stand_in(embed: Embed, stand_ins: dict[str, str]) -> str:
    return stand_ins.setdefault(dumps(embed, sort_keys=True), chr(0xDC00 + len(stand_ins) % 0x400))


def _keep(writer: OpWriter, old: OpCursor, new: OpCursor, length: int) -> None:
    """Keep ``length`` units that have the same characters in both, and change what else differs."""
    for wanted in new.take(length)[0]:
        for found in old.take(target_length(wanted))[0]:
            if type(wanted) is not Insert or type(found) is not Insert:
                continue
            if isinstance(wanted.content, dict) and not same(wanted.content, found.content):
                writer.delete(1)
                writer.insert(*wanted)
            else:
                writer.retain(target_length(found), diff_attributes(found.attributes, wanted.attributes))
