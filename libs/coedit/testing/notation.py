"""A notation for deltas in tests, one case a line.

Ops stand between spaces: ``+text`` inserts, ``+[image]`` inserts the embed ``{"image": true}``, ``=3``
retains and ``-2`` deletes. Attributes follow behind bars: ``|bold`` is ``true``, ``|color:red`` text,
``|size:2`` a number and ``|-bold`` ``null``. In text ``_`` is a space and ``/`` a line break.

    >>> delta("=2|bold +a_b|color:red -1").to_json()[1]
    {'insert': 'a b', 'attributes': {'color': 'red'}}
"""

from coedit.ot.delta import Delta
from coedit.ot.parts.values import JsonValue


def delta(notation: str) -> Delta:
    """Return the delta that ``notation`` stands for, read strictly."""
    return Delta.from_json([_op(part) for part in notation.split()])


def _op(part: str) -> dict[str, JsonValue]:
    head, *bars = part.split("|")
    op: dict[str, JsonValue]
    if head[0] == "+":
        text = head[1:].replace("_", " ").replace("/", "\n")
        op = {"insert": {text[1:-1]: True} if text[:1] == "[" else text}
    else:
        op = {"retain" if head[0] == "=" else "delete": int(head[1:])}
    if bars:
        op["attributes"] = dict(map(_attribute, bars))
    return op


def _attribute(bar: str) -> tuple[str, JsonValue]:
    if bar[0] == "-":
        return bar[1:], None
    name, colon, value = bar.partition(":")
    if not colon:
        return name, True
    return name, int(value) if value.isdigit() else value
