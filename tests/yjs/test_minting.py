"""The code that docs/how-to/log-in.md shows, run as it stands: gateways take the tokens that it makes."""

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from coedit.identifiers import DocumentId
from coedit.protocol.token_keys import read_token, shared_secret
from tests.requirements import node
from tests.system import ROOT
from tests.yjs.node_clients import FOLDER

_SECRET = "a secret that application and coedit share"
_PAGE = (ROOT / "docs/how-to/log-in.md").read_text()
_BLOCKS = re.findall(r"```(\w+)\n(.*?)```", _PAGE, re.DOTALL)
_NODE = [code for language, code in _BLOCKS if language == "js"]
_PYTHON = [code for language, code in _BLOCKS if language == "python" and "token_for" in code]
_USER = {"id": "ada", "name": "Ada L.", "team": "7", "colour": "#aa0000"}


def check(token: str) -> None:
    identity = read_token(token, [shared_secret(_SECRET)], (), "", time.time())
    assert (identity.author, identity.name) == ("ada", "Ada L.")
    assert "write" in identity.grants.facets(DocumentId("team-7/plan"))
    assert not identity.grants.facets(DocumentId("team-8/plan"))
    assert identity.issued_at > 0


@pytest.mark.parametrize("code", _NODE, ids=["jose", "jsonwebtoken"])
def test_node_makes_a_token(code: str, tmp_path: Path) -> None:
    script = FOLDER / "node_modules/.cache" / f"{tmp_path.name}.mjs"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"{code}\nconsole.log(await tokenFor({_USER}));\n")
    environment = {"COEDIT_SHARED_SECRET": _SECRET}
    try:
        done = subprocess.run(
            [node(), script], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr
    check(done.stdout.strip())


def test_python_makes_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = _PYTHON
    monkeypatch.setenv("COEDIT_SHARED_SECRET", _SECRET)
    check(_module(code, tmp_path).token_for(_USER))


def _module(code: str, folder: Path) -> ModuleType:
    path = folder / "minting.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("minting", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "minting" not in sys.modules
    return module
