"""Hypothesis strategies for documents, and for deltas that fit them."""

from hypothesis import strategies as st

from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes
from coedit.ot.parts.ops import Delete, Embed, Insert, Op, Retain
from coedit.ot.parts.utf16 import to_units
from coedit.ot.parts.values import JsonValue

_CHARACTERS = "ab \n\r\t\x00é日한नשל\u0301\u200d\u2028\ufffc😀😁𠀀"
_CLUSTERS = str.maketrans({"①": "👍🏽", "②": "🇫🇷", "③": "\r\n"})
"""What is drawn as one character and stands for several: a text is then one draw, several times as fast as a list."""
_NAMES = ["bold", "color", "font"]
# Values that are different in JSON, and yet equal, or falsy alike, in one language or the other.
_VALUES: list[JsonValue] = [True, 1, False, 0, "", "red", 1.5, {"w": 1}, {"w": True}, [1, 2], {"w": None}]
_EMBEDS: list[Embed] = [
    {"image": "a"},
    {"image": "b"},
    {"mention": {"id": 1, "name": "😀"}},
    {"hr": True},
    {"hr": 1},
]

texts = st.text(_CHARACTERS + "①②③", min_size=1, max_size=6).map(lambda text: text.translate(_CLUSTERS))
"""Short texts in code points, rich in surrogate pairs and in characters of several code points."""

embeds = st.sampled_from(_EMBEDS)

formats: st.SearchStrategy[Attributes | None] = st.none() | st.dictionaries(
    st.sampled_from(_NAMES), st.sampled_from(_VALUES), min_size=1, max_size=2
)
"""What an insert may have."""

format_changes: st.SearchStrategy[Attributes] = st.dictionaries(
    st.sampled_from(_NAMES), st.none() | st.sampled_from(_VALUES), min_size=1, max_size=2
)
"""What a retain may set (and, with None, remove)."""

inserts = st.builds(Insert, texts.map(to_units) | embeds, formats)


def documents(max_runs: int = 5) -> st.SearchStrategy[Delta]:
    """Return a strategy for documents of up to ``max_runs`` runs."""
    return st.lists(inserts, max_size=max_runs).map(Delta)


@st.composite
def deltas(draw: st.DrawFn, document: Delta) -> Delta:
    """Draw a delta that fits ``document``: within its length, and cutting no surrogate pair."""
    sizes = atom_sizes(document)
    ops: list[Op] = []
    for kind in draw(st.text("kidf", max_size=8)):
        if kind == "i":
            ops.append(draw(inserts))
            continue
        atom_count = draw(st.integers(1, 4))
        length = sum(sizes[:atom_count])
        del sizes[:atom_count]
        if length:
            ops.append(_op(draw, kind, length))
    return Delta(ops)


@st.composite
def splices(draw: st.DrawFn, document: Delta) -> Delta:
    """Draw a change of ``document`` at one place, without formatting: inserts, a delete, both, or nothing."""
    sizes = atom_sizes(document)
    at = draw(st.integers(0, len(sizes)))
    deleted = draw(st.integers(0, min(4, len(sizes) - at)))
    ops: list[Op] = [Retain(sum(sizes[:at]))] if at else []
    ops += draw(st.lists(inserts, max_size=2))
    return Delta([*ops, Delete(sum(sizes[at : at + deleted]))] if deleted else ops)


def atom_sizes(document: Delta) -> list[int]:
    """Return the lengths (1 or 2 units) of what cannot be divided: code points and embeds."""
    return [2 if ord(character) > 0xFFFF else 1 for character in document.text]


def _op(draw: st.DrawFn, kind: str, length: int) -> Op:
    if kind == "d":
        return Delete(length)
    return Retain(length, draw(format_changes) if kind == "f" else None)
