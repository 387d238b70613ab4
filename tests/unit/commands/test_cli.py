"""The command line, without a server: tokens, usage, and messages for what goes wrong."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coedit.commands.cli import main
from coedit.protocol.grants import Grants
from coedit.protocol.tokens import read_access_token
from tests.ports import free_port
from tests.system import SECRET

COEDIT = Path(sys.executable).with_name("coedit")


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the installed command as a process of its own, with no COEDIT_ variables but these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COEDIT_")}
    return subprocess.run(
        [COEDIT, *arguments],
        input=stdin,
        env=inherited | environment,
        capture_output=True,
        timeout=60,
        check=False,
    )


def _answer(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """Return the exit code and the one line of complaint."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, done.stderr.decode()
    return done.returncode, lines[0]


def test_token_says_who_may_do_what() -> None:
    done = run(
        *("token", "--author", "ada", "--document", "notes", "--document", "é/b", "--rights", "read"),
        COEDIT_SECRET=SECRET,
    )
    identity = read_access_token(SECRET, done.stdout.decode().strip(), time.time())
    assert (identity.author, identity.grants) == ("ada", Grants.of({"notes": "read", "é/b": "read"}))


def test_token_is_made_with_the_kept_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    done = run("token", "--author", "ada", "--document", "*", COEDIT_DATA=str(tmp_path))
    assert read_access_token(SECRET, done.stdout.decode().strip(), time.time()).grants == Grants.of(
        {"*": "write"}
    )


def test_token_holds_so_many_days(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COEDIT_SECRET", SECRET)
    assert main(["token", "--author", "ada", "--document", "a", "--days", "-1"]) == 0
    with pytest.raises(Exception, match="expired"):
        read_access_token(SECRET, capsys.readouterr().out.strip(), time.time())


def test_link_names_the_document_and_holds_the_token() -> None:
    arguments = ("token", "--author", "ada", "--document", "a/b ä.", "--url", "https://example.org/")
    link = run(*arguments, COEDIT_SECRET=SECRET).stdout.decode().strip()
    address, _, token = link.partition("#token=")
    assert address == "https://example.org/d/a%2Fb%20%C3%A4%2E"
    assert read_access_token(SECRET, token, time.time()).grants == Grants.of({"a/b ä.": "write"})


@pytest.mark.parametrize("documents", [["*"], ["a", "b"]])
def test_link_to_no_one_document_is_refused(documents: list[str]) -> None:
    named = [word for document in documents for word in ("--document", document)]
    code, message = _answer(run("token", "--author", "a", *named, "--url", "http://x", COEDIT_SECRET=SECRET))
    assert (code, "exactly one" in message) == (2, True)


def test_token_without_a_secret_says_where_it_looked(tmp_path: Path) -> None:
    code, message = _answer(run("token", "--author", "a", "--document", "b", COEDIT_DATA=str(tmp_path)))
    assert code == 1
    assert str(tmp_path / "secret") in message


@pytest.mark.parametrize(
    "command",
    [["cat", "a"], ["edit", "a", "--insert", "0", "x", "--patience", "0.3"]],
    ids=["rest", "socket"],
)
def test_server_that_is_not_there_is_named(command: list[str]) -> None:
    port = free_port()
    code, message = _answer(run(*command, COEDIT_URL=f"http://127.0.0.1:{port}"))
    assert code == 3
    assert f"127.0.0.1:{port}" in message
    assert "cannot be reached" in message


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["cat", ""], b"", 2, "document id has 0 bytes"),
        (["edit", "a", "--file", "/nowhere/at/all"], b"", 1, "No such file"),
        (["edit", "a"], b"\xff", 1, "can't decode"),
        (["replay", "/nowhere/at/all"], b"", 1, "No such file"),
        (["replay", "pyproject.toml"], b"", 1, "not a trace"),
    ],
)
def test_mistakes_are_named_without_a_traceback(
    arguments: list[str], stdin: bytes, code: int, message: str
) -> None:
    done = run(*arguments, stdin=stdin, COEDIT_URL="http://127.0.0.1:1")
    assert done.returncode == code
    assert message in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["edit", "a", "--insert", "1"],
        ["edit", "a", "--delete", "1", "x"],
        ["edit", "a", "--insert", "1", "x", "--delete", "1", "1"],
        ["token", "--author", "a", "--document", "b", "--rights", "own"],
        ["replay", "file", "--limit", "0"],
    ],
)
def test_wrong_usage_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as leaving:
        code = int(str(leaving.code))
    assert code == 2
    assert "usage: coedit" in "".join(capsys.readouterr())
