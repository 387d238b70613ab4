"""Every code that a request may be refused with: its status, and what it means of all requests alike."""

from typing import NamedTuple

from coedit.runtime.problems import TITLES


class Meaning(NamedTuple):
    """What a code is over HTTP."""

    status: int
    title: str


PROBLEMS = {
    "invalid-request": Meaning(400, TITLES["invalid-request"]),
    "invalid-identifier": Meaning(400, "No document, author or version can have this name"),
    "invalid-format": Meaning(400, "The file is not of the format that it is said to be"),
    "invalid-delta": Meaning(400, "This is not a delta"),
    "length-mismatch": Meaning(400, "The delta reaches past the end of its base revision"),
    "split-surrogate": Meaning(400, "An op begins or ends inside a surrogate pair"),
    "lone-surrogate": Meaning(400, "A text holds half of a surrogate pair"),
    "unsupported-op": Meaning(400, "This op is not supported"),
    "invalid-update": Meaning(400, "This is not a Yjs update that a document may have"),
    "wrong-root": Meaning(400, "The shared text has another name"),
    "unauthorized": Meaning(401, "A token is needed that holds"),
    "forbidden": Meaning(403, "This is not granted"),
    "not-found": Meaning(404, TITLES["not-found"]),
    "future-revision": Meaning(404, "There is no such revision yet"),
    "unknown-document": Meaning(404, "There is no such document, or it is not in the trash"),
    "unknown-version": Meaning(404, "No version has this name"),
    "method-not-allowed": Meaning(405, TITLES["method-not-allowed"]),
    "too-slow": Meaning(408, "The body did not come in time"),
    "diverged": Meaning(409, "The document has another history"),
    "not-text": Meaning(409, "The document is not text"),
    "sequence": Meaning(409, "The edit was made, or refused, before"),
    "no-match": Meaning(409, "What is to be replaced does not stand there once"),
    "still-running": Meaning(409, "The same request is being dealt with"),
    "version-exists": Meaning(409, "The name stands for another revision"),
    "deleted": Meaning(410, "The document was deleted"),
    "revision-too-old": Meaning(410, "No history back to there is kept"),
    "precondition-failed": Meaning(412, "The document is not where it was wanted to be"),
    "too-large": Meaning(413, TITLES["too-large"]),
    "document-too-large": Meaning(413, "The document would grow beyond its bound"),
    "too-costly": Meaning(413, "To decide about this takes too long"),
    "history-too-long": Meaning(422, "Going through the history takes too long"),
    "another-request": Meaning(422, "Another request was made under the same key"),
    "limited": Meaning(429, "More is asked for than one may"),
    "internal": Meaning(500, TITLES["internal"]),
    "quarantined": Meaning(503, "The document is damaged"),
    "overloaded": Meaning(503, "Too much is being asked for"),
    "unavailable": Meaning(503, "This cannot be done now"),
    "undecided": Meaning(503, "Who asks, or what that is allowed, cannot be found out now"),
}
LATER = frozenset({"overloaded", "limited", "unavailable", "undecided"})
"""Who is refused with these may succeed later, and is told when."""
OTHER = Meaning(503, "This cannot be done")
"""What a code means that is not here."""
