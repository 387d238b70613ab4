"""The users of Redis: they have each key that there is, and each command that a script calls, and nothing else.

Whether each has what it needs is seen where whole systems run as them (`tests.system`, ``acl``).
"""

import re

from coedit.store import keys
from scripts.reference import ROOT

_USERS = (ROOT / "deploy/redis/users.acl").read_text()
_DOCS = (ROOT / "docs/operations.md").read_text()
_WORDS = [line for line in _USERS.splitlines() if not line.startswith("#")]
_LUA = ROOT / "libs/coedit/store/scripts"


def test_every_key_is_somebodys_and_nothing_else_is() -> None:
    table = (keys.__doc__ or "").split("======================")
    listed = set(re.findall(r"^(\w+):", "\n".join(table), re.MULTILINE))
    granted = set(re.findall(r"~(\w+):", "\n".join(_WORDS)))
    assert {"document", "ops", "members"} <= listed
    assert granted == listed


def test_every_command_of_a_script_is_somebodys() -> None:
    called = {
        name.lower()
        for script in _LUA.glob("*.lua")
        for name in re.findall(r"redis\.p?call\('([A-Z]+)'", script.read_text())
    }
    granted = {name.partition("|")[0] for name in re.findall(r"\+([a-z|]+)", "\n".join(_WORDS))}
    assert "xadd" in called
    assert called <= granted


def test_the_docs_name_each_users_keys() -> None:
    """But for what all of them have, which stands below the table."""
    rows = re.findall(r"^\| `(coedit-\w+)` \| [^|]* \| ([^|]*) \|$", _DOCS, re.MULTILINE)
    assert len(rows) == 5
    common = {"events", "deployment", "members", "moves", "process"}
    for user, text in rows:
        (rules,) = re.findall(rf"^user {user} .*\n((?: .*\n)+)", _USERS, re.MULTILINE)
        granted = set(re.findall(r"~(\w+):", rules))
        assert set(re.findall(r"`(\w+):\*`", text)) - common == granted - common, user


def test_nobody_who_can_log_in_but_a_person_may_do_everything() -> None:
    everything = [line.split()[1] for line in _WORDS if "+@all" in line or "~*" in line]
    assert everything == ["default", "admin"]
    assert not re.search(r"\+(flush|keys|debug|config\|set|acl|shutdown|eval_ro|function|swapdb)", _USERS)
