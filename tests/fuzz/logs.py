"""What services wrote into their logs that they should not have had to write."""

import json
from collections import Counter
from pathlib import Path

_TRACEBACK = "Traceback (most recent call last)"
_SHOWN = 500
_CONTEXT_LINES = 40


def defects(log: Path) -> list[str]:
    """Return the tracebacks and defects in a log, each kind once, with how often and one example's end."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for number, line in enumerate(lines):
        if line.startswith(_TRACEBACK) or _is_defect(line):
            text = _text(line, lines[number : number + _CONTEXT_LINES])
            kind = _kind(text)
            counts[kind] += 1
            examples.setdefault(kind, text[-_SHOWN:])
    return [f"{count} × {kind}, such as {examples[kind]!r}" for kind, count in counts.most_common()]


def _is_defect(line: str) -> bool:
    return line.startswith("{") and (_TRACEBACK in line or '"event":"defect"' in line.replace(" ", ""))


def _text(line: str, following: list[str]) -> str:
    """Return a traceback as text: it stands in a line of JSON, or bare until a line that is not indented."""
    if line.startswith("{"):
        try:
            facts = json.loads(line)
        except ValueError:
            return line
        return str(facts.get("exception") or facts.get("message"))
    ends = [n for n, each in enumerate(following) if n and not each.startswith(" ")]
    return "\n".join(following[: ends[0] + 1 if ends else None])


def _kind(text: str) -> str:
    """Return the exception and the last line of ours that it came through."""
    lines = text.splitlines()
    error = next(
        (line for line in reversed(lines) if line and not line.startswith(" ") and ":" in line), text
    )
    places = [line.strip() for line in lines if line.strip().startswith("File ")]
    ours = [place for place in places if "site-packages" not in place]
    place = (ours or places or [""])[-1].rpartition("/")[2]
    return f"{error.partition(':')[0][:80]} at {place}"
