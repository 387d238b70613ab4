"""The three ops that a delta is a list of. Lengths are UTF-16 code units; an embed counts one."""

from typing import NamedTuple, TypeAlias, final

from coedit.ot.attributes import Attributes
from coedit.ot.values import JsonValue

Embed: TypeAlias = dict[str, JsonValue]
"""One thing that is not text, such as an image: a JSON object with at least one key."""


@final
class Insert(NamedTuple):
    """Put in text (a unit string, see `coedit.ot.utf16`) or one embed."""

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
