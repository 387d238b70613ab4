"""JSON values in canonical form: what attributes and embeds are made of.

Canonical means that two values are the same in JavaScript exactly if they are the same here, and that a value
comes back unchanged from JSON and msgpack: integral numbers are ``int`` and -0 is 0, nothing is beyond ±(2^53
- 1), NaN and the infinities do not exist, and text holds no half of a surrogate pair. Values are never
changed in place, so deltas share them.
"""

from typing import TypeAlias

from coedit.errors import InvalidDeltaError, LoneSurrogateError
from coedit.identifiers import MAX_SAFE_INTEGER
from coedit.ot.parts.utf16 import from_units, has_lone_surrogate

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 32
"""How deep objects and arrays may nest, the attributes or the embed itself being the first level."""


def canonical_object(value: object, depth: int = 1) -> dict[str, JsonValue]:
    """Return a fresh canonical copy of a JSON object.

    Raises:
        InvalidDeltaError: not an object, or something in it has no canonical form.
    """
    if type(value) is not dict:
        raise InvalidDeltaError("attributes and embeds are JSON objects")
    return {_canonical_key(key): canonical(member, depth + 1) for key, member in value.items()}


def canonical(value: object, depth: int = 1) -> JsonValue:
    """Return a fresh canonical copy of a JSON value.

    Raises:
        InvalidDeltaError: it nests too deeply, holds a number out of bounds, or is not JSON.
        LoneSurrogateError: a text in it holds half of a surrogate pair.
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return _canonical_text(value)
    if type(value) is int or type(value) is float:
        return canonical_number(value)
    if depth > MAX_DEPTH:
        raise InvalidDeltaError(f"a value nests deeper than {MAX_DEPTH} levels")
    if type(value) is list:
        return [canonical(member, depth + 1) for member in value]
    return canonical_object(value, depth)


def canonical_number(value: float) -> int | float:
    """Return the one form of a number: an ``int`` if it is integral.

    Raises:
        InvalidDeltaError: not finite, or beyond ±(2^53 - 1).
    """
    if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:  # so also for NaN
        raise InvalidDeltaError("a number is not finite, or beyond 2^53 - 1")
    return int(value) if value == int(value) else value


def has_more_values(value: object, most: int) -> bool:
    """Tell whether a JSON value holds more than ``most`` others, at any depth; looks at hardly more than so many."""
    count, containers = 0, [value]
    while containers:
        container = containers.pop()
        if type(container) is not dict and type(container) is not list:
            continue
        count += len(container)
        if count > most:
            return True
        members = container.values() if type(container) is dict else container
        containers.extend(member for member in members if type(member) is dict or type(member) is list)
    return False


def value_weight(value: JsonValue) -> int:
    """Return about how many characters a canonical value takes as JSON."""
    if isinstance(value, str):
        return 2 + len(value)
    if isinstance(value, dict):
        return 2 + sum([4 + len(key) + value_weight(member) for key, member in value.items()])
    if isinstance(value, list):
        return 2 + sum([1 + value_weight(member) for member in value])
    return 4


def same(left: JsonValue, right: JsonValue) -> bool:
    """Tell whether two canonical values are the same JSON; unlike for ``==``, ``true`` is not ``1``."""
    return left is right or (left == right and _same_types(left, right))


def copy_object(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a deep copy of a canonical object."""
    return {key: _copy(member) for key, member in value.items()}


def _canonical_key(key: object) -> str:
    if type(key) is not str:
        raise InvalidDeltaError("a key is not text")
    if key == "__proto__":
        # An assignment to it sets the prototype in JavaScript instead of a member, so that browsers would
        # lose it.
        raise InvalidDeltaError("the key __proto__ does not survive in browsers")
    return _canonical_text(key)


def _canonical_text(text: str) -> str:
    if text.isascii():
        return text
    if has_lone_surrogate(text):
        raise LoneSurrogateError("a text in an attribute or embed holds half of a surrogate pair")
    return from_units(text)


def _same_types(left: JsonValue, right: JsonValue) -> bool:
    """Compare the types inside two values that are equal to Python."""
    if isinstance(left, dict) and isinstance(right, dict):
        return all(_same_types(member, right[key]) for key, member in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return all(map(_same_types, left, right))
    return type(left) is type(right)


def _copy(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return copy_object(value)
    if isinstance(value, list):
        return [_copy(member) for member in value]
    return value
