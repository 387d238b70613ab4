"""Real S3-compatible servers on loopback: moto's, in memory, and SeaweedFS, on disk."""

import contextlib
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.requirements import seaweedfs
from tests.system import Process, until

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "for tests only",
    "AWS_REGION": "us-east-1",
}


@dataclass
class S3Server:
    """A server with one bucket, and the folders that were given out in it."""

    endpoint: str
    process: Process
    folders: int = 0

    def folder_url(self) -> str:
        """Return the URL of a folder that is empty."""
        self.folders += 1
        return f"s3://coedit/tests/{self.folders}%20%C3%A9"

    def make_bucket(self) -> None:
        request = urllib.request.Request(f"{self.endpoint}/coedit", method="PUT")
        with urllib.request.urlopen(request, timeout=20):
            pass

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(self.endpoint, timeout=2):
            return True
        return False


@contextmanager
def moto(folder: Path) -> Iterator[S3Server]:
    """Run moto's server; a SIGKILL takes all its objects with it."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with _running("moto", command, port, folder) as server:
        yield server


@contextmanager
def seaweed(folder: Path) -> Iterator[S3Server]:
    """Run SeaweedFS whole: master, volumes, filer and S3, with ten thousand added to each port for its gRPC."""
    ports = [_low_port() for _ in range(4)]
    (folder / "weed").mkdir()
    command = [
        *(seaweedfs(), "server", f"-dir={folder / 'weed'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-master.port={ports[0]}", f"-volume.port={ports[1]}", "-filer", f"-filer.port={ports[2]}"),
        *(
            "-s3",
            f"-s3.port={ports[3]}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-volume.max=60",
            "-master.volumeSizeLimitMB=64",
        ),
    ]
    with _running("seaweedfs", command, ports[3], folder) as server:
        yield server


@contextmanager
def _running(name: str, command: list[str], port: int, folder: Path) -> Iterator[S3Server]:
    # With credentials in the environment SeaweedFS would let nobody else in.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = Process(name, command, environment, folder)
    process.start()
    server = S3Server(f"http://127.0.0.1:{port}", process)
    try:
        until(server.answers, f"{name} answers", process.tail, 60)
        server.make_bucket()
        yield server
    finally:
        process.kill()  # SeaweedFS does not end on SIGTERM


def _low_port() -> int:
    while (port := free_port()) > 55_000:
        pass
    return port
