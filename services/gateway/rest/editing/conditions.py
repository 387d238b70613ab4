"""Requests on a condition: ``If-Match`` and ``If-None-Match``, with the tags ``"epoch:revision"``.

A tag names exactly one state of a document's history, in whatever form it is shown. Source: RFC 9110, 8.8.3 and 13.
"""

import re
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from coedit.errors import InvalidRequestError, PreconditionError

_TAG = r'(?:W/)?"[!#-~]*"'
_TAGS = re.compile(rf"\s*{_TAG}\s*(?:,\s*{_TAG}\s*)*")
_EACH = re.compile(r'(W/)?"([!#-~]*)"')


def tag_of(epoch: int, revision: int) -> str:
    """Return the tag of a document where it stands."""
    return f'"{epoch}:{revision}"'


@dataclass(frozen=True, slots=True)
class Condition:
    """What a request names: tags, without their quotes; or None, which is any document that was ever written."""

    tags: tuple[str, ...] | None

    def covers(self, epoch: int, revision: int) -> bool:
        """Return whether a document that stands there is named."""
        return revision > 0 if self.tags is None else f"{epoch}:{revision}" in self.tags

    def epoch_of(self, revision: int) -> int:
        """Return the newest epoch in which this revision is named; 0: in none."""
        named = [tag.split(":") for tag in self.tags or ()]
        epochs = [
            int(tag[0]) for tag in named if len(tag) == 2 and tag[1] == str(revision) and tag[0].isdigit()
        ]
        return max(epochs, default=0)

    def require(self, epoch: int, revision: int) -> None:
        """Refuse a request for a document that is not named.

        Raises:
            PreconditionError: it is not.
        """
        if not self.covers(epoch, revision):
            raise PreconditionError(f"the document is at revision {revision} of epoch {epoch}")


def condition_of(request: web.Request, name: Literal["If-Match", "If-None-Match"]) -> Condition | None:
    """Return the condition that a request is made on, if it is made on one.

    Raises:
        InvalidRequestError: it is none.
    """
    said = ",".join(request.headers.getall(name, ()))
    if not said:
        return None
    if said.strip() == "*":
        return Condition(None)
    if not _TAGS.fullmatch(said):
        raise InvalidRequestError(f"{name} is * or tags in quotes")
    # What is to be exactly so is not so weakly.
    return Condition(tuple(tag for weak, tag in _EACH.findall(said) if not weak or name == "If-None-Match"))
