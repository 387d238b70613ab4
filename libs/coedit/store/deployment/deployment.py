"""What a deployment was begun with, and whether a process that starts was configured for the same one.

A process with another number of shards, another secret or another object store runs, and is wrong: it looks for
documents where they are not, cannot check what it reads, or saves where nobody looks. So each compares itself with what
the transformers noted, in the object store (every object is created once and never changed) and in Redis:

=============================  ======================================================================================
where                          what
=============================  ======================================================================================
``!deployment/marker``         that it exists, and its number of shards (see `coedit.store.deployment.incarnation`)
``!deployment/identity``       its id; the same stands in Redis, so that neither is taken for that of another one
``!deployment/format-N``       the newest of these: of which format is what is stored
``!deployment/key-N-KEY``      the newest of these: under which secret commits are sealed, by its public id
``deployment:{0}`` (in Redis)  a copy of all that, for those who read no objects
=============================  ======================================================================================
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

import msgpack

from coedit.errors import CoeditError, UnavailableError
from coedit.protocol.log_entry import ChainKey
from coedit.store.keys import DEPLOYMENT, Shard
from coedit.store.objects.object_store import ObjectStore
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.topology import Nodes

logger = logging.getLogger(__name__)

FOLDER = "!deployment/"
"""No document's key begins like this: in an escaped document id there is no exclamation mark."""
MARKER = f"{FOLDER}marker"
IDENTITY = f"{FOLDER}identity"
FORMAT = 1
"""Of all that is stored; who knows only a lower one than the deployment has would damage what it does not know."""
_NOTE = msgpack.packb({"format": 1})
"""What stands in an object that says all by its name: some stores take an empty one for a folder."""
_LOOK_AGAIN_SECONDS = 1.0
_SHARD = Shard(0)
"""Redis's copy lies with this one, which every deployment has."""


class WrongDeploymentError(CoeditError):
    """This process is configured for another deployment; the message says in what, and the remedy."""

    code = "wrong-deployment"


class ShardCountError(WrongDeploymentError):
    """The deployment was begun with another number of shards, and would not find its documents."""

    code = "shard-count"


