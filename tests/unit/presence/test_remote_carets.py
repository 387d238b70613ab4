from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.commit import Caret, Commit
from coedit.presence.remote_carets import RemoteCarets
from coedit.presence.roster import Presence
from coedit.testing.notation import delta

ME, BOB, EVE = ClientId("me"), ClientId("bob"), ClientId("eve")


def presence(client: ClientId = BOB, at: int | None = 3, revision: int = 5, name: str = "") -> Presence:
    caret = None if at is None else Caret(at, at)
    return Presence(client, AuthorId("a"), name, "", Revision(revision), caret)


def commit(revision: int, change: str, by: ClientId = EVE, caret: int | None = None) -> Commit:
    rides = None if caret is None else Caret(caret, caret)
    return Commit(
        Revision(revision), delta(change), AuthorId("a"), by, ClientSequence(1), at=0, epoch=1, caret=rides
    )


def at(carets: RemoteCarets, client: ClientId = BOB, *unacked: str) -> int | None:
    (found,) = [one for one in carets.shown(map(delta, unacked)) if one.client_id == client]
    return None if found.caret is None else found.caret.head


def opened(revision: int = 5) -> RemoteCarets:
    return RemoteCarets(ME, Revision(revision))


def test_caret_of_the_present_revision_is_shown_as_it_is() -> None:
    carets = opened()
    carets.changed([presence(at=3)], [])
    assert at(carets) == 3


def test_caret_is_carried_through_later_commits() -> None:
    carets = opened()
    carets.changed([presence(at=3)], [])
    carets.committed(commit(6, "+xx"))
    carets.committed(commit(7, "=1 -1"))
    assert at(carets) == 4


def test_caret_is_held_until_its_revision_is_there() -> None:
    carets = opened()
    carets.changed([presence(at=1, revision=5)], [])
    carets.changed([presence(at=9, revision=7, name="Bob")], [])
    assert at(carets) == 1
    carets.committed(commit(6, "+x"))
    assert at(carets) == 2
    carets.committed(commit(7, "+x"))
    assert at(carets) == 9
    carets.committed(commit(8, "+x"))
    assert at(carets) == 10


def test_person_whose_caret_is_held_is_shown_without_one() -> None:
    carets = opened()
    carets.changed([presence(at=9, revision=7, name="Bob")], [])
    assert [one.name for one in carets.shown()] == ["Bob"]
    assert at(carets) is None


def test_late_caret_is_carried_through_the_commits_it_missed() -> None:
    carets = opened()
    carets.committed(commit(6, "+x"))
    carets.committed(commit(7, "+yy"))
    carets.changed([presence(at=3, revision=6)], [])
    assert at(carets) == 5


def test_caret_older_than_any_commit_kept_is_not_guessed() -> None:
    carets = opened()
    carets.changed([presence(at=3, revision=4)], [])
    assert at(carets) is None


def test_caret_is_shown_over_ones_own_unacked_deltas() -> None:
    carets = opened()
    carets.changed([presence(at=3)], [])
    assert at(carets, BOB, "+abc", "=1 -1") == 5
    assert at(carets) == 3


def test_own_commit_moves_the_others_carets_once() -> None:
    carets = opened()
    carets.changed([presence(at=3)], [])
    assert at(carets, BOB, "+abc") == 6
    carets.committed(commit(6, "+abc", by=ME))
    assert at(carets) == 6


def test_caret_riding_in_a_commit_is_its_authors() -> None:
    carets = opened()
    carets.changed([presence(at=3), presence(EVE, at=0)], [])
    carets.committed(commit(6, "=3 +abc", by=BOB, caret=6))
    assert (at(carets), at(carets, EVE)) == (6, 0)


def test_caret_that_rode_in_a_commit_beats_an_older_presence_but_not_its_name() -> None:
    carets = opened()
    carets.changed([presence(at=3)], [])
    carets.committed(commit(6, "=3 +abc", by=BOB, caret=6))
    carets.changed([presence(at=1, revision=5, name="Bobby")], [])
    assert at(carets) == 6
    assert [one.name for one in carets.shown()] == ["Bobby"]
    carets.changed([presence(at=2, revision=6)], [])
    assert at(carets) == 2


def test_commit_of_somebody_who_is_not_here_adds_nobody() -> None:
    carets = opened()
    carets.committed(commit(6, "+x", by=BOB, caret=1))
    assert carets.shown() == []


def test_who_left_is_dropped_even_while_held() -> None:
    carets = opened()
    carets.changed([presence(revision=6)], [])
    carets.changed([], [BOB])
    carets.committed(commit(6, "+x"))
    assert carets.shown() == []


def test_full_roster_replaces_the_others_and_keeps_newer_carets() -> None:
    carets = opened()
    carets.changed([presence(), presence(EVE)], [])
    carets.committed(commit(6, "=3 +abc", by=BOB, caret=6))
    carets.replaced([presence(at=3, revision=5)])
    assert [one.client_id for one in carets.shown()] == [BOB]
    assert at(carets) == 6


def test_oneself_is_not_among_the_others() -> None:
    carets = opened()
    carets.replaced([presence(ME), presence(BOB)])
    assert [one.client_id for one in carets.shown()] == [BOB]


def test_document_loaded_afresh_has_nobody_yet() -> None:
    carets = opened()
    carets.changed([presence()], [])
    carets.reopened(Revision(9))
    assert carets.shown() == []
    carets.changed([presence(at=1, revision=9)], [])
    assert at(carets) == 1
