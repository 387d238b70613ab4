"""The receivers that docs/how-to/webhooks.md shows, run as they stand, and told by what tells applications."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coedit.protocol.webhooks.endpoints import Endpoint, endpoints_of
from coedit.protocol.webhooks.events import DocumentDeleted, body_of, packed, unpacked
from coedit.store.keys import Shard
from coedit.store.webhooks.deliveries import Delivery
from services.snapshotter.webhooks.sender import Sender
from tests.ports import free_port
from tests.requirements import node
from tests.system import ROOT, eventually, listens
from tests.webhook_receiver import OTHER_SECRET, SECRET
from tests.yjs.node_clients import FOLDER

_PAGE = (ROOT / "docs/how-to/webhooks.md").read_text()
_BLOCKS = dict(re.findall(r"```(python|js)\n(.*?)```", _PAGE, re.DOTALL))


@contextmanager
def script(language: str, folder: Path) -> Iterator[list[str]]:
    """Write the page's code to where its libraries are found; give the command that runs it."""
    if language == "python":
        path = folder / "receiver.py"
        path.write_text(_BLOCKS[language])
        yield [sys.executable, str(path)]
        return
    path = FOLDER / "node_modules/.cache" / f"{folder.name}.mjs"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_BLOCKS[language])
    try:
        yield [node(), str(path)]
    finally:
        path.unlink()


@contextmanager
def running(language: str, folder: Path, port: int) -> Iterator[list[str]]:
    """Run the receiver; at the end the list holds the words that it printed."""
    words: list[str] = []
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    with (
        script(language, folder) as command,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            yield words
        finally:
            process.terminate()
            printed, _ = process.communicate(timeout=20)
            words += printed.split()


def endpoint(port: int, secret: str) -> Endpoint:
    (found,) = endpoints_of(
        f'{{"app": {{"url": "http://127.0.0.1:{port}/coedit", "secret": "{secret}"}}}}', private=True
    )
    return found


@pytest.mark.parametrize("language", ["python", "js"])
async def test_receiver_takes_what_is_signed_once_and_nothing_else(language: str, tmp_path: Path) -> None:
    port = free_port()
    body = body_of(*unpacked(packed(DocumentDeleted(document="a/é", erased=True))), 1)
    delivery = Delivery(Shard(0), "app", "1-0", 0, 0, "msg_1", "document.deleted", body)
    sender = Sender(seconds=20, private=True)
    with running(language, tmp_path, port) as words:
        await eventually(lambda: listens(port), "it listens")
        answers = [
            await sender.attempt(endpoint(port, secret), delivery)
            for secret in (SECRET, SECRET, f"{OTHER_SECRET} {SECRET}", OTHER_SECRET)
        ]
    await sender.aclose()
    assert [answer.outcome for answer in answers] == ["delivered"] * 3 + ["failed"]
    assert answers[3].reason == "answered with 400"
    assert words == ["document.deleted", "a/é"]
