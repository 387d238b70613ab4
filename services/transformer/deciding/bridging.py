"""Makes a document one that Yjs clients can open: has the snapshot made that its bridge begins with.

The declaration is a commit. Above it every commit carries its Yjs update, so before the next one the items of all
that is below must be known, and stay so: a snapshot at exactly the declaration holds them. Until it is stored, what
comes for the document waits here, and is then added to its shard's stream again. Whoever dies in between leaves a
document that is declared and has no snapshot; the next owner finds it so when something comes for it, and makes it.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from coedit.errors import CoeditError, OverloadedError, TooCostlyError
from coedit.identifiers import ClientId, ClientSequence, DocumentId
from coedit.ot.bridge import Bridge
from coedit.ot.commit import Submission
from coedit.protocol.yjs_submission import YjsSubmission
from coedit.store.documents.log import DocumentLog, Position
from coedit.store.documents.make_snapshot import SnapshotMaker
from coedit.store.documents.tries import Tries
from coedit.store.keys import Shard
from coedit.store.redis.connection import TROUBLE
from coedit.store.streams.ops import Addressed, OpsStream
from coedit.store.writes.folds import FoldScripts
from services.transformer.metrics import BRIDGED, ERRORS

logger = logging.getLogger(__name__)

_MAX_WAITING = 1024
_MAX_WEIGHT = 16 * 1024 * 1024
"""What waits for one document, at most."""
_STORED_SECONDS = 5.0
"""How long the declaration may take to be stored: it is part of a batch that is about to be written."""
_LOOK_AGAIN_SECONDS = 0.01
_PAUSE_SECONDS = 0.2
_GIVEN_UP_SECONDS = 60.0
"""After so long Redis is asked again whether it may be tried."""
_MAX_GIVEN_UP = 1024

_Key = tuple[ClientId, ClientSequence]


@dataclass(slots=True)
class _Job:
    """A document on its way, and what came for it meanwhile, each once."""

    bridge: Bridge
    waiting: OrderedDict[_Key, Submission | YjsSubmission] = field(default_factory=OrderedDict)
    weight: int = 0


class Bridging:
    """The documents that are being made ready for Yjs clients."""

    def __init__(
        self,
        log: DocumentLog,
        maker: SnapshotMaker,
        scripts: FoldScripts,
        ops: OpsStream,
        shard_of: Callable[[DocumentId], Shard],
        tries: Tries,
    ) -> None:
        self._log = log
        self._tries = tries
        self._maker = maker
        self._scripts = scripts
        self._ops = ops
        self._shard_of = shard_of
        self._jobs: OrderedDict[DocumentId, _Job] = OrderedDict()
        self._given_up: OrderedDict[DocumentId, float] = OrderedDict()
        """Documents that are not to be made ready, until when."""
        self._awake = asyncio.Event()

    def hold(self, document_id: DocumentId, bridge: Bridge, submission: Submission | YjsSubmission) -> None:
        """Keep a submission until the document is ready; nothing is said of it in the batch.

        Raises:
            OverloadedError: too much waits for the document, or an OT client's edit waits in vain for now.
            TooCostlyError: to make it ready ended whoever tried, and this asks for it.
        """
        if self._given_up.get(document_id, 0.0) > time.monotonic():
            raise _given_up_to(submission)
        job = self._jobs.setdefault(document_id, _Job(bridge))
        if len(job.waiting) >= _MAX_WAITING or job.weight > _MAX_WEIGHT:
            raise OverloadedError("the document is being made ready for Yjs clients; send again in a while")
        key = submission.client_id, submission.client_sequence
        if key not in job.waiting:
            job.waiting[key] = submission
            job.weight += submission.weight
        self._awake.set()

    async def step(self) -> None:
        """Make one document ready, or wait for one."""
        if not self._jobs:
            self._awake.clear()
            await self._awake.wait()
        document_id, job = next(iter(self._jobs.items()))
        try:
            await self._make_ready(document_id, job.bridge)
        except TooCostlyError:
            self._give_up(document_id)
        except (CoeditError, *TROUBLE) as error:
            # What waited comes again, and then it is tried again; a damaged document is found when it is loaded.
            ERRORS.labels("bridge").inc()
            facts = {"event": "bridge-error", "document_id": document_id, "error": repr(error)}
            logger.warning("a document could not be made ready for Yjs clients", extra=facts)
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            del self._jobs[document_id]
        await self._send_again(document_id, job)

    async def _make_ready(self, document_id: DocumentId, bridge: Bridge) -> None:
        position = await self._declared(document_id, bridge)
        if position is None:
            return  # its batch was not written, and is decided again
        async with self._tries.noted("bridge", document_id):
            snapshot = await self._maker.fold(document_id, position)
        await self._scripts.note(snapshot, position.epoch)
        BRIDGED.inc()
        facts = {"event": "bridged", "document_id": document_id, "revision": snapshot.revision}
        logger.info("Yjs clients can open a document", extra=facts)

    def _give_up(self, document_id: DocumentId) -> None:
        """Have what waits answered when it comes again, and what else comes for a while."""
        self._given_up.pop(document_id, None)
        self._given_up[document_id] = time.monotonic() + _GIVEN_UP_SECONDS
        if len(self._given_up) > _MAX_GIVEN_UP:
            self._given_up.popitem(last=False)

    async def _declared(self, document_id: DocumentId, bridge: Bridge) -> Position | None:
        """Return where the document stands once its declaration is stored; None if it never is."""
        deadline = asyncio.get_running_loop().time() + _STORED_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            position = await self._log.position(document_id)
            if position is not None and position.head >= bridge.first:
                return position if position.bridge is not None else None
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return None

    async def _send_again(self, document_id: DocumentId, job: _Job) -> None:
        shard = self._shard_of(document_id)
        addressed = [Addressed(document_id, submission) for submission in job.waiting.values()]
        failed = await self._ops.add({shard: addressed})
        if failed:
            raise failed[shard]


def _given_up_to(submission: Submission | YjsSubmission) -> CoeditError:
    """Return the answer where a document is not made ready: to blame is who opened it with Yjs, and nobody else."""
    if isinstance(submission, YjsSubmission):
        return TooCostlyError("to make the document ready for Yjs clients ended the processes that tried")
    return OverloadedError(
        "the document cannot be made ready for Yjs clients; it is tried again within the hour"
    )
