"""The process that turns documents into other formats and back.

``python -m services.gateway.heavy.converter MEMORY_BYTES`` begins it. What is imported is written by anybody, and read
by parsers that are not ours: so it happens in a process of its own, with a bound on its time and memory, that nothing
else shares. It reads one request from its standard input and writes one answer to its standard output, both
MessagePack.
"""

import os
import resource
import sys
from pathlib import Path
from typing import Any

import msgpack
import orjson

from coedit.errors import CoeditError
from coedit.formats import export_document, import_document
from coedit.ot.delta import Delta

_SCORE = Path("/proc/self/oom_score_adj")


def main() -> None:
    """Answer the one request."""
    os.nice(10)  # whoever edits comes first
    if _SCORE.exists():
        # Should the container have too little all the same, it is this process that ends, and not the gateway.
        _SCORE.write_text("1000")
    memory_bytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = msgpack.unpackb(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_seconds"], request["cpu_seconds"]))
    try:
        answer: dict[str, Any] = {"body": _converted(request)}
    except CoeditError as error:
        answer = {"code": error.code, "message": str(error)}
    except (MemoryError, RecursionError) as error:
        answer = {"code": "too-large", "message": f"too much to convert: {type(error).__name__}"}
    sys.stdout.buffer.write(msgpack.packb(answer))


def _converted(request: dict[str, Any]) -> bytes:
    if request["is_import"]:
        document = import_document(request["body"], request["format"], request["root"])
        return orjson.dumps(document.to_json())
    document = Delta.from_json(orjson.loads(request["body"]), is_bounded=False)
    return export_document(document, request["format"], request["seed"])


if __name__ == "__main__":
    main()
