"""coedit: real-time collaboration on rich text, by operational transform with a CRDT as the backup.

Layers, each importing only from those to its left::

    identifiers, errors <- ot <- presence, crdt, protocol <- store, client <- services

``ot``, ``protocol``, ``presence`` and ``crdt`` are pure: no I/O, no clock, no randomness of their own.

``coedit.connect`` is `coedit.client.connect`; it needs the extra ``client``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coedit.client import connect as connect


def __getattr__(name: str) -> Any:
    """Import the client only when it is asked for: the core needs no HTTP library."""
    if name == "connect":
        from coedit.client import connect  # noqa: PLC0415

        return connect
    raise AttributeError(f"module 'coedit' has no attribute {name!r}")
