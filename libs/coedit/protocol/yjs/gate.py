"""Whether an update may be applied: now, under whose ids, and to which kind of document.

Yjs does not roll back, and yrs makes another document of updates that come before what they rest on. So all of
this is asked of the decoded update, before it is applied.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Mapping
from heapq import heappop, heappush

from coedit.errors import (
    CoeditError,
    InvalidDeltaError,
    InvalidUpdateError,
    NotTextError,
    ServerIdError,
    TooLargeError,
    WrongRootError,
)
from coedit.ot.parts.values import canonical_object
from coedit.ot.wire import MAX_ATTRIBUTES, read_attributes, read_content
from coedit.protocol.yjs.ids import is_server_id
from coedit.protocol.yjs.update import (
    COLLECTED,
    DELETED,
    EMBED,
    FORMAT,
    SKIP,
    STRING,
    Dependency,
    Id,
    Update,
)

MAX_SPLIT_UNITS = 2**28
"""How much of its own strings an update may have copied; some tenths of a second."""

_TEXT_KINDS = {COLLECTED, DELETED, STRING, EMBED, FORMAT, SKIP}


def lacks(update: Update, known: Mapping[int, int]) -> bool:
    """Tell whether something is missing that the update rests on; ``known`` is the document's state vector.

    An update whose items rest on each other in a circle lacks something for ever.
    """
    if any(clock > known.get(client, 0) for client, clock in _needed(update).items()):
        return True
    return _is_circular(update, known)


class Needs:
    """What an update rests on that it does not bring itself, to be asked for again and again as its document grows.

    All the asking together takes as many steps as it needs clients, and one more each time.
    """

    __slots__ = ("_is_circular", "_wanted")

    def __init__(self, update: Update) -> None:
        # Two numbers for each client: the update may be all names of clients, and is kept beside this.
        self._wanted = array("Q", (number for need in _needed(update).items() for number in need))
        self._is_circular = _is_circular(update, {})

    def are_met(self, known: Mapping[int, int]) -> bool:
        """Return whether all of it is in a document that has come to ``known``; of a circle it never is."""
        wanted = self._wanted
        while wanted and wanted[-1] <= known.get(wanted[-2], 0):
            del wanted[-2:]
        return not wanted and not self._is_circular


def check_ids(update: Update, known: Mapping[int, int]) -> None:
    """Refuse new items under ids that are the server's.

    Items that the document has already are what every client sends back now and then.

    Raises:
        ServerIdError: there are some.
    """
    for client, _, end in update.blocks:
        if is_server_id(client) and end > known.get(client, 0):
            raise ServerIdError("an update brings items under an id of the server")


def check_text(update: Update, root: str) -> None:
    """Refuse what does not belong into a document whose only content is the shared text ``root``.

    Raises:
        NotTextError: a map, an array, XML, a subdocument: whatever a delta cannot say.
        WrongRootError: something is for another shared type than ``root``.
        InvalidUpdateError: an embed or an attribute that no delta may hold.
    """
    if update.is_nested or not update.kinds <= _TEXT_KINDS:
        raise NotTextError("an update brings something that is not text into a document that is")
    if not update.roots <= {root}:
        raise WrongRootError(f"the document is the shared text {root!r} alone")
    if len({mark.key for mark in update.marks}) > MAX_ATTRIBUTES:
        raise InvalidUpdateError(f"an update names at most {MAX_ATTRIBUTES} attributes")
    try:
        for embed in update.embeds:
            read_content(canonical_object(embed))
        for key, value in update.marks:
            read_attributes({key: value})
    except InvalidDeltaError as error:
        raise InvalidUpdateError(f"a value does not fit a document: {error}") from error


def check_splits(update: Update) -> None:
    """Refuse an update whose items split long strings of its own too often.

    What is in the document already is split before, where that costs little; what comes with the items cannot be. No
    document writes such an update, since its own strings are split already.

    Raises:
        TooLargeError: it does.
    """
    runs = sorted(update.runs)
    cost = 0
    for cut in set(update.cuts):
        index = bisect_left(runs, (cut.client, cut.clock)) - 1
        if index >= 0 and runs[index].client == cut.client and cut.clock < runs[index].end:
            cost += runs[index].end - runs[index].first
    if cost > MAX_SPLIT_UNITS:
        raise TooLargeError("the items of the update split its own strings too often: send it in parts")


def is_text(update: Update, root: str) -> bool:
    """Tell whether a document whose first update this is can be one of text."""
    try:
        check_text(update, root)
    except CoeditError:
        return False
    return True


def _needed(update: Update) -> dict[int, int]:
    """Return how far the document has to have each client's items, so that nothing rests on what is missing."""
    brought: dict[int, int] = {}
    needed: dict[int, int] = {}

    def need(client: int, clock: int) -> None:
        if clock > brought.get(client, 0):
            needed[client] = max(clock, needed.get(client, 0))

    for client, first, end in sorted(update.blocks):
        need(client, first)  # or a hole is left
        brought[client] = max(end, brought.get(client, 0))
    for client, _, end in update.deleted:
        need(client, end)
    for _, (client, clock) in update.dependencies:
        if clock >= brought.get(client, 0):
            need(client, clock + 1)
    return needed


def _is_circular(update: Update, known: Mapping[int, int]) -> bool:
    """Tell whether the items can be put into no order in which each comes after what it rests on.

    Of each client they come in the order of their clocks, so that each client waits for one item at a time.
    """
    open_ends = [needs for needs in update.dependencies if needs.on.clock >= known.get(needs.on.client, 0)]
    waiting: dict[int, deque[Dependency]] = defaultdict(deque)
    for needs in sorted(open_ends):
        if needs.at.clock >= known.get(needs.at.client, 0):
            waiting[needs.at.client].append(needs)
    ready = list(waiting)
    waiting_for: dict[int, list[tuple[int, int]]] = defaultdict(list)
    while ready:
        client = ready.pop()
        mine = waiting[client]
        while mine and not _waits(mine[0].on, waiting):
            mine.popleft()
        if mine:
            heappush(waiting_for[mine[0].on.client], (mine[0].on.clock, client))
        others = waiting_for[client]
        while others and not _waits(Id(client, others[0][0]), waiting):
            ready.append(heappop(others)[1])
    return any(waiting.values())


def _waits(item: Id, waiting: Mapping[int, deque[Dependency]]) -> bool:
    """Tell whether ``item`` is, or comes behind, one of its author's that waits itself."""
    theirs = waiting.get(item.client)
    return theirs is not None and len(theirs) > 0 and item.clock >= theirs[0].at.clock
