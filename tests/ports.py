"""Ports for the servers of tests."""

import random
import socket
from contextlib import suppress

_FIRST, _LAST = 10_000, 32_000
"""Below what Linux takes for outgoing connections: one of those could have the port before its server does."""
_given = set[int]()
_chance = random.SystemRandom()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, and that was not given before."""
    while True:
        port = _chance.randint(_FIRST, _LAST)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
