"""``python -m bench.peers.driver WORKLOAD SESSION``: the load process.

Prints the name of a moment when it is reached, and at the end what was counted, as one line of JSON. Exits with 1 and
the reason if something that was sent did not arrive.
"""

import json
import sys

import uvloop

from bench.peers.workload import Session
from bench.peers.workloads.catalogue import WORKLOADS
from bench.tally import BrokenPromiseError


def main() -> int:
    """Run as told by the arguments."""
    name, told = sys.argv[1:]
    fields = json.loads(told)
    session = Session(**fields | {"addresses": [(host, port) for host, port in fields["addresses"]]})
    workload = next(workload for workload in WORKLOADS if workload.name == name)
    try:
        answer = uvloop.run(workload.drive(session))
    except (BrokenPromiseError, TimeoutError, OSError) as error:
        print(f"{name} failed: {error!r}", file=sys.stderr)
        return 1
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
