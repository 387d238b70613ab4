"""A change of a whole document, or a document, as an immutable list of ops."""

from collections.abc import Callable, Iterable
from typing import Any

from coedit.errors import InvalidDeltaError
from coedit.ot.parts.attributes import same_attributes
from coedit.ot.parts.cursor import target_length
from coedit.ot.parts.ops import Delete, Insert, Op, Retain, op_weight
from coedit.ot.parts.utf16 import from_units
from coedit.ot.parts.values import JsonValue, same
from coedit.ot.parts.writer import OpWriter
from coedit.ot.wire import MAX_ATTRIBUTES, checked_op, read_ops, write_op

_EMBED_IN_TEXT = "\ufffc"


class Delta:
    """A list of ops in normal form; a value, never changed. All lengths are UTF-16 code units, an embed is
    one.

    Normal form is quill-delta's: neighbours that can be one op are one (embeds never), between two retains
    the inserts stand before the one delete, and there is no retain without attributes at the end, since every
    delta keeps what it does not reach. So two deltas that say the same are equal.

    The verbs ``insert``, ``retain`` and ``delete`` each return a longer delta. A plain retain at the end is
    remembered for the verb that follows, but is no part of the value: ``Delta().retain(3) == Delta()``, and
    yet ``Delta().retain(3).insert("x")`` inserts at 3. Every other function returns deltas that remember
    none.
    """

    __slots__ = ("_document_length", "_tail", "ops")

    ops: tuple[Op, ...]
    """The ops, inserted text being unit strings (see `coedit.ot.parts.utf16`)."""
    _tail: int
    _document_length: int | None
    """What `document_length` returns, once it is known; -1 for a delta that is no document."""

    def __init__(self, ops: Iterable[Op] = ()) -> None:
        """Make a delta of ops, each read as by the verb of its name: so text may be in code points or in units.

        Raises:
            InvalidDeltaError: something is no op, such as JSON, which `from_json` reads; or one is not valid.
        """
        writer = OpWriter()
        for op in ops:
            if (valid := checked_op(op)) is not None:
                writer.push(valid)
        _fill(self, *writer.finish(), None)

    @classmethod
    def from_normal(
        cls, ops: tuple[Op, ...], *, tail: int = 0, document_length: int | None = None
    ) -> "Delta":
        """Return the delta of ops in normal form; nothing is checked.

        ``tail`` is a plain retain to remember; ``document_length`` saves counting it, where it is known.
        """
        delta = object.__new__(cls)
        _fill(delta, ops, tail, document_length)
        return delta

    @classmethod
    def from_json(cls, value: object, *, is_bounded: bool = True) -> "Delta":
        """Return the delta that a parsed JSON value stands for, whoever sent it.

        Without ``is_bounded`` it may have any number of ops and attributes: what was committed has no bounds of its
        own, since it was carried over other commits, and still everybody must be able to read it.

        Raises:
            InvalidDeltaError: it is not a delta, or beyond one of the bounds in `coedit.ot.wire`.
            LoneSurrogateError: a text holds half of a surrogate pair.
            UnsupportedOpError: it holds an embed retain.
        """
        return cls.from_normal(read_ops(value, is_bounded=is_bounded))

    def to_json(self) -> list[dict[str, JsonValue]]:
        """Return the ops as fresh plain JSON, text in code points."""
        return [write_op(op) for op in self.ops]

    def insert(self, content: str | dict[str, Any], attributes: dict[str, Any] | None = None) -> "Delta":
        """Return this delta, then an insert of text (code points) or of one embed; of no text, nothing.

        Raises:
            InvalidDeltaError: content or attributes are refused as by `from_json`.
        """
        return self._then(Insert(content, attributes))

    def retain(self, length: int, attributes: dict[str, Any] | None = None) -> "Delta":
        """Return this delta, then a retain of ``length`` units; of 0 units, nothing.

        Raises:
            InvalidDeltaError: a length or attributes that `from_json` refuses.
        """
        return self._then(Retain(length, attributes))

    def delete(self, length: int) -> "Delta":
        """Return this delta, then a delete of ``length`` units; of 0 units, nothing.

        Raises:
            InvalidDeltaError: a length that `from_json` refuses.
        """
        return self._then(Delete(length))

    @property
    def base_length(self) -> int:
        """The length that a document must have at least for this delta to fit it."""
        length = 0
        for op in self.ops:
            if type(op) is not Insert:
                length += op.length
        return length

    @property
    def target_length(self) -> int:
        """The length of a document of ``base_length`` after this delta."""
        return sum(map(target_length, self.ops))

    @property
    def weight(self) -> int:
        """About what the delta takes to keep and to handle: what it inserts, its formats, and a little for each op."""
        return sum(map(op_weight, self.ops))

    @property
    def length(self) -> int:
        """The length of all ops together; of a document, its length."""
        return sum([op.length if type(op) is not Insert else target_length(op) for op in self.ops])

    @property
    def is_document(self) -> bool:
        """Whether there are only inserts, so that the delta is a document by itself."""
        return self._counted() >= 0

    @property
    def document_length(self) -> int:
        """The length of a document, counted at most once.

        Raises:
            InvalidDeltaError: the delta is not a document.
        """
        length = self._counted()
        if length < 0:
            raise InvalidDeltaError("not a document, which holds only inserts")
        return length

    @property
    def text(self) -> str:
        """The text (code points) of a document, with U+FFFC for each embed.

        Raises:
            InvalidDeltaError: the delta is not a document.
        """
        if not self.is_document:
            raise InvalidDeltaError("not a document, which holds only inserts")
        contents = [op.content for op in self.ops if type(op) is Insert]
        return from_units("".join([part if type(part) is str else _EMBED_IN_TEXT for part in contents]))

    def _then(self, op: Op) -> "Delta":
        valid = checked_op(op, MAX_ATTRIBUTES)
        if valid is None:
            return self
        writer = OpWriter()
        writer.extend(self.ops)
        if self._tail:
            writer.retain(self._tail, None)
        writer.push(valid)
        ops, tail = writer.finish()
        return self.from_normal(ops, tail=tail)

    def _counted(self) -> int:
        length = self._document_length
        if length is None:
            length = -1 if any(type(op) is not Insert for op in self.ops) else self.length
            _set_document_length(self, length)
        return length

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Delta):
            return NotImplemented
        # To Python, True is 1; so whatever is equal to it still has to be looked into, and nothing else.
        return self.ops == other.ops and all(map(_same_values, self.ops, other.ops))

    def __hash__(self) -> int:
        return hash(tuple([_hashable(op) for op in self.ops]))

    def __repr__(self) -> str:
        return f"Delta.from_json({self.to_json()!r})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Delta is a value; make another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Delta is a value; make another one")

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_tail, (self.ops, self._tail)


