"""Which client ids of Yjs are the server's own.

Yjs draws from 32 bits and pycrdt from 53, and both read up to 53. A number in the server's range is never
accepted from outside: whoever could make items under it could make what the server then takes for its own.
"""

from hashlib import blake2b

from coedit.identifiers import ClientId

FIRST_SERVER_ID = 2**32
LAST_SERVER_ID = 2**35 - 1
"""What still takes five bytes in an update, as most ids of Yjs clients do; each item names up to three ids."""


def is_server_id(client: int) -> bool:
    """Tell whether only the server makes items, and says who is where, under this id."""
    return FIRST_SERVER_ID <= client <= LAST_SERVER_ID


def server_id(name: bytes, purpose: bytes) -> int:
    """Return an id of the server's range, the same for the same ``name``; ``purpose`` is at most 16 bytes."""
    digest = blake2b(name, digest_size=8, person=purpose).digest()
    return FIRST_SERVER_ID + int.from_bytes(digest) % (LAST_SERVER_ID - FIRST_SERVER_ID)


def awareness_id(client_id: ClientId) -> int:
    """Return the id under which Yjs clients are told where an OT client is."""
    return server_id(client_id.encode("ascii"), b"coedit-yjs-aware")
