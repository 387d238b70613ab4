"""The profile `s3`: an object store of one's own beside the rest, which takes snapshots and gives them back."""

from pathlib import Path

import pytest

from coedit.client import connect
from coedit.client.rest import fetch_text
from tests.integration.compose.conftest import running
from tests.system import eventually

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

_SETTINGS = {
    "COMPOSE_PROFILES": "s3",
    "COEDIT_OBJECT_STORE_URL": "s3://coedit/documents",
    "COEDIT_OBJECT_STORE_ENDPOINT": "http://s3:8333",
    "COEDIT_OBJECT_STORE_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "for-tests-only",
    "COEDIT_SNAPSHOTTER_QUIET_SECONDS": "0.5",
}


async def test_documents_are_kept_in_s3(tmp_path: Path) -> None:
    with running(tmp_path / "coedit", **_SETTINGS) as deployment:
        token = deployment.token("ada")
        async with connect(deployment.url, token=token, author="ada") as session:
            document = await session.open("kept")
            await document.insert(0, "in S3")
            await document.settle()

        def has_snapshot() -> bool:
            said = deployment.log_lines("snapshotter")
            return any(line.get("event") == "snapshot" for line in said)

        await eventually(has_snapshot, "a snapshot was stored", 60)
        deployment.script("compose.sh", "run", "--rm", "coedit", "verify", "--all")
        (s3,) = deployment.containers("s3")
        deployment.run("docker", "restart", "-t", "20", s3["Id"])
        deployment.script("health.py", "--wait", "60")
        deployment.script("compose.sh", "run", "--rm", "coedit", "verify", "--all")
        assert (await fetch_text(deployment.url, "kept", token=token)).text == "in S3"
