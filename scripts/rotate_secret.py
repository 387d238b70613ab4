"""Change COEDIT_SECRET in two phases: scripts/rotate_secret.py accept, deploy; scripts/rotate_secret.py sign, deploy.

Processes are replaced one after the other, so old and new ones run side by side in each phase. Nobody may sign with
what another does not accept: at first everybody learns the next secret, and only then is it used. `make rotate-secret`
does all four; begun again after it was interrupted, it goes on with the secret that it had chosen. Writes .env alone.
"""

import json
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import composed

_NEXT = "NEXT_SECRET"


def main(phase: str) -> int:
    """Do one phase; return the exit code."""
    found = composed.settings()
    if "COEDIT_SECRET" not in found:
        print("rotate_secret: there is no .env with a secret in it", file=sys.stderr)
        return 1
    listed = found.get("COEDIT_OLD_SECRETS", "")
    accepted: list[str] = json.loads(listed) if listed.startswith("[") else [listed] if listed else []
    following = found.get(_NEXT, "")
    if phase == "accept":
        following = following or secrets.token_hex(32)
        composed.change(COEDIT_OLD_SECRETS=_listed([following, *accepted]), **{_NEXT: following})
        print("the next secret is accepted, once deployed")
    elif following:
        old = [found["COEDIT_SECRET"], *accepted]
        composed.change(
            COEDIT_SECRET=following,
            COEDIT_OLD_SECRETS=_listed([secret for secret in old if secret != following]),
            **{_NEXT: ""},
        )
        print("the next secret signs, once deployed; the one before is accepted. Keep a copy of .env")
    else:
        print(
            "rotate_secret: no next secret is accepted yet: scripts/rotate_secret.py accept", file=sys.stderr
        )
        return 1
    return 0


def _listed(several: list[str]) -> str:
    return json.dumps(list(dict.fromkeys(several)), separators=(",", ":"))


if __name__ == "__main__":
    if sys.argv[1:] not in (["accept"], ["sign"]):
        sys.exit("scripts/rotate_secret.py accept|sign")
    sys.exit(main(sys.argv[1]))