# How to set what a Delta lets nobody set; twice as fast as object.__setattr__.
_set_ops: Callable[[Delta, tuple[Op, ...]], None] = Delta.__dict__["ops"].__set__
_set_tail: Callable[[Delta, int], None] = Delta.__dict__["_tail"].__set__
_set_document_length: Callable[[Delta, int | None], None] = Delta.__dict__["_document_length"].__set__


def _fill(delta: Delta, ops: tuple[Op, ...], tail: int, document_length: int | None) -> None:
    _set_ops(delta, ops)
    _set_tail(delta, tail)
    _set_document_length(delta, document_length)


def _with_tail(ops: tuple[Op, ...], tail: int) -> Delta:
    return Delta.from_normal(ops, tail=tail)


def _same_values(left: Op, right: Op) -> bool:
    """Compare what is JSON in two ops that are equal to Python."""
    if type(left) is Insert and type(right) is Insert:
        return same(left.content, right.content) and same_attributes(left.attributes, right.attributes)
    if type(left) is Retain and type(right) is Retain:
        return same_attributes(left.attributes, right.attributes)
    return type(left) is type(right)


def _hashable(op: Op) -> tuple[object, ...]:
    """Return what is equal for equal ops; of attributes and embeds the names only."""
    if type(op) is Insert:
        content = op.content if type(op.content) is str else tuple(sorted(op.content))
        return Insert, content, tuple(sorted(op.attributes or ()))
    if type(op) is Retain:
        return Retain, op.length, tuple(sorted(op.attributes or ()))
    return type(op), op.length
