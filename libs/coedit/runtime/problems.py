"""What a request is told that fails: ``application/problem+json``, with our ``code`` beside what the standard names.

Source: RFC 9457.
"""

from http import HTTPStatus
from typing import Any

PROBLEM_JSON = "application/problem+json"


def problem(status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members; ``title`` says the same of every problem of this ``code``, ``detail`` what it was here."""
    about = {"type": f"/docs/api#problem-{code}", "title": title, "status": status, "detail": detail}
    return about | {"code": code} | more


def plain_problem(status: int, detail: str = "") -> dict[str, Any]:
    """Return the members of a problem that HTTP itself has a name for."""
    title = HTTPStatus(status).phrase
    return problem(status, title.lower().replace(" ", "-"), title, detail or title)
