"""The Lua scripts that Redis runs for coedit; each compares everything before its first write.

Those that free memory (``allow-oom`` in their first line) are run where Redis is full, too: they make the room that the
others wait for.
"""

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError


def source(name: str) -> str:
    """Return the text of the script ``name``, such as ``commit.lua``."""
    return files(__name__).joinpath(name).read_text("utf-8")


class Script:
    """A script to be run on whichever node has the keys."""

    def __init__(self, name: str) -> None:
        self._source = source(name)
        self._sha = sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """Run it and return its answer.

        Raises:
            RedisError, OSError: it may or may not have been run.
        """
        try:
            return await redis.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            # Redis forgets scripts when it restarts or fails over.
            return await redis.eval(self._source, len(keys), *keys, *arguments)
