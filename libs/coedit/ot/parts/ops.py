"""The three ops that a delta is a list of. Lengths are UTF-16 code units; an embed counts one."""

from typing import NamedTuple, TypeAlias, final

from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.values import JsonValue, value_weight

_OP_WEIGHT = 16

Embed: TypeAlias = dict[str, JsonValue]
"""One thing that is not text, such as an image: a JSON object with at least one key."""


@final
class Insert(NamedTuple):
    """Put in text (a unit string, see `coedit.ot.parts.utf16`) or one embed."""

    content: str | Embed
    attributes: Attributes | None = None


@final
class Retain(NamedTuple):
    """Keep ``length`` units; with attributes, change their formatting (``null`` removes)."""

    length: int
    attributes: Attributes | None = None


@final
class Delete(NamedTuple):
    """Take out ``length`` units."""

    length: int


Op: TypeAlias = Insert | Retain | Delete


def op_weight(op: Op) -> int:
    """Return about what an op takes to keep and to handle: what it inserts, its formats, and a little for itself."""
    if type(op) is Delete:
        return _OP_WEIGHT
    formats = value_weight(op.attributes) if op.attributes else 0
    if type(op) is Retain:
        return _OP_WEIGHT + formats
    content = op.content
    return _OP_WEIGHT + formats + (len(content) if type(content) is str else value_weight(content))
