"""Applies an update in time that grows with its size and the document's, and not with their product.

Each item of an update that stands inside a string splits it, and yrs copies and counts the rest of the string each
time. Which item comes when is for the update to say; so the strings are split first, in an order that costs little
(`coedit.protocol.yjs.delete_set`), by ranges of deletes that are empty. That changes nothing: what has nothing
between it at the end of the transaction is one string again.
"""

from collections import defaultdict
from typing import Any

from pycrdt import Doc

from coedit.protocol.yjs.delete_set import write_splits
from coedit.protocol.yjs.update import Update, decode_state_vector, decode_update

_SMALL_BYTES = 128
"""The items that fit into so few bytes split a string some ten times."""
_ITEM_BYTES = 8
"""What an item takes at least that stands between two others."""
_FEW_COPIES = 2**25
"""So many units are copied in some hundredths of a second."""
_NO_ITEMS = 0
"""What an update begins with that only deletes."""


def apply_update(doc: Doc[Any], update: bytes, decoded: Update | None = None) -> None:
    """Apply an update whose deletes are in an order that costs little; ``decoded``, where it is known, are its items.

    Raises:
        InvalidUpdateError: it is none.
        BaseException: whatever yrs raises or panics with.
    """
    splits = None if len(update) <= _SMALL_BYTES or update[0] == _NO_ITEMS else _splits(doc, update, decoded)
    if splits is None:
        doc.apply_update(update)
        return
    with doc.transaction():
        doc.apply_update(splits)
        doc.apply_update(update)


def _splits(doc: Doc[Any], update: bytes, decoded: Update | None) -> bytes | None:
    """Return the update that splits what is here wherever an item of ``update`` finds its place.

    None: nowhere, or it would not be worth it.
    """
    known = decode_state_vector(doc.get_state())
    if len(update) // _ITEM_BYTES * sum(known.values()) <= _FEW_COPIES:
        return None
    at: dict[int, set[int]] = defaultdict(set)
    for client, clock in (decoded or decode_update(update)).cuts:
        if 0 < clock < known.get(client, 0):
            at[client].add(clock)
    return write_splits({client: sorted(clocks) for client, clocks in at.items()}) if at else None
