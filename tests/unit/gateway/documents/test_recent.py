import msgpack
import pytest

from coedit.errors import DamagedError
from services.gateway.documents.recent import Logged, RecentCommits, page_of


def _logged(first: int, count: int, size_bytes: int = 10) -> list[Logged]:
    return [
        Logged({"revision": revision, "mac": str(revision)}, size_bytes)
        for revision in range(first, first + count)
    ]


def test_newest_are_returned_oldest_first() -> None:
    recent = RecentCommits()
    recent.extend(_logged(1, 5))
    assert [commit.revision for commit in recent.newest(2) or ()] == [4, 5]
    assert recent.newest(0) == []
    assert recent.newest(6) is None


def test_commits_are_bounded_in_count_and_in_bytes() -> None:
    recent = RecentCommits()
    recent.extend(_logged(1, 5000))
    assert recent.newest(1024) is not None
    assert recent.newest(1025) is None
    recent.extend(_logged(5001, 3, 400_000))
    assert recent.newest(2) is not None
    assert recent.newest(3) is None


def test_commits_below_are_kept_where_they_lead_to_those_above() -> None:
    recent = RecentCommits()
    recent.begin("5")
    recent.put_below(_logged(3, 2), "2")  # ends below what is to be led to
    assert recent.above(0) == ("5", [])
    recent.extend(_logged(6, 2))
    recent.put_below(_logged(3, 5), "2")  # two of them are kept already
    before, commits = recent.above(0)
    assert (before, [commit.revision for commit in commits]) == ("2", [3, 4, 5, 6, 7])
    recent.extend(_logged(8, 1021))
    recent.put_below(_logged(1, 4), "")
    before, commits = recent.above(0)
    assert (before, commits[0].revision, len(commits)) == ("4", 5, 1024)


def test_page_is_bounded_in_bytes_and_never_empty() -> None:
    assert len(page_of(_logged(1, 10, 100_000))) == 2
    assert len(page_of(_logged(1, 2, 10_000_000))) == 1
    assert page_of([]) == []


def test_entry_is_read_with_its_size() -> None:
    fields = {"revision": 7, "delta": [], "mac": "ab", "epoch": 1, "client_id": "c"}
    entry = msgpack.packb(fields)
    assert Logged.read(entry) == Logged(fields, len(entry))


@pytest.mark.parametrize("entry", [b"", b"\xc1", msgpack.packb([1]), msgpack.packb({"revision": 7})])
def test_entry_that_is_no_commit_is_damage(entry: bytes) -> None:
    with pytest.raises(DamagedError):
        Logged.read(entry)


def test_what_is_kept_above_a_revision_names_the_mac_below_it() -> None:
    recent = RecentCommits()
    recent.begin("0")
    recent.extend(_logged(1, 5))
    for revision, before in ((0, "0"), (3, "3"), (5, "5")):
        found = recent.above(revision)
        assert (found[0], [commit.revision for commit in found[1]]) == (before, list(range(revision + 1, 6)))
    recent.extend(_logged(6, 2000))
    before, kept = recent.above(1)
    assert kept[0].revision == int(before) + 1 == 982
