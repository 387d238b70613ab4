"""What one edit in the middle costs, by the size of the document: ``python -m bench.ot.growth``."""

from timeit import repeat

from coedit.ot import Delta, apply
from coedit.ot.parts.ops import Insert


def main() -> None:
    """Measure and print."""
    for name, character in (("ASCII", "x"), ("BMP", "日")):
        for count in (1_000, 10_000, 100_000, 1_000_000):
            tell(f"{count:9,} characters, {name}", Delta().insert(character * count))
    for count in (10, 100, 1_000, 10_000):
        tell(f"{count:9,} runs", Delta([Insert("x" * 9, {"b": index % 2}) for index in range(count)]))


def tell(name: str, document: Delta) -> None:
    """Print µs per edit in the middle of ``document``, the best of five."""
    edit = Delta().retain(document.document_length // 2).insert("y")
    times = max(50, 2_000_000 // document.document_length)
    best = min(repeat(lambda: apply(document, edit), number=times, repeat=5))
    print(f"{name:27} {1e6 * best / times:8.1f} µs")


if __name__ == "__main__":
    main()
