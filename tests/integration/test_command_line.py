"""``coedit``, as a shell runs it, against a running system."""

import json

import pytest

from tests.conftest import MakeSystem
from tests.system import SECRET, System
from tests.unit.commands.test_cli import run


def test_text_from_standard_input_is_what_cat_prints(system: System) -> None:
    text = "höher 😀\n茶\n"
    edited = run("edit", "a/b c", "--author", "ada", stdin=text.encode(), COEDIT_URL=system.url)
    assert (edited.returncode, edited.stdout) == (0, b"")
    assert b"saved as revision 1" in edited.stderr
    assert run("cat", "a/b c", "--url", system.url).stdout.decode() == text


def test_edits_by_place_are_small(system: System) -> None:
    for change in (["--insert", "0", "a😀b"], ["--insert", "3", "X"], ["--delete", "1", "2"]):
        assert run("edit", "places", *change, COEDIT_URL=system.url).returncode == 0
    assert json.loads(run("cat", "places", "--json", COEDIT_URL=system.url).stdout) == [{"insert": "aXb"}]


@pytest.mark.parametrize("change", [["--delete", "0", "9"], ["--insert", "-1", "x"], ["--delete", "1", "1"]])
def test_edit_that_does_not_fit_is_refused(system: System, change: list[str]) -> None:
    run("edit", "short", stdin="😀".encode(), COEDIT_URL=system.url)
    done = run("edit", "short", *change, COEDIT_URL=system.url)
    assert done.returncode == 2
    assert done.stderr.startswith(b"coedit: ")
    assert run("cat", "short", COEDIT_URL=system.url).stdout.decode() == "😀"


def test_tokens_open_what_they_grant(make_system: MakeSystem) -> None:
    url = make_system(settings={"COEDIT_GATEWAY_OPEN": "0"}).url

    def token(*rights: str) -> str:
        arguments = ("token", "--author", "ada", "--document", "notes", *rights)
        return run(*arguments, COEDIT_SECRET=SECRET).stdout.decode().strip()

    def codes(name: str, token: str) -> tuple[int, int]:
        edited = run("edit", name, "--insert", "0", "x", COEDIT_URL=url, COEDIT_TOKEN=token)
        return edited.returncode, run("cat", name, "--token", token, COEDIT_URL=url).returncode

    assert codes("notes", token()) == (0, 0)
    assert codes("notes", token("--rights", "read")) == (4, 0)
    assert codes("other", token()) == (4, 4)
    assert codes("notes", "") == (4, 4)
    assert codes("notes", token("--days", "-1")) == (4, 4)


def test_replay_prints_what_it_found(system: System) -> None:
    done = run(
        *("replay", "tests/traces/sequential.json.gz", "--document", "replayed", "--limit", "50"),
        *("--each", "--snapshot"),
        COEDIT_URL=system.url,
        COEDIT_OBJECT_STORE_URL=system.object_store_url,
    )
    printed = done.stdout.decode()
    assert done.returncode == 0, printed + done.stderr.decode()
    assert "snapshot, as Yjs: the expected text" in printed
    again = run("replay", "tests/traces/sequential.json.gz", "--document", "replayed", COEDIT_URL=system.url)
    assert (again.returncode, b"name a new one" in again.stderr) == (1, True)
