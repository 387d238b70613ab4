from coedit.identifiers import DocumentId
from coedit.store.documents.pauses import Pauses

NAME = DocumentId("notes")


def test_pause_doubles_up_to_ten_minutes() -> None:
    quarantine = Pauses()
    assert [quarantine.failed(NAME, 0) for _ in range(11)] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_document_is_left_alone_until_its_pause_is_over() -> None:
    quarantine = Pauses()
    quarantine.failed(NAME, 1000)
    assert quarantine.holds(NAME, 2999)
    assert not quarantine.holds(NAME, 3000)
    assert not quarantine.holds(DocumentId("other"), 1000)


def test_success_is_a_clean_slate() -> None:
    quarantine = Pauses()
    quarantine.failed(NAME, 0)
    quarantine.succeeded(NAME)
    assert not quarantine.holds(NAME, 0)
    assert quarantine.failed(NAME, 0) == 2


def test_oldest_are_forgotten_above_the_bound() -> None:
    quarantine = Pauses()
    for number in range(10_001):
        quarantine.failed(DocumentId(str(number)), 0)
    assert not quarantine.holds(DocumentId("0"), 1)
    assert quarantine.holds(DocumentId("1"), 1)