@dataclass(frozen=True, slots=True)
class Begun:
    """What is noted of a deployment in one of its stores; what is not noted, by an earlier version say, is empty."""

    id: str = ""
    shard_count: int = 0
    format: int = 0
    key_id: str = ""
    key_number: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything is noted that can be compared."""
        return bool(self.id and self.shard_count and self.format and self.key_id)


class Deployment:
    """The deployment that a process is configured for; without ``objects`` only Redis is compared."""

    def __init__(
        self, nodes: Nodes, objects: ObjectStore | None, shard_count: int, chain_key: ChainKey
    ) -> None:
        self._nodes = nodes
        self._objects = objects
        self._shard_count = shard_count
        self._chain_key = chain_key
        self._is_compared = False
        self._noted: Begun | None = None
        self._refusal: WrongDeploymentError | None = None

    async def compare(self, *, checks_secret: bool = True) -> None:
        """Refuse a configuration that is not the deployment's, as far as that is noted.

        Raises:
            WrongDeploymentError: it is another one's.
            UnavailableError: it cannot be told now.
        """
        try:
            # Redis first: whoever notes something there has noted it in the object store.
            in_redis = await self._in_redis()
        except TROUBLE as error:
            raise UnavailableError(f"Redis does not say what deployment it is of: {error}") from error
        begun = [in_redis]
        if self._objects is not None:
            begun.append(in_store := await self._in_store(self._objects))
            _check_ids(in_redis.id, in_store.id)
        for noted in begun:
            self._check(noted, checks_secret=checks_secret)
        self._is_compared = all(noted.is_whole for noted in begun)

    async def note(self) -> None:
        """Note what this process, which may write, is configured with; after `compare`, and once the marker is there.

        Raises:
            WrongDeploymentError: somebody else began another deployment in this Redis meanwhile.
            UnavailableError: it may or may not be noted; doing it again is harmless.
        """
        objects = self._objects
        assert objects is not None  # noqa: S101 - whoever notes has it
        await objects.create(IDENTITY, msgpack.packb({"format": 1, "id": secrets.token_hex(8)}))
        noted = await self._in_store(objects)
        if noted.format < FORMAT:
            await objects.create(f"{FOLDER}format-{FORMAT:06d}", _NOTE)
        if noted.key_id != self._chain_key.key_id:
            key = f"{FOLDER}key-{noted.key_number + 1:06d}-{self._chain_key.key_id}"
            await objects.create(key, _NOTE)
            facts = {"event": "secret", "key_id": self._chain_key.key_id, "before": noted.key_id}
            logger.info("commits are sealed under a secret that is new here", extra=facts)
        self._noted = noted = await self._in_store(objects)
        try:
            if await self._in_redis() != replace(noted, key_number=0):  # a full one need not be written to
                await self.found_lost(_SHARD)
                redis = self._nodes.at(_SHARD)
                await redis.hset(DEPLOYMENT, mapping={"format": str(noted.format), "key_id": noted.key_id})
        except TROUBLE as error:
            raise UnavailableError(f"what the deployment is cannot be noted in Redis now: {error}") from error
        self._is_compared = True

    async def found_lost(self, shard: Shard) -> None:
        """Tell Redis again what it lost, if it lies with a shard that may have lost something.

        Raises:
            WrongDeploymentError: it is another deployment's by now.
            RedisError, OSError: it may or may not be told.
        """
        if shard != _SHARD or (noted := self._noted) is None:
            return
        redis = self._nodes.at(_SHARD)
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(DEPLOYMENT, "id", noted.id)
            pipe.hsetnx(DEPLOYMENT, "shard_count", str(noted.shard_count))
            pipe.hsetnx(DEPLOYMENT, "format", str(noted.format))
            pipe.hsetnx(DEPLOYMENT, "key_id", noted.key_id)
            await pipe.execute()
        _check_ids((await self._in_redis()).id, noted.id)

    @asynccontextmanager
    async def watched(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Compare what there was nothing to compare with, as soon as there is; where it does not fit, set ``stop``.

        Until transformers of this version have started, nothing, or not all, is noted.

        Raises:
            WrongDeploymentError: when all has ended, where it did not fit.
        """
        watching = asyncio.get_running_loop().create_task(self._watch(stop))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        if self._refusal is not None:
            raise self._refusal

    async def _watch(self, stop: asyncio.Event) -> None:
        while not self._is_compared:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            try:
                await self.compare_if_possible()
            except WrongDeploymentError as error:
                facts = {"event": "wrong-deployment", "code": error.code, "error": str(error)}
                logger.critical("this process is configured for another deployment", extra=facts)
                self._refusal = error
                stop.set()
                return

    async def compare_if_possible(self) -> None:
        """The same, for who need not know it to begin: `watched` compares later what cannot be read now.

        Raises:
            WrongDeploymentError: the configuration is another deployment's.
        """
        try:
            await self._nodes.refresh()
            await self.compare()
        except (*TROUBLE, UnavailableError) as error:
            facts = {"event": "deployment-error", "error": repr(error)}
            logger.warning("what the deployment was begun with cannot be read yet", extra=facts)

    def _check(self, noted: Begun, *, checks_secret: bool) -> None:
        if noted.shard_count:
            check_shard_count(noted.shard_count, self._shard_count)
        if noted.format > FORMAT:
            raise WrongDeploymentError(
                f"this deployment's data is of format {noted.format}, and this version of coedit knows formats up to "
                f"{FORMAT}: run the version that the other services run"
            )
        if checks_secret and noted.key_id and not self._chain_key.knows(noted.key_id):
            raise WrongDeploymentError(
                f"this deployment's commits are sealed under the secret with the id {noted.key_id}, and COEDIT_SECRET "
                f"has the id {self._chain_key.key_id}: set it back; or, if it was changed on purpose, put the one that "
                "was used before into COEDIT_OLD_SECRETS"
            )

    async def _in_redis(self) -> Begun:
        found = cast("dict[bytes, bytes]", await self._nodes.at(_SHARD).hgetall(DEPLOYMENT))
        fields = {name.decode(): value.decode() for name, value in found.items()}
        return Begun(
            fields.get("id", ""),
            int(fields.get("shard_count", 0)),
            int(fields.get("format", 0)),
            fields.get("key_id", ""),
        )

    async def _in_store(self, objects: ObjectStore) -> Begun:
        names = sorted(key.removeprefix(FOLDER) for key in await objects.list(FOLDER))
        marker, identity = await objects.read(MARKER), await objects.read(IDENTITY)
        formats = [int(name.removeprefix("format-")) for name in names if name.startswith("format-")]
        keys = [name.split("-") for name in names if name.startswith("key-")]
        _, key_number, key_id = keys[-1] if keys else ("", "0", "")
        return Begun(
            msgpack.unpackb(identity)["id"] if identity else "",
            shards_of_marker(marker) if marker else 0,
            max(formats, default=0),
            key_id,
            int(key_number),
        )


def shards_of_marker(marker: bytes) -> int:
    """Return the number of shards that a deployment's marker names."""
    shard_count: int = msgpack.unpackb(marker)["shard_count"]
    return shard_count


def check_shard_count(begun_with: int, shard_count: int) -> None:
    """Refuse another number of shards than a deployment was begun with.

    Raises:
        ShardCountError: it is another one.
    """
    if begun_with != shard_count:
        raise ShardCountError(
            f"this deployment was begun with {begun_with} shards, and COEDIT_SHARD_COUNT is {shard_count}: "
            "documents would not be found; set it back"
        )


def _check_ids(in_redis: str, in_store: str) -> None:
    if not in_redis or in_redis == in_store:
        return  # a Redis that is new, or lost everything, names none
    what = f"is that of the deployment {in_store}" if in_store else "is not that deployment's, or was emptied"
    raise WrongDeploymentError(
        f"the Redis at COEDIT_REDIS_URL is that of the deployment {in_redis}, and the object store at "
        f"COEDIT_OBJECT_STORE_URL {what}: set the one of them that is wrong back; if the object store is lost for "
        f"good, delete the key {DEPLOYMENT} in Redis and start the transformers first"
    )
