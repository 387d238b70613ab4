"""Edit a document together with whoever has it open: python examples/edit_a_document.py [URL]."""

import asyncio
import sys
from contextlib import suppress

import coedit


async def main(url: str) -> None:
    """Write a line, make it bold, and show what others do for a minute."""
    async with coedit.connect(url, author="a program") as session:
        document = await session.open("notes")
        changes = document.changes()
        await document.insert(0, "Hello from Python 👋\n")
        await document.format(0, 5, {"bold": True})
        await document.settle()  # the server has it on disk
        print(f"revision {document.revision}, saved: {document.saved}\n{document.text}")
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                async for change in changes:
                    print(f"{change.author}: {change.delta.to_json()}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
