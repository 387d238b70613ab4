"""``python -m bench.flame STACKS PICTURE.svg TITLE``: a flame graph of what py-spy recorded.

``py-spy record --function --format raw`` writes a line for each stack, its frames joined by semicolons, and how often
it was seen. Here each frame is a bar as wide as its share, on top of who called it. Threads that only wait are left
out.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

_WIDTH, _ROW, _TOP = 1200, 17, 34
_THINNEST = 0.002
"""Bars of a smaller share are left out."""
_LETTER = 6.2
_IDLE = "concurrent/futures/thread.py"
_OWN = ("coedit/", "services/")
_COLOURS = {True: "#e8a33d", False: "#c9d4df"}
"""Of our own functions, and of all others."""


@dataclass
class Frame:
    """A function where it was called, and how many samples were taken in it and in what it called."""

    name: str
    count: int = 0
    callees: "dict[str, Frame]" = field(default_factory=dict)

    def add(self, names: list[str], count: int) -> None:
        """Count one stack, from here on."""
        frame = self
        frame.count += count
        for name in names:
            frame = frame.callees.setdefault(name, Frame(name))
            frame.count += count


def read(lines: list[str]) -> Frame:
    """Return the root of all stacks of threads that were at work."""
    root = Frame("all")
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if _IDLE not in stack:
            root.add(stack.split(";"), int(count))
    return root


def draw(root: Frame, title: str) -> str:
    """Return the picture, as SVG; what a bar stands for is its tooltip too."""
    bars = list(_bars(root, root.count, 0.0, 0))
    height = _TOP + _ROW * (1 + max(depth for *_, depth in bars)) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        "<style>text { font: 10px monospace } text.title { font-size: 14px }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
    ]
    for frame, left, width, depth in bars:
        x, y = left * _WIDTH, height - 8 - _ROW * (depth + 1)
        share = f"{frame.name}, {100 * width:.1f} %"
        shown = frame.name[: max(0, int((width * _WIDTH - 6) / _LETTER))]
        colour = _COLOURS[any(part in frame.name for part in _OWN)]
        parts.append(
            f'<g><title>{escape(share)}</title><rect x="{x:.1f}" y="{y}" width="{width * _WIDTH:.1f}" '
            f'height="{_ROW - 1}" fill="{colour}" stroke="#fff" stroke-width="0.5"/>'
            + (f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(shown)}</text>' if len(shown) > 2 else "")
            + "</g>"
        )
    return "\n".join([*parts, "</svg>\n"])


def _bars(frame: Frame, total: int, left: float, depth: int) -> Iterator[tuple[Frame, float, float, int]]:
    width = frame.count / total
    if width < _THINNEST:
        return
    yield frame, left, width, depth
    for callee in sorted(frame.callees.values(), key=lambda callee: -callee.count):
        yield from _bars(callee, total, left, depth + 1)
        left += callee.count / total


def main() -> None:
    """Draw the picture that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m bench.flame", description=__doc__)
    parser.add_argument("stacks", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("title")
    arguments = parser.parse_args()
    root = read(arguments.stacks.read_text().splitlines())
    arguments.picture.write_text(draw(root, arguments.title))


if __name__ == "__main__":
    main()
