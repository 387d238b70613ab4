"""Yjs clients as npm has them, in a process of Node.js: see ``driver/main.mjs``."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from coedit.identifiers import escape
from coedit.ot import Delta
from tests.requirements import node, require
from tests.system import ROOT, eventually

FOLDER = ROOT / "tests/yjs"
Provider = Literal["y-websocket", "hocuspocus"]
Editor = Literal["none", "codemirror", "quill", "prosemirror"]
Json = dict[str, Any]

_ANSWER_SECONDS = 30.0
_LINE_BYTES = 2**24


class NodeError(Exception):
    """A call failed inside Node.js; the text is its stack."""


class NodeClients:
    """The process. Made by `node_clients`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)

    async def call(self, call: str, client: str | None = None, **given: Any) -> Any:
        """Return what a call of the driver returns.

        Raises:
            NodeError: it failed.
        """
        number = next(self._numbers)
        request = {"id": number, "call": call, "with": given} | ({"client": client} if client else {})
        self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return await asyncio.wait_for(self._waiting[number], _ANSWER_SECONDS)

    async def open(
        self,
        url: str,
        document: str,
        *,
        provider: Provider = "y-websocket",
        editor: Editor = "none",
        user: str = "",
        **more: Any,
    ) -> "NodeClient":
        """Open a document of the gateway at ``url``; ``more`` is what the provider's connection takes."""
        name = f"client {next(self._numbers)}"
        address = url.replace("http", "ws", 1) + ("/yjs" if provider == "y-websocket" else "/hocuspocus")
        wanted = {"name": name, "provider": provider, "editor": editor, "url": address} | more
        wanted["document"] = escape(document) if provider == "y-websocket" else document
        if user:
            wanted["user"] = {"name": user, "color": "#b45309"}
        await self.call("open", **wanted)
        return NodeClient(self, name)

    async def edit_at_once(self, *edits: tuple["NodeClient", Delta]) -> None:
        """Edit in several clients, none of which can know of the others' edits yet."""
        await self.call("editAtOnce", edits=[(client.name, delta.to_json()) for client, delta in edits])

    async def errors(self) -> list[str]:
        """Return what went wrong in editors and providers without being thrown at a caller."""
        errors: list[str] = await self.call("errors")
        return errors

    async def read_answers(self) -> None:
        """Pass answers to who waits for them, until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            reply = json.loads(line)
            waiting = self._waiting.pop(reply["id"])
            if waiting.done():
                continue
            if "error" in reply:
                waiting.set_exception(NodeError(reply["error"]))
            else:
                waiting.set_result(reply["result"])
        for waiting in self._waiting.values():
            waiting.cancel("Node.js has ended")


class NodeClient:
    """One client of the process; its positions are UTF-16 code units."""

    def __init__(self, clients: NodeClients, name: str) -> None:
        self._clients = clients
        self.name = name

    async def call(self, call: str, **given: Any) -> Any:
        """Return what a call of the driver's `Client` returns."""
        return await self._clients.call(call, self.name, **given)

    async def edit(self, delta: Delta | list[Any]) -> None:
        """Edit through the editor; ProseMirror takes steps instead of a delta."""
        await self.call("edit", ops=delta.to_json() if isinstance(delta, Delta) else delta)

    async def edit_somewhere(self, wish: Json) -> None:
        """Edit at a place that is a fraction of the way through the text."""
        await self.call("editSomewhere", **wish)

    async def content(self) -> Delta:
        """Return the shared text."""
        return Delta.from_json((await self.call("read"))["shared"], is_bounded=False)

    async def shown(self) -> Any:
        """Return what the editor shows: a delta, or a ProseMirror document as JSON."""
        return (await self.call("read"))["shown"]

    async def shared(self) -> Any:
        """Return what the editor's shared type holds: a delta, or XML."""
        return (await self.call("read"))["shared"]

    async def state(self) -> Json:
        """Return what the provider says of its connection."""
        state: Json = await self.call("state")
        return state

    async def becomes(self, name: str, value: object) -> None:
        """Wait until the provider says so of its connection."""

        async def holds() -> bool:
            return bool((await self.state())[name] == value)

        await eventually(holds, f"{name} becomes {value}")

    async def synced(self) -> None:
        """Wait until the provider has synchronized, and has nothing that the server has not taken."""
        await self.becomes("is_synced", value=True)
        if "has_unsynced_changes" in await self.state():
            await self.becomes("has_unsynced_changes", value=False)

    async def vector(self) -> dict[int, int]:
        """Return how far the document has the items of each client."""
        return {int(client): clock for client, clock in (await self.call("vector")).items()}

    async def connect(self) -> None:
        """Let the provider connect again."""
        await self.call("connect")

    async def disconnect(self) -> None:
        """Let the provider disconnect, and stay away."""
        await self.call("disconnect")

    async def destroy(self) -> None:
        """End the client, as if its page were closed; ending it twice does nothing."""
        await self.call("destroy")


@asynccontextmanager
async def node_clients() -> AsyncIterator[NodeClients]:
    """Run a process for Yjs clients; it fails at the end if any of them went wrong."""
    require("node", (FOLDER / "node_modules/yjs").is_dir(), "scripts/page.sh yjs installs the Yjs clients")
    process = await asyncio.create_subprocess_exec(
        *(node(), "driver/main.mjs"),
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    clients = NodeClients(process)
    reading = asyncio.create_task(clients.read_answers())
    try:
        yield clients
        errors = await clients.errors()
        assert not errors, "\n".join(errors)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading
