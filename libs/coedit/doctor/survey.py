"""Which documents a deployment has, in Redis and in the object store."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import unquote

from coedit.errors import InvalidIdentifierError
from coedit.identifiers import DocumentId, document_id
from coedit.store.keys import shard_of
from coedit.store.objects.object_store import ObjectStore
from coedit.store.redis.topology import Nodes

_PATTERNS = ("document:{*", "log:{*")
_SCAN_COUNT = 1000


async def stored_documents(objects: ObjectStore) -> list[DocumentId]:
    """Return the documents that the object store has something of, in order.

    Raises:
        ObjectStoreError: it cannot answer.
    """
    return sorted(_ids(map(unquote, await objects.folders())))


async def all_documents(nodes: Nodes, objects: ObjectStore, shard_count: int) -> list[DocumentId]:
    """Return the documents that Redis or the object store has something of, in order.

    Raises:
        RedisError, OSError, ObjectStoreError: a store cannot answer.
    """
    found = set(await stored_documents(objects))
    for redis in nodes.masters():
        for pattern in _PATTERNS:
            keys = [key async for key in redis.scan_iter(match=pattern, count=_SCAN_COUNT)]
            found.update(_ids(_names(keys, shard_count)))
    return sorted(found)


def _names(keys: Iterable[bytes], shard_count: int) -> Iterator[str]:
    """Yield what stands behind the shard's hash tag, in the keys of this deployment."""
    for key in keys:
        with suppress(UnicodeDecodeError, ValueError):
            kind, tag, name = key.decode().split(":", 2)
            if f"{kind}:{tag}" == f"{kind}:{shard_of(DocumentId(name), shard_count).tag}":
                yield name


def _ids(names: Iterable[str]) -> Iterator[DocumentId]:
    """Yield those that are documents: the deployment's own marker, say, is none."""
    for name in names:
        with suppress(InvalidIdentifierError):
            if not name.startswith("!"):
                yield document_id(name)
