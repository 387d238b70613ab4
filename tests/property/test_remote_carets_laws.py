"""However early or late a caret is told, it ends where it would have been, had it been told at once."""

from hypothesis import given
from hypothesis import strategies as st

from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot.apply import apply
from coedit.ot.commit import Caret, Commit
from coedit.ot.delta import Delta
from coedit.presence.remote_carets import RemoteCarets
from coedit.presence.roster import Presence
from coedit.testing.strategies import deltas, documents
from tests.laws import costly_law

BOB = ClientId("bob")


@costly_law
@given(st.data(), documents(), st.integers(0, 6), st.integers(0, 6))
def test_time_of_telling_makes_no_difference(
    data: st.DataObject, document: Delta, stated: int, told: int
) -> None:
    carets = RemoteCarets(ClientId("me"), Revision(0))
    expected = None
    for revision in range(8):
        if revision == stated:
            ends = st.integers(0, document.length)
            expected = Caret(data.draw(ends), data.draw(ends))
            tellable = Presence(BOB, AuthorId("bob"), "", "", Revision(revision), expected)
        # Told early means before the receiver has the revision; it is still stated at `stated`.
        if revision == max(stated, told):
            carets.changed([tellable], [])
        change = data.draw(deltas(document))
        document = apply(document, change)
        expected = expected and expected.over(change)
        carets.committed(_commit(revision + 1, change))
    pending = data.draw(deltas(document))
    (shown,) = carets.shown([pending])
    assert expected is not None
    assert shown.caret == expected.over(pending)
    assert 0 <= shown.caret.head <= apply(document, pending).length


@costly_law
@given(st.data(), documents(), st.integers(1, 5))
def test_caret_told_early_waits_for_its_revision(data: st.DataObject, document: Delta, stated: int) -> None:
    carets = RemoteCarets(ClientId("me"), Revision(0))
    ahead: list[Delta] = []
    for _ in range(stated):
        ahead.append(data.draw(deltas(document)))
        document = apply(document, ahead[-1])
    ends = st.integers(0, document.length)
    caret = Caret(data.draw(ends), data.draw(ends))
    carets.changed([Presence(BOB, AuthorId("bob"), "", "", Revision(stated), caret)], [])
    for revision, change in enumerate(ahead, 1):
        assert [one.caret for one in carets.shown()] == [None]
        carets.committed(_commit(revision, change))
    assert [one.caret for one in carets.shown()] == [caret]


def _commit(revision: int, change: Delta) -> Commit:
    return Commit(
        Revision(revision), change, AuthorId("eve"), ClientId("eve"), ClientSequence(revision), at=0, epoch=1
    )
