"""What a list of changes shows of a history."""

from dataclasses import replace

from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.commit import Commit
from coedit.ot.past.changes import Change, group_changes
from coedit.testing.notation import delta


def commit(revision: int, author: str, at: int, edit: str = "+a") -> Commit:
    number = ClientSequence(revision)
    return Commit(Revision(revision), delta(edit), AuthorId(author), ClientId(author), number, at, 1)


def ends(changes: list[Change]) -> list[tuple[int, int]]:
    return [(change.first, change.last) for change in changes]


def test_run_of_one_author_within_the_gap_is_one_change() -> None:
    commits = [commit(1, "ada", 0), commit(2, "ada", 10), commit(3, "ada", 21), commit(4, "bob", 21)]
    assert ends(group_changes(commits, 10)) == [(1, 2), (3, 3), (4, 4)]


def test_change_says_who_when_and_how_much() -> None:
    commits = [commit(5, "ada", 100, "+😀b +[image]"), commit(6, "ada", 120, "=1|bold -2 +x")]
    (change,) = group_changes(commits, 60)
    assert (change.author, change.began_at, change.ended_at) == ("ada", 100, 120)
    assert (change.inserted, change.deleted, change.formatted) == (5, 2, 1)


def test_other_author_in_between_ends_the_change() -> None:
    commits = [commit(1, "ada", 0), commit(2, "bob", 0), commit(3, "ada", 0)]
    assert ends(group_changes(commits, 1000)) == [(1, 1), (2, 2), (3, 3)]


def test_no_commits_are_no_changes() -> None:
    assert group_changes([], 10) == []


def test_what_programs_say_of_edits_tells_changes_apart_and_is_told() -> None:
    said = (("model", "m-1"),)
    commits = [
        replace(commit(revision, "bot", revision), metadata=said if revision in (2, 3) else ())
        for revision in range(1, 5)
    ]
    changes = group_changes(commits, 10)
    assert ends(changes) == [(1, 1), (2, 3), (4, 4)]
    assert [change.told().get("metadata") for change in changes] == [None, {"model": "m-1"}, None]
    assert "metadata" not in changes[0].told()
