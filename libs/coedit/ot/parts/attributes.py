"""The algebra of attributes: how the formatting of one op is composed with, carried over and undone by
another's.

An attribute has a name and a canonical JSON value; a value that is an object is replaced as a whole. In a
retain, ``null`` removes the attribute; an insert never holds ``null``. No attributes at all is ``None``,
never an empty dict. The results share members with the arguments, and nothing is changed in place.
"""

from typing import TypeAlias

from coedit.ot.parts.values import JsonValue, same

Attributes: TypeAlias = dict[str, JsonValue]


def same_attributes(left: Attributes | None, right: Attributes | None) -> bool:
    """Tell whether both are the same formatting."""
    return left is right or (left is not None and right is not None and same(left, right))


def without_nulls(attributes: Attributes | None) -> Attributes | None:
    """Return what an insert with these attributes has."""
    if attributes is None or None not in attributes.values():
        return attributes or None
    return {name: value for name, value in attributes.items() if value is not None} or None


def compose_attributes(
    first: Attributes | None, second: Attributes | None, *, keep_null: bool
) -> Attributes | None:
    """Return what ``first`` and then ``second`` come to; ``keep_null`` where the result is a retain's."""
    if second is None:
        return first
    merged = second if first is None else {**first, **second}
    return merged if keep_null else without_nulls(merged)


def transform_attributes(first: Attributes | None, second: Attributes | None) -> Attributes | None:
    """Return what is left of ``second`` after a concurrent ``first``, whose values win."""
    if first is None or second is None:
        return second
    return {name: value for name, value in second.items() if name not in first} or None


def invert_attributes(attributes: Attributes | None, base: Attributes | None) -> Attributes | None:
    """Return what undoes ``attributes`` on text that has ``base``.

    An attribute that is removed where there is none is inverted to its removal, as quill-delta does; one that
    is set to what it is already is left out.
    """
    if attributes is None:
        return None
    base = base or {}
    inverted: Attributes = {}
    for name, value in attributes.items():
        if name not in base:
            inverted[name] = None
        elif not same(value, base[name]):
            inverted[name] = base[name]
    return inverted or None


def diff_attributes(before: Attributes | None, after: Attributes | None) -> Attributes | None:
    """Return what turns the formatting ``before`` into ``after``, both of inserts."""
    if same_attributes(before, after):
        return None
    before, after = before or {}, after or {}
    changed: Attributes = {name: None for name in before if name not in after}
    changed.update(
        {name: value for name, value in after.items() if name not in before or not same(before[name], value)}
    )
    return changed or None
