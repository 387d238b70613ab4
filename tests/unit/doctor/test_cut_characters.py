"""Documents in which an earlier version let a client cut a character: found, and put right for who holds them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from pycrdt import Doc, Text

from coedit.crdt.document import YjsDocument
from coedit.crdt.whole_characters import WholeCharacters
from coedit.doctor.diagnosis import Diagnosis, Stored, diagnose
from coedit.doctor.plan import make_plan
from coedit.doctor.yjs_view import remade
from coedit.errors import DamagedError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, DocumentId, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.ot.parts.ops import Insert
from coedit.protocol.log_entry import ChainKey, with_update
from coedit.protocol.yjs.cut_history import as_yjs_has_them
from coedit.protocol.yjs.update import decode_update
from coedit.store.documents.log import Position
from tests.unit.crdt.test_whole_characters import CUTS, SERVER, SWIRL, between, gone, typed

NAME = DocumentId("notes")
KEY = ChainKey.derive(b"a secret for tests only")
WRONG_FOR_YJS = {
    "an insert", "an embed", "the first half deleted", "the second half deleted", "a half replaced",
    "up to the first half deleted", "from the second half on deleted", "an end of a format",
}  # fmt: skip


def as_earlier_versions_took(*updates: bytes) -> list[tuple[Delta, bytes]]:
    """Return what an earlier version committed of updates: what yrs made of them."""
    document = YjsDocument(NAME, client_id=SERVER)
    taken = [document.take(update) for update in updates]
    return [(step.delta, step.update) for step in taken if step is not None]


def stored(commits: Sequence[tuple[Delta, bytes]]) -> Stored:
    """Return a document of these commits alone, all in the log."""
    entries, mac = [], ""
    for revision, (delta, update) in enumerate(commits, 1):
        commit = Commit(
            revision=Revision(revision),
            delta=delta,
            author=AuthorId("ada"),
            client_id=ClientId("c"),
            client_sequence=ClientSequence(revision),
            at=revision,
            epoch=1,
            bridge="text content" if revision == 1 else "",
        )
        sealed, entry = KEY.seal_entry(NAME, with_update(commit, update), mac)
        mac = sealed.mac
        entries.append((f"{revision}-0", entry))
    position = Position(1, Revision(len(entries)), mac, Revision(0), Revision(0), 0, "an incarnation")
    return Stored(NAME, position, (b"",) * 8, entries, {}, {}, None, is_changed=True, is_owned=True)


def repaired(diagnosis: Diagnosis) -> Stored:
    """Return the document as a repair leaves it."""
    plan = make_plan(diagnosis)
    assert plan.makes_snapshot
    assert not plan.begins_epoch
    assert plan.after.epoch == diagnosis.reached.epoch + 1, "no cached document may go on"
    snapshot = remade(diagnosis.sound, 0).finish(plan.after.epoch)
    return replace(diagnosis.stored, snapshots={1: snapshot}, position=replace(plan.after, number=1))


@pytest.mark.parametrize("kind", sorted(WRONG_FOR_YJS))
def test_a_cut_character_is_found_and_put_right(kind: str) -> None:
    try:
        commits = as_earlier_versions_took(typed(SWIRL), CUTS[kind][0])
    except DamagedError:
        pytest.skip("an earlier version did not take it either")
    before = diagnose(stored(commits), KEY)
    assert [finding.where for finding in before.findings if not finding.is_settled] != []
    assert before.needs_items
    after = diagnose(repaired(before), KEY)
    assert after.is_healthy
    assert after.reached.content == before.reached.content
    client: Doc[Text] = Doc()
    for update in as_yjs_has_them([update for _, update in commits]):
        client.apply_update(update)
    client.apply_update(next(iter(after.sound.snapshots.values())).update)
    text = client.get("content", type=Text)
    assert Delta(Insert(part, attributes) for part, attributes in text.diff()) == after.reached.content


def test_what_is_committed_now_is_healthy() -> None:
    document = YjsDocument(NAME, client_id=SERVER)
    whole = WholeCharacters(document, SERVER + 1)
    updates = (typed(SWIRL), between(1, 2, b"\4\1A"), gone(0, 1))
    steps = [step.taken for update in updates for step in whole.take(update, decode_update(update))]
    assert diagnose(stored([(step.delta, step.update) for step in steps]), KEY).is_healthy
