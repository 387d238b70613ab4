"""``python -m tests.poisoned SERVICE``: a service that ends, without a word, when it decides about a certain text.

So does a defect below Python, or an edit that takes all the memory. Production code knows nothing of this.
"""

import os
import runpy
import sys
from typing import Any

from coedit.ot.authority import Authority
from coedit.ot.rebase import Rebase

POISON = "☠"
"""Two of them in one insert: to be found in the text of what comes, and in no name."""


def main() -> None:
    conclude = Authority.conclude

    def conclude_or_die(self: Authority, rebase: Rebase) -> Any:
        if any(POISON in str(op) for op in rebase.delta.ops):
            os._exit(9)
        return conclude(self, rebase)

    Authority.conclude = conclude_or_die  # type: ignore[method-assign]
    runpy.run_module(f"services.{sys.argv[1]}", run_name="__main__")


if __name__ == "__main__":
    main()
