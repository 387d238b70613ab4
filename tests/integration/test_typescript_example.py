"""The example of the TypeScript client's README, bundled and run on Node.js against a real system."""

import asyncio
import os
from pathlib import Path

from coedit.client import connect
from tests.conftest import MakeSystem
from tests.requirements import node, require
from tests.system import ROOT, eventually

CLIENT = ROOT / "clients/js"
BUNDLER = CLIENT / "node_modules/esbuild/bin/esbuild"
EXAMPLE = CLIENT / "examples/edit_a_document.ts"


def test_readme_shows_the_example() -> None:
    assert f"```ts\n{EXAMPLE.read_text()}```\n" in (CLIENT / "README.md").read_text()


async def test_example_edits_a_document(make_system: MakeSystem) -> None:
    require("node", BUNDLER.exists(), "scripts/page.sh build installs the bundler")
    system = make_system()
    async with connect(system.url) as session:
        document = await session.open("notes")
        await document.insert(0, "theirs ")
        await document.settle()
        example = await asyncio.create_subprocess_exec(
            *_command(system.folder / "example.mjs", system.url),
            # Node.js 20 has a WebSocket only by this, and later ones always.
            env=os.environ | {"NODE_OPTIONS": "--experimental-websocket"},
            cwd=CLIENT,
        )
        try:
            await eventually(lambda: document.text == "theirs hello ", "the example has edited the document")
            assert example.returncode is None
        finally:
            example.terminate()
            await example.wait()


def _command(bundle: Path, url: str) -> list[str]:
    """What `npm run example` does, with the bundle in a folder of the test's own."""
    options = "--bundle --platform=node --format=esm --log-level=warning"
    address = url.replace("http", "ws", 1) + "/v1/ws"
    command = f"{node()} {BUNDLER} {EXAMPLE} {options} --outfile={bundle} && exec {node()} {bundle} {address}"
    return ["sh", "-c", command]
