"""What clients give back is put in order again along the MAC chain, and nothing else is taken."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from coedit.errors import ForgedOfferError, UnknownKeyError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Caret, Commit
from coedit.protocol.giving_back.donations import Donations, check_offer
from coedit.protocol.giving_back.kept_commits import MAX_KEPT_COMMITS, MAX_OFFER_COMMITS, KeptCommits
from coedit.protocol.log_entry import ChainKey, commit_fields
from coedit.protocol.messages import Offer, parse_client_message, type_of

_KEY = ChainKey.derive(b"a secret of sixteen bytes")
_DOCUMENT = DocumentId("notes")


def _history(count: int, *, key: ChainKey = _KEY, text: str = "x") -> list[Commit]:
    commits: list[Commit] = []
    for number in range(1, count + 1):
        commit = Commit(
            Revision(number),
            Delta().insert(f"{text}{number}"),
            AuthorId("ada"),
            ClientId("c"),
            ClientSequence(number),
            at=number,
            epoch=1,
            caret=Caret(1, 2) if number % 2 else None,
        )
        commits.append(key.seal(_DOCUMENT, commit, commits[-1].mac if commits else ""))
    return commits


def test_donations_in_any_order_continue_the_history() -> None:
    history = _history(9)
    donations = Donations(_DOCUMENT)
    donations.add(history[6:], history[5].mac)
    donations.add(history[2:4], history[1].mac)
    donations.add(history[3:7], history[2].mac)
    assert donations.after(Revision(2), history[1].mac, 1) == history[2:]
    assert donations.after(Revision(0), "", 1) == []
    donations.add(history[:2], "")
    assert donations.after(Revision(0), "", 1) == history
    assert donations.after(Revision(4), "another history", 1) == []


def test_history_that_was_written_after_a_loss_counts_more_than_the_lost_one() -> None:
    old, new = _history(4), _history(2, text="y")
    new = [replace(commit, at=commit.at + 100) for commit in new]
    donations = Donations(_DOCUMENT)
    donations.add(old, "")
    donations.add(new, "")
    assert donations.after(Revision(0), "", 1) == new
    assert len(donations.chains()) == 2  # both are known, be it to report the lost one


def test_commits_of_an_epoch_that_has_ended_continue_nothing() -> None:
    history = _history(4)
    later = _KEY.seal(_DOCUMENT, replace(history[2], epoch=2), history[1].mac)
    donations = Donations(_DOCUMENT)
    donations.add(history, "")
    assert donations.after(Revision(2), history[1].mac, 2) == []
    donations.add([later], history[1].mac)
    assert donations.after(Revision(2), history[1].mac, 2) == [later]


def test_chains_are_what_was_given_from_the_oldest_on() -> None:
    history = _history(6)
    fork = _KEY.seal(_DOCUMENT, replace(history[3], at=99), history[2].mac)
    donations = Donations(_DOCUMENT)
    donations.add(history[4:], history[3].mac)
    donations.add(history[1:3], history[0].mac)
    donations.add([fork], history[2].mac)
    chains = {tuple(commit.mac for commit in chain.commits): chain for chain in donations.chains()}
    assert chains.keys() == {
        (history[1].mac, history[2].mac, fork.mac),
        (history[4].mac, history[5].mac),
    }
    with_fork = chains[history[1].mac, history[2].mac, fork.mac]
    assert list(with_fork.macs()) == [
        (1, history[0].mac),
        (2, history[1].mac),
        (3, history[2].mac),
        (4, fork.mac),
    ]


@pytest.mark.parametrize(
    "alter",
    [
        lambda commit: replace(commit, delta=Delta().insert("evil")),
        lambda commit: replace(commit, author=AuthorId("eve")),
        lambda commit: replace(commit, at=commit.at + 1),
        lambda commit: replace(commit, epoch=2),
        lambda commit: replace(commit, client_sequence=ClientSequence(7)),
        lambda commit: replace(commit, caret=Caret(9, 9)),
        lambda commit: replace(commit, mac="00" * 16),
    ],
)
def test_altered_commit_is_refused(alter: Callable[[Commit], Commit]) -> None:
    history = _history(3)
    check_offer(_KEY, _DOCUMENT, history, "")
    history[1] = alter(history[1])
    with pytest.raises(ForgedOfferError):
        check_offer(_KEY, _DOCUMENT, history, "")


def test_commits_that_do_not_follow_one_another_are_refused() -> None:
    history = _history(3)
    for offered, before in ((history, "00"), (history[::2], ""), ([*history, history[-1]], "")):
        with pytest.raises(ForgedOfferError):
            check_offer(_KEY, _DOCUMENT, offered, before)


def test_secret_that_was_changed_still_vouches_for_what_it_sealed() -> None:
    history = _history(3)
    rotated = ChainKey.derive(b"the next secret of the deployment", [b"a secret of sixteen bytes"])
    check_offer(rotated, _DOCUMENT, history, "")
    later = rotated.seal(_DOCUMENT, replace(history[-1], revision=Revision(4)), history[-1].mac)
    check_offer(rotated, _DOCUMENT, [*history, later], "")
    with pytest.raises(UnknownKeyError):
        check_offer(ChainKey.derive(b"the next secret of the deployment"), _DOCUMENT, history, "")


def test_kept_commits_are_offered_above_what_the_server_has() -> None:
    kept, history = KeptCommits(), _history(1200)
    kept.begin("")
    for commit in history:
        kept.add(commit_fields(commit), commit.delta.weight)
    kept.stored_up_to(Revision(10))
    offers = kept.above(12)
    assert [len(offer.commits) for offer in offers] == [500, 500, 188]
    assert offers[0].before == history[11].mac
    for offer in offers:
        fields = {"type": "offer", "document": _DOCUMENT, "before": offer.before}
        offered = fields | {"commits": [dict(commit) for commit in offer.commits]}
        message = parse_client_message(type_of(offered), offered)
        assert isinstance(message, Offer)
        check_offer(_KEY, _DOCUMENT, [commit.commit() for commit in message.commits], message.before)
    assert kept.above(1200) == []
    assert kept.above(3)[0].before == history[9].mac


def test_kept_commits_are_bounded() -> None:
    kept = KeptCommits()
    for commit in _history(MAX_KEPT_COMMITS + 3):
        kept.add(commit_fields(commit), commit.delta.weight)
    assert len(kept) == MAX_KEPT_COMMITS
    assert len(kept.above(0)[0].commits) == MAX_OFFER_COMMITS
