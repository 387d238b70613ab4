"""``python -m coedit.runtime.probe PORT``: ask this machine's ``/readyz``; exit with 1 and the reason if it is not.

For the health check of a container, whose image has no other program to ask with.
"""

import sys
from http.client import HTTPConnection, HTTPException

_ANSWER_SECONDS = 3.0


def why_not_ready(port: int, host: str = "127.0.0.1") -> str:
    """Return the empty string where a service at ``port`` is ready, otherwise why it is not."""
    connection = HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(1000).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"no answer: {error!r}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{answer.status} {body}"


def main() -> None:
    """Ask, and say why not on standard error."""
    if reason := why_not_ready(int(sys.argv[1])):
        sys.exit(reason)


if __name__ == "__main__":
    main()
