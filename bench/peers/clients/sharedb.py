"""ShareDB's protocol, as its client speaks it over @teamwork/websocket-json-stream (protocol 1.2)."""

from typing import Any

import orjson

from bench.dialects import (
    Ack,
    Commits,
    Committed,
    Draft,
    FrameCache,
    Opened,
    Refusal,
    Told,
    Welcome,
    inserted,
)

_COLLECTION = "bench"
_TYPE = "http://sharejs.org/types/rich-text/v1"
_FIRST_VERSION = 1
"""What ShareDB calls the version of a document that was just created; revision 0 here."""


class ShareDbDialect:
    """One editor's side. It creates the document, unless another has done so before, and then subscribes."""

    subprotocol = ""
    is_text = True
    counts_revisions = True
    repeats_commits = True

    def __init__(self) -> None:
        self.read = FrameCache(self._decode).read

    def path(self, document: str) -> str:
        """Return the server's one path."""
        return "/"

    def greeting(self, author: str) -> bytes | None:
        """Return a handshake."""
        return orjson.dumps({"a": "hs", "id": None, "protocol": 1, "protocolMinor": 2})

    def opening(self, document: str) -> list[bytes]:
        """Return what creates the document, and asks for it with all that follows."""
        named = {"c": _COLLECTION, "d": document}
        create = {"type": _TYPE, "data": []}
        return [
            orjson.dumps({"a": "op", **named, "v": 0, "seq": 1, "x": {}, "create": create}),
            orjson.dumps({"a": "s", **named, "v": None}),
        ]

    def submission(self, draft: Draft) -> bytes:
        """Return an op."""
        fields = {
            "a": "op",
            "c": _COLLECTION,
            "d": draft.document,
            "v": draft.base_revision + _FIRST_VERSION,
            "seq": draft.sequence + 1,
            "x": {},
            "op": {"ops": draft.delta},
        }
        return orjson.dumps(fields)

    def _decode(self, payload: bytes) -> Told:
        message: dict[str, Any] = orjson.loads(payload)
        if "error" in message:
            was_there = message["a"] == "op" and message["seq"] == 1
            return None if was_there else Refusal(str(message["error"]))
        match message["a"]:
            case "op" if message["v"] < _FIRST_VERSION:
                return None
            case "op":
                return _op(message)
            case "hs":
                return Welcome(message["id"])
            case "s":
                return _opened(message["data"])
        return None


def _op(message: dict[str, Any]) -> Told:
    revision, sequence = message["v"] + 1 - _FIRST_VERSION, message["seq"] - 1
    if "op" not in message:
        return Ack(revision, sequence)
    return Commits([Committed(revision, message["src"], sequence, *inserted(message["op"]["ops"]))])


def _opened(data: dict[str, Any]) -> Told:
    # The create may have been overtaken: then it comes as an op of version 0, which is not counted.
    text = "".join(op["insert"] for op in (data.get("data") or {}).get("ops", ()))
    return Opened(1, max(0, data["v"] - _FIRST_VERSION), text)
