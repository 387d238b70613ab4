"""Operational transform of rich text: an algebra of immutable deltas. README.md here is the specification."""

from coedit.ot.apply import apply
from coedit.ot.compose import compose
from coedit.ot.delta import Delta
from coedit.ot.diff import diff
from coedit.ot.invert import invert
from coedit.ot.parts.ops import Delete, Insert, Retain
from coedit.ot.position import transform_position
from coedit.ot.transform import transform

__all__ = [
    "Delete",
    "Delta",
    "Insert",
    "Retain",
    "apply",
    "compose",
    "diff",
    "invert",
    "transform",
    "transform_position",
]
