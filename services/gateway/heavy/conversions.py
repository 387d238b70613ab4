"""Documents in other formats, converted beside the gateway's loop: see ``converter.py``."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import orjson

from coedit.errors import CoeditError, TooLargeError
from coedit.formats import FORMATS, export_document, import_document
from coedit.identifiers import AuthorId
from coedit.ot.delta import Delta
from coedit.runtime.container_memory import container_bytes
from coedit.runtime.tracing.active import step, timed
from services.gateway.heavy.places import Places
from services.gateway.metrics import CONVERSION_SECONDS

_AT_ONCE = 2
"""So many conversions happen at a time; each keeps a process busy."""
_SHARE = 2 * _AT_ONCE
"""What the container allows is divided by this: half of it stays for the gateway itself."""
_PATIENCE = 4
"""So many times as long as its processor may take, a conversion may take in all."""
_COMMAND = (sys.executable, "-m", "services.gateway.heavy.converter")


class RefusedConversionError(CoeditError):
    """What the process answered, under the code that it said."""

    definite = True

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # of this one, not of the class


class Conversions:
    """Converts, a few at a time, for a bounded time each."""

    def __init__(self, cpu_seconds: int, memory_bytes: int) -> None:
        self._cpu_seconds = cpu_seconds
        allowed = container_bytes()
        self._memory_bytes = min(memory_bytes, allowed // _SHARE) if allowed else memory_bytes
        self._places = Places("conversion", _AT_ONCE)

    async def export(self, document: Delta, form: str, seed: str, author: AuthorId) -> bytes:
        """Return a document in a format (see `coedit.formats.export_document`).

        Raises:
            OverloadedError: too many are being converted.
            TooLargeError: it takes more time or memory than one request may.
            CoeditError: it cannot be done.
        """
        async with self._converting("export", form, author):
            if FORMATS[form].is_cheap:
                return await asyncio.to_thread(export_document, document, form)
            body = await asyncio.to_thread(lambda: orjson.dumps(document.to_json()))
            return await self._asked({"is_import": False, "format": form, "body": body, "seed": seed})

    async def read(self, body: bytes, form: str, root: str, author: AuthorId) -> Delta:
        """Return the document that a body holds (see `coedit.formats.import_document`); raises as `export` does."""
        async with self._converting("import", form, author):
            if FORMATS[form].is_cheap:
                return await asyncio.to_thread(import_document, body, form)
            answer = await self._asked({"is_import": True, "format": form, "body": body, "root": root})
            return await asyncio.to_thread(
                lambda: Delta.from_json(orjson.loads(answer), is_bounded=False),
            )

    async def _asked(self, request: dict[str, Any]) -> bytes:
        """Return what a process of its own makes of a request."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            str(self._memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_PATIENCE * self._cpu_seconds):
                packed, _ = await process.communicate(
                    msgpack.packb(request | {"cpu_seconds": self._cpu_seconds})
                )
        except TimeoutError:
            packed = b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not packed:
            raise TooLargeError("converting this takes more time or memory than one request may")
        answer = msgpack.unpackb(packed)
        if "code" in answer:
            raise RefusedConversionError(answer["code"], answer["message"])
        body: bytes = answer["body"]
        return body

    @asynccontextmanager
    async def _converting(self, what: str, form: str, author: AuthorId) -> AsyncIterator[None]:
        async with self._places.taken(author):
            with step("convert", {"coedit.format": form}), timed(CONVERSION_SECONDS.labels(what, form)):
                yield
