"""The whole system on an S3-compatible store: what it kept comes back when Redis is empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coedit.client import DocumentHistory, connect
from tests.conftest import MakeSystem
from tests.s3_servers import CREDENTIALS, S3Server, moto, seaweed
from tests.system import System, eventually


@pytest.fixture(params=["moto", pytest.param("seaweedfs", marks=pytest.mark.seaweedfs)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[S3Server]:
    with (moto if request.param == "moto" else seaweed)(tmp_path) as server:
        yield server


async def test_document_comes_back_from_the_bucket(make_system: MakeSystem, server: S3Server) -> None:
    system: System = make_system(
        settings=CREDENTIALS
        | {
            "COEDIT_OBJECT_STORE_URL": server.folder_url(),
            "COEDIT_OBJECT_STORE_ENDPOINT": server.endpoint,
            "COEDIT_OBJECT_STORE_REGION": "us-east-1",
            "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.2",
            "COEDIT_SNAPSHOTTER_SCAN_SECONDS": "0.1",
        }
    )
    async with connect(system.url, author="ada") as session:
        document = await session.open("a/b é")
        for text in ("one ", "two ", "three"):
            await document.insert(len(document.text), text)
            await document.settle()
        await eventually(lambda: document.state.snapshot_revision == 3, "a snapshot is told of")
    system.wipe_redis()
    async with connect(system.url, author="bob", patience_seconds=60) as session:
        document = await session.open("a/b é")
        await document.until(lambda: document.text == "one two three")
        await document.insert(0, "> ")
        await document.settle()
        assert document.revision == 4
    past = await DocumentHistory(system.url, "a/b é").at(2)
    assert (past.content.text, past.author) == ("one two ", "ada")
