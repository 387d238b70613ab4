"""Redis over TLS, with client certificates: the services speak it on every connection, those of our own included."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme
from redis.exceptions import ConnectionError as RedisConnectionError

from coedit.client import connect
from coedit.store.redis.connection import connect as connect_redis
from tests.conftest import MakeSystem
from tests.ports import free_port
from tests.requirements import redis7
from tests.system import listens, until
from tests.writers import settle_all

_LARGE = "0123456789abcdef" * 65_536
"""A document that TLS cuts into many records."""


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis that takes nothing but TLS, and nobody without a certificate."""

    port: int
    ca: Path
    certificate: Path
    stranger: Path
    """A certificate that another authority signed."""

    def url(self, certificate: Path | None = None, ca: Path | None = None) -> str:
        own = certificate or self.certificate
        options = {"ssl_ca_certs": ca or self.ca, "ssl_certfile": own, "ssl_keyfile": own}
        return f"rediss://localhost:{self.port}/0?{urlencode(options)}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    authority, other = trustme.CA(), trustme.CA()
    server = Server(free_port(), tmp_path / "ca.pem", tmp_path / "certificate.pem", tmp_path / "stranger.pem")
    authority.cert_pem.write_to_path(str(server.ca))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(server.certificate))
    other.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(server.stranger))
    process = subprocess.Popen(
        [
            *(redis7(), "--port", "0", "--tls-port", str(server.port), "--bind", "127.0.0.1"),
            *("--tls-cert-file", str(server.certificate), "--tls-key-file", str(server.certificate)),
            *("--tls-ca-cert-file", str(server.ca), "--dir", str(tmp_path), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"),
        ]
    )
    try:
        until(lambda: listens(server.port), "Redis listens")
        yield server
    finally:
        process.terminate()
        process.wait(10)


async def test_everything_goes_over_tls(server: Server, make_system: MakeSystem) -> None:
    system = make_system(redis_url=server.url())
    async with (
        connect(system.url, author="ada") as ada_session,
        connect(system.url, author="bob") as bob_session,
    ):
        ada, bob = await ada_session.open("notes"), await bob_session.open("notes")
        await ada.insert(0, _LARGE)
        await bob.until(lambda: bob.text == _LARGE)
        for number in range(20):
            await bob.insert(0, f"{number} ")
            await ada.insert(len(ada.text), f" {number}")
            await ada.settle()
        await settle_all([ada, bob])
        assert ada.text == bob.text
        assert ada.text.endswith(f"{_LARGE} 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19")
    for name in ("transformer-0", "gateway-0"):
        assert '"level":"error"' not in system.processes[name].tail()


async def test_server_that_is_not_to_be_trusted_is_not_spoken_to(server: Server) -> None:
    trusting = connect_redis(server.url())
    assert await trusting.ping()
    await trusting.aclose()
    for url in (server.url(ca=server.stranger), server.url(certificate=server.stranger)):
        redis = connect_redis(url)
        with pytest.raises((RedisConnectionError, OSError)):
            await redis.ping()
        await redis.aclose()
