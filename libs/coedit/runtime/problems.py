"""What a request is told that fails: ``application/problem+json``, with our ``code`` beside what the standard names.

Source: RFC 9457.
"""

from http import HTTPStatus
from typing import Any

PROBLEM_JSON = "application/problem+json"
TITLES = {
    "invalid-request": "The request is not said as it should be",
    "not-found": "There is nothing here",
    "method-not-allowed": "This cannot be asked for here",
    "too-large": "This is larger than it may be",
    "internal": "A defect of the server",
}
"""What each code means that HTTP itself has a status for."""
_CODES = {
    400: "invalid-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    417: "invalid-request",
    500: "internal",
}


def problem(status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members; ``title`` says the same of every problem of this ``code``, ``detail`` what it was here."""
    about = {"type": f"/docs/api#problem-{code}", "title": title, "status": status, "detail": detail}
    return about | {"code": code} | more


def plain_problem(status: int, detail: str = "") -> dict[str, Any]:
    """Return the members of a problem of which no more is known than its status."""
    phrase = HTTPStatus(status).phrase
    code = _CODES.get(status, phrase.lower().replace(" ", "-"))
    return problem(status, code, TITLES.get(code, phrase), detail or phrase)
