"""Which client speaks to which system."""

from collections.abc import Callable
from typing import Protocol

from bench.dialects import CoeditDialect, Dialect, FloorDialect
from bench.drive import Typist
from bench.editors import Editor
from bench.peers.clients.carets import CaretClient, CaretTally, CoeditCarets, YjsCarets
from bench.peers.clients.documents import Documents
from bench.peers.clients.ot_documents import OtDocuments
from bench.peers.clients.sharedb import ShareDbDialect
from bench.peers.clients.wanderer import Wanderer
from bench.peers.clients.yjs_documents import YjsDocuments
from bench.peers.clients.yjs_editor import YjsEditor
from bench.peers.clients.yjs_framing import Framing, HocuspocusFraming, YWebsocketFraming, coedit_framing
from bench.peers.clients.yjs_wanderer import YjsWanderer
from bench.tally import DocumentTally, Tally

_FIRST_NUMBER = 1000
_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "coedit": CoeditDialect,
    "sharedb": ShareDbDialect,
    "forward": FloorDialect,
}
_FRAMINGS: dict[str, Callable[[], Framing]] = {
    "y-websocket": YWebsocketFraming,
    "hocuspocus": HocuspocusFraming,
    "coedit-yjs": coedit_framing,
}


class Roamer(Typist, Protocol):
    """A client that types anywhere, and holds its document."""

    @property
    def text(self) -> str:
        """The document."""

    def paste(self, text: str) -> None:
        """Insert a text at the start; to be done before anything is typed."""


def documents(speaks: str) -> Documents:
    """Return what can be done with whole documents."""
    if speaks in _DIALECTS:
        return OtDocuments(_DIALECTS[speaks])
    return YjsDocuments(_FRAMINGS[speaks]())


class Clients:
    """Makes the clients of one load, all speaking the same."""

    def __init__(self, speaks: str, tally: Tally) -> None:
        self._dialect = _DIALECTS[speaks]() if speaks in _DIALECTS else None
        self._framing = _FRAMINGS[speaks]() if speaks in _FRAMINGS else None
        self._tally = tally
        self._made = 0

    def typist(self, document: str, counts: DocumentTally) -> Typist:
        """Return a client that types at one place."""
        number = self._next()
        if self._dialect is not None:
            return Editor(self._dialect, self._tally, document, counts, f"author-{number}")
        assert self._framing is not None
        return YjsEditor(self._framing, self._tally, document, counts, number)

    def roamer(self, document: str, counts: DocumentTally) -> Roamer:
        """Return a client that types anywhere."""
        number = self._next()
        if self._dialect is not None:
            return Wanderer(self._dialect, self._tally, document, counts, f"author-{number}")
        assert self._framing is not None
        return YjsWanderer(self._framing, self._tally, document, counts, number)

    def caret_client(self, document: str, counts: DocumentTally, carets: CaretTally) -> CaretClient:
        """Return a client that types at one place, and moves its caret."""
        number = self._next()
        if self._framing is not None:
            return YjsCarets(self._framing, self._tally, carets, document, counts, number)
        return CoeditCarets(self._tally, carets, document, counts, f"author-{number}")

    def _next(self) -> int:
        self._made += 1
        return _FIRST_NUMBER + self._made
