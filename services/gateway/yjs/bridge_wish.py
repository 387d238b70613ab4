"""Has a document made into one that Yjs clients can open, by its owner, and waits until it is."""

import asyncio
import secrets
from collections.abc import Callable

from coedit.errors import (
    CoeditError,
    InvalidUpdateError,
    NotTextError,
    QuarantinedError,
    TooCostlyError,
    UnavailableError,
    WrongRootError,
)
from coedit.identifiers import AuthorId, ClientId, ClientSequence
from coedit.protocol.events import Rejected, YjsTaken
from coedit.protocol.yjs_submission import YjsSubmission
from services.gateway.documents.feed import Answer

_PATIENCE_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 5.0


class BridgeWish:
    """The wish, under a client id of its own; ``submit`` forwards it."""

    def __init__(self, submit: Callable[[YjsSubmission], None]) -> None:
        self._submit = submit
        self._waiting: tuple[ClientId, asyncio.Future[None]] | None = None

    async def make(self, epoch: Callable[[], int], root: str, author: AuthorId) -> None:
        """Return when the document is ready; ``author`` is whoever opens it, as the text ``root``.

        ``epoch`` tells in which one it is now.

        Raises:
            UnavailableError: it is not, in time.
            WrongRootError, CoeditError: it cannot be.
        """
        client_id = ClientId(secrets.token_urlsafe(12))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = client_id, done
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not done.done():
                    self._submit(YjsSubmission(client_id, ClientSequence(1), author, epoch(), root, b""))
                    await asyncio.wait({done}, timeout=_ASK_AGAIN_SECONDS)
            done.result()
        except TimeoutError as error:
            raise UnavailableError("the document is not ready for Yjs clients; come again later") from error
        finally:
            self._waiting = None

    def answered(self, event: Answer) -> None:
        """Take note of an answer, which may be to somebody else."""
        if self._waiting is None or self._waiting[0] != event.client_id or self._waiting[1].done():
            return
        done = self._waiting[1]
        match event:
            case YjsTaken():
                done.set_result(None)
            case Rejected() if not event.retryable:
                done.set_exception(_as_error(event))


def _as_error(event: Rejected) -> CoeditError:
    kinds: tuple[type[CoeditError], ...] = (
        WrongRootError,
        NotTextError,
        QuarantinedError,
        InvalidUpdateError,
        TooCostlyError,
    )
    return next((kind for kind in kinds if kind.code == event.code), UnavailableError)(event.message)
