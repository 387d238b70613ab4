"""What Yjs clients hold of updates that cut characters, which earlier versions of coedit took as they came.

A client of Yjs in JavaScript has U+FFFD twice in the place of each. Whoever applies the same updates with that put into
the string that brought the character has the items and the text of that client, in any implementation.
"""

from collections.abc import Sequence

from coedit.protocol.yjs.pairs import Pairs
from coedit.protocol.yjs.update import Id, decode_update
from coedit.protocol.yjs.whole import cuts_of, with_replaced


def as_yjs_has_them(updates: Sequence[bytes]) -> list[bytes]:
    """Return updates, each of which rests on those before it alone, as Yjs in JavaScript has them in the end.

    Raises:
        InvalidUpdateError: one of them is no update.
    """
    decoded = [decode_update(data) for data in updates]
    pairs, known = Pairs(), dict[int, int]()
    cut: set[Id] = set()
    for data, update in zip(updates, decoded, strict=True):
        own = Pairs()
        own.write(data, update, {})
        for item in cuts_of(update, known):
            is_new = item.clock >= known.get(item.client, 0)
            if (own if is_new else pairs).character(item):
                cut.add(item)
        pairs.add(data, update, known)
        for client, _, end in update.blocks:
            known[client] = max(known.get(client, 0), end)
    if not cut:
        return list(updates)
    return [with_replaced(data, update, cut)[0] for data, update in zip(updates, decoded, strict=True)]
