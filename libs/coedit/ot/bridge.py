"""As what Yjs clients open a document: a declaration that stands in its history, as part of one commit.

Commits below the declaration are made into Yjs items by whoever folds them. From it on, every commit carries the
Yjs update that it is, and nobody derives one again: two derivations of one commit may make items of other ids.
"""

from dataclasses import dataclass
from typing import Literal

from coedit.errors import InvalidDeltaError
from coedit.identifiers import Revision

Kind = Literal["text", "yjs"]
"""A text has two sides, OT and Yjs; a document of kind ``yjs`` has any shape of shared types, and no OT side."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The declaration: from revision ``first`` on. ``root`` names the shared text; a ``yjs`` document has none."""

    first: Revision
    kind: Kind
    root: str

    @property
    def is_text(self) -> bool:
        """Whether OT clients can open the document too."""
        return self.kind == "text"

    @property
    def text_root(self) -> str | None:
        """The name of the shared text that is the document, if it is one."""
        return self.root if self.is_text else None

    def declaration(self) -> str:
        """Return what stands in the commit ``first``; its revision says the rest."""
        return f"{self.kind} {self.root}"

    def stored(self) -> str:
        """Return all of it in one text, which `read` reads."""
        return f"{self.first} {self.declaration()}"

    @classmethod
    def declared(cls, first: Revision, declaration: str) -> "Bridge":
        """Return what the commit ``first`` declares.

        Raises:
            InvalidDeltaError: that is not a declaration.
        """
        kind, separator, root = declaration.partition(" ")
        if kind == "text" and separator:
            return cls(first, "text", root)
        if kind == "yjs" and separator and not root:
            return cls(first, "yjs", "")
        raise InvalidDeltaError("a commit declares a bridge that is none")

    @classmethod
    def read(cls, stored: str) -> "Bridge | None":
        """Return what `stored` wrote; of an empty text nothing.

        Raises:
            InvalidDeltaError, ValueError: it did not write this.
        """
        first, _, declaration = stored.partition(" ")
        return cls.declared(Revision(int(first)), declaration) if first else None
