"""Writes ops in normal form, whatever order they come in."""

from collections.abc import Sequence

from coedit.ot.parts.attributes import Attributes, same_attributes
from coedit.ot.parts.ops import Delete, Embed, Insert, Op, Retain


class OpWriter:
    """Takes ops one by one and keeps the list of them in normal form.

    Normal form is quill-delta's: neighbours that can be one op are one, and between two retains all inserts
    stand before the one delete. What may still grow is held back: either a retain, or inserted text and a
    delete. Pieces of text are joined once, at their end, so that writing is linear in what is written.
    """

    __slots__ = ("_deleted", "_ops", "_pieces", "_retained", "_retained_attributes", "_text_attributes")

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._retained = 0
        self._retained_attributes: Attributes | None = None
        self._pieces: list[str] = []
        self._text_attributes: Attributes | None = None
        self._deleted = 0

    def insert(self, content: str | Embed, attributes: Attributes | None) -> None:
        """Write an insert; it goes before a delete at the same place."""
        if self._retained:
            self._end_retain()
        if type(content) is str:
            if self._pieces and not same_attributes(attributes, self._text_attributes):
                self._end_text()
            self._pieces.append(content)
            self._text_attributes = attributes
            return
        if self._pieces:
            self._end_text()
        self._ops.append(Insert(content, attributes))

    def retain(self, length: int, attributes: Attributes | None) -> None:
        """Write a retain of ``length`` > 0 units."""
        if self._pieces or self._deleted:
            self._end_inserts_and_delete()
        elif self._retained and not same_attributes(attributes, self._retained_attributes):
            self._end_retain()
        self._retained += length
        self._retained_attributes = attributes

    def delete(self, length: int) -> None:
        """Write a delete of ``length`` > 0 units."""
        if self._retained:
            self._end_retain()
        self._deleted += length

    def push(self, op: Op) -> None:
        """Write one op."""
        if type(op) is Insert:
            self.insert(op.content, op.attributes)
        elif type(op) is Retain:
            self.retain(op.length, op.attributes)
        else:
            self.delete(op.length)

    def extend(self, ops: Sequence[Op]) -> None:
        """Write ops that are in normal form already; all but a few at the ends are taken as they are."""
        # The last two are pushed: an insert still to come may go before a delete, and join the text there.
        open_end = len(ops) - 2
        for index, op in enumerate(ops):
            self.push(op)
            if not self._deleted and index < open_end:
                # No delete is open, so the following ops neither join this one nor move before anything.
                self._flush()
                self._ops.extend(ops[index + 1 : open_end])
                self.push(ops[-2])
                self.push(ops[-1])
                return

    def finish(self) -> tuple[tuple[Op, ...], int]:
        """Return the ops without a trailing plain retain, and the length of that retain."""
        tail = 0 if self._retained_attributes else self._retained
        if tail:
            self._retained = 0
        self._flush()
        return tuple(self._ops), tail

    def _flush(self) -> None:
        if self._retained:
            self._end_retain()
        else:
            self._end_inserts_and_delete()

    def _end_retain(self) -> None:
        self._ops.append(Retain(self._retained, self._retained_attributes))
        self._retained = 0

    def _end_inserts_and_delete(self) -> None:
        if self._pieces:
            self._end_text()
        if self._deleted:
            self._ops.append(Delete(self._deleted))
            self._deleted = 0

    def _end_text(self) -> None:
        self._ops.append(Insert("".join(self._pieces), self._text_attributes))
        self._pieces.clear()
