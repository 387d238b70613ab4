"""What must hold when everybody has everything."""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any, Protocol

from coedit.client import Document
from coedit.errors import LoneSurrogateError
from coedit.identifiers import escape
from coedit.ot import Delta
from tests.system import eventually


class Replica(Protocol):
    """A Yjs client of any kind."""

    async def content(self) -> Delta: ...
    async def vector(self) -> dict[int, int]: ...
    async def state(self) -> dict[str, Any]: ...


async def all_equal(documents: Sequence[Document], replicas: Sequence[Replica], seconds: float = 30) -> None:
    """Wait until every edit is acknowledged, and all documents are one."""
    contents: dict[str, Delta | None] = {}

    async def are_equal() -> bool:
        contents.clear()
        contents.update({f"OT {number}": document.content for number, document in enumerate(documents)})
        contents.update({f"Yjs {number}": await _content(replica) for number, replica in enumerate(replicas)})
        first = next(iter(contents.values()))
        is_saved = all(document.saved for document in documents)
        return is_saved and all(content == first for content in contents.values())

    try:
        await eventually(are_equal, "all documents are one", seconds)
    except AssertionError:
        lines = [f"{name}: {content and content.to_json()}" for name, content in contents.items()]
        lines += [f"OT {number}: saved {document.saved}" for number, document in enumerate(documents)]
        for number, replica in enumerate(replicas):
            lines.append(f"Yjs {number}: {await replica.state()}, {await replica.vector()}")
        raise AssertionError("\n".join(["not all equal", *lines])) from None


async def _content(replica: Replica) -> Delta | None:
    """Return what a replica has; None while its own half of a character is not put right yet."""
    try:
        return await replica.content()
    except LoneSurrogateError:
        return None


def stored(url: str, name: str) -> Delta:
    """Return the document as the gateway at ``url`` has it."""
    with urllib.request.urlopen(f"{url}/v1/documents/{escape(name)}", timeout=10) as answer:
        return Delta.from_json(json.loads(answer.read())["content"], is_bounded=False)
