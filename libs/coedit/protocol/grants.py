"""What a token grants: facets, per document or per prefix of document ids. What is not granted is denied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from coedit.errors import ForbiddenError, UnauthorizedError
from coedit.identifiers import DocumentId

Facet = Literal["read", "write", "presence", "history", "comment", "admin"]
"""``presence``: be seen; ``history``: read the past; ``comment`` is reserved; ``admin``: erase, look after others."""
Facets = frozenset[Facet]
Right = Literal["read", "write"]
"""What a client may do with a document that it has open."""

EVERY_DOCUMENT = "*"
FACETS: Facets = frozenset(get_args(Facet))
_WORDS: dict[str, Facets] = {
    "read": frozenset({"read", "presence", "history"}),
    "write": frozenset({"read", "write", "presence", "history"}),
}
NOTHING: Facets = frozenset()


@dataclass(frozen=True, slots=True)
class Grants:
    """Facets by key: a document id, or a prefix of ids that ends in ``*``. The key that says most decides alone."""

    by_key: Mapping[str, Facets]
    _prefixes: tuple[str, ...] = field(init=False, compare=False)
    """Without their stars, the longest first."""

    def __post_init__(self) -> None:
        prefixes = [key[:-1] for key in self.by_key if key.endswith("*")]
        object.__setattr__(self, "_prefixes", tuple(sorted(prefixes, key=len, reverse=True)))

    @classmethod
    def of(cls, claim: Any) -> "Grants":
        """Return what a token's claim grants: a map of keys to ``read``, ``write`` or a list of facets, or several.

        Raises:
            UnauthorizedError: it is none; says what is wrong, without its words.
        """
        by_key: dict[str, Facets] = {}
        for part in claim if isinstance(claim, list) else [claim]:
            if not isinstance(part, dict):
                raise UnauthorizedError(
                    "the token's claim 'documents' is not a map of documents, or a list of such"
                )
            for key, value in part.items():
                by_key[key] = by_key.get(key, NOTHING) | facets_of(value)
        return cls(by_key)

    def claim(self) -> dict[str, Any]:
        """Return the claim that grants the same."""
        words = {facets: word for word, facets in _WORDS.items()}
        return {key: words.get(facets) or sorted(facets) for key, facets in self.by_key.items()}

    @property
    def everywhere(self) -> Facets:
        """What is granted by the key ``*``: what concerns no one document."""
        return self.by_key.get(EVERY_DOCUMENT, NOTHING)

    def facets(self, document_id: DocumentId) -> Facets:
        """Return what may be done with a document: its own key decides, else the longest prefix."""
        own = self.by_key.get(document_id)
        if own is not None:
            return own
        for prefix in self._prefixes:
            if document_id.startswith(prefix):
                return self.by_key[f"{prefix}*"]
        return NOTHING


def require(granted: Facets, facet: Facet) -> None:
    """Refuse who was granted something else of a document.

    Raises:
        ForbiddenError: the facet is missing; names it.
    """
    if facet in granted:
        return
    if "read" not in granted and facet != "admin":
        raise ForbiddenError("the token does not grant this document", facet)
    raise ForbiddenError(f"the token does not grant {_DOING.get(facet, facet)}", facet)


def right_in(granted: Facets) -> Right:
    """Return how a document may be opened.

    Raises:
        ForbiddenError: not at all.
    """
    require(granted, "read")
    return "write" if "write" in granted else "read"


_DOING: dict[str, str] = {"write": "writing", "history": "the document's history", "presence": "being seen"}


def facets_of(value: Any) -> Facets:
    """Return the facets that ``read``, ``write`` or a list of facets grants.

    Raises:
        UnauthorizedError: it is none of these.
    """
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if isinstance(value, list) and all(isinstance(facet, str) and facet in FACETS for facet in value):
        facets: Facets = frozenset(value)
        # Nobody can write what one cannot read.
        return facets | {"read"} if "write" in facets else facets
    raise UnauthorizedError(
        "the token's claim 'documents' grants something else than 'read', 'write' or known facets"
    )


EVERYTHING = Grants({EVERY_DOCUMENT: FACETS})
"""What everybody may do in open mode."""
