"""Deltas as JSON: the strict reading of what anyone may have sent, and the writing."""

from collections.abc import Sequence

from coedit.errors import InvalidDeltaError, LoneSurrogateError, TooLargeError, UnsupportedOpError
from coedit.identifiers import MAX_SAFE_INTEGER
from coedit.ot.parts.attributes import Attributes, without_nulls
from coedit.ot.parts.ops import Delete, Embed, Insert, Op, Retain
from coedit.ot.parts.utf16 import from_units, has_lone_surrogate, to_units
from coedit.ot.parts.values import JsonValue, canonical_object, copy_object, has_more_values
from coedit.ot.parts.writer import OpWriter

MAX_OPS = 20_000
"""In what a client may send at once: deciding about so many takes about half a second, and keeps others waiting.

Carried over others' commits, a delta may come to have more."""
MAX_VALUES = 100_000
"""In the attributes and embeds of a delta that a client sends: each takes a microsecond or so wherever it comes by."""
MAX_ATTRIBUTES = 256
"""Per op of the same; a browser editor uses about twenty names. Formatted again, text may come to have more."""


def read_ops(value: object, *, is_bounded: bool = True) -> tuple[Op, ...]:
    """Return the ops that a parsed JSON value stands for, in normal form.

    ``value`` is a tree, as every JSON and msgpack parser makes it. Without ``is_bounded`` it may have any number of
    ops, attributes and values in them.

    Raises:
        TooLargeError: it has more ops, or more values in attributes and embeds, than a client may send.
        InvalidDeltaError: it is not a delta, or an op has too many attributes.
        LoneSurrogateError: a text holds half of a surrogate pair.
        UnsupportedOpError: it holds an embed retain.
    """
    if type(value) is not list:
        raise InvalidDeltaError("a delta is an array of ops")
    if is_bounded:
        check_bounds(value)
    writer = OpWriter()
    units = 0
    for item in value:
        op = _read_op(item, MAX_ATTRIBUTES if is_bounded else None)
        units += 0 if type(op) is Insert else op.length
        writer.push(op)
    if units > MAX_SAFE_INTEGER:
        raise InvalidDeltaError("the lengths add up to more than 2^53 - 1")
    return writer.finish()[0]


def check_bounds(items: Sequence[object]) -> None:
    """Refuse a delta, as parsed JSON, that is more than a client may send.

    Raises:
        TooLargeError: it has too many ops, or too many values in attributes and embeds.
    """
    if len(items) > MAX_OPS:
        raise TooLargeError(f"a delta has at most {MAX_OPS} ops")
    held = [
        part
        for item in items
        if type(item) is dict
        for part in (item.get("attributes"), item.get("insert"))
        if type(part) is dict
    ]
    if held and has_more_values(held, MAX_VALUES):
        raise TooLargeError(f"the attributes and embeds of a delta have at most {MAX_VALUES} values")


def checked_op(op: object, most_attributes: int | None = None) -> Op | None:
    """Return an op that a program made, in canonical form; None if it does nothing.

    Raises:
        InvalidDeltaError: not an op, or `read_ops` would refuse it.
    """
    if type(op) is Insert:
        content = read_content(op.content)
        kept = without_nulls(_optional_attributes(op.attributes, most_attributes))
        return Insert(content, kept) if content else None
    if type(op) is Retain:
        attributes = _optional_attributes(op.attributes, most_attributes)
        return None if _is_zero(op.length) else Retain(read_length(op.length), attributes)
    if type(op) is Delete:
        return None if _is_zero(op.length) else Delete(read_length(op.length))
    raise InvalidDeltaError("not an op: Insert, Retain or Delete")


def write_op(op: Op) -> dict[str, JsonValue]:
    """Return one op as fresh JSON, its text in code points."""
    item: dict[str, JsonValue]
    if type(op) is Insert:
        item = {"insert": from_units(op.content) if isinstance(op.content, str) else copy_object(op.content)}
    elif type(op) is Retain:
        item = {"retain": op.length}
    else:
        return {"delete": op.length}
    if op.attributes:
        item["attributes"] = copy_object(op.attributes)
    return item


def read_content(value: object) -> str | Embed:
    """Return what an insert puts in: a unit string, possibly empty, or a canonical embed.

    Raises:
        InvalidDeltaError: neither text nor an object with a key.
        LoneSurrogateError: the text holds half of a surrogate pair.
    """
    if type(value) is str:
        units = to_units(value)
        if has_lone_surrogate(units):
            raise LoneSurrogateError("an inserted text holds half of a surrogate pair")
        return units
    embed = canonical_object(value)
    if not embed:
        raise InvalidDeltaError("an embed has at least one key")
    return embed


def read_attributes(value: object, most: int | None = MAX_ATTRIBUTES) -> Attributes | None:
    """Return canonical attributes, nulls included; None if there are none.

    Raises:
        InvalidDeltaError: not an object, too many, or a value has no canonical form.
    """
    attributes = canonical_object(value)
    if most is not None and len(attributes) > most:
        raise InvalidDeltaError(f"an op has at most {most} attributes")
    return attributes or None


def read_length(value: object) -> int:
    """Return the length of a retain or delete; a float is accepted if it is integral, as 3.0 from msgpack.

    Raises:
        InvalidDeltaError: not an integer from 1 to 2^53 - 1.
    """
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_SAFE_INTEGER:
        raise InvalidDeltaError("a length is an integer from 1 to 2^53 - 1")
    return value


def _optional_attributes(value: object, most: int | None) -> Attributes | None:
    return None if value is None else read_attributes(value, most)


def _is_zero(length: object) -> bool:
    return type(length) is int and length == 0


def _read_op(item: object, most_attributes: int | None) -> Op:
    if type(item) is not dict:
        raise InvalidDeltaError("an op is an object")
    attributes = read_attributes(item["attributes"], most_attributes) if "attributes" in item else None
    if len(item) != 1 + ("attributes" in item):
        raise InvalidDeltaError("an op is one of insert, retain and delete, and attributes")
    if "insert" in item:
        return _read_insert(item["insert"], attributes)
    if "retain" in item:
        if type(item["retain"]) is dict:
            raise UnsupportedOpError("embed retains are not supported")
        return Retain(read_length(item["retain"]), attributes)
    if "delete" not in item or "attributes" in item:
        raise InvalidDeltaError("an op is one of insert, retain and delete; a delete has no attributes")
    return Delete(read_length(item["delete"]))


def _read_insert(value: object, attributes: Attributes | None) -> Insert:
    content = read_content(value)
    if not content:
        raise InvalidDeltaError("an insert is not empty")
    return Insert(content, without_nulls(attributes))
