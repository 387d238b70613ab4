import pytest

from coedit.errors import InvalidIdentifierError
from coedit.identifiers import author_id, client_id, document_id, document_id_from_url, escape


@pytest.mark.parametrize("name", ["notes", "room a/b?x", "é%2F", "..", "😀", "x" * 255, "a#b&c=d", "日本語"])
def test_document_id_round_trips_through_a_url(name: str) -> None:
    assert document_id_from_url(escape(document_id(name))) == name


@pytest.mark.parametrize("name", ["..", "a/b", "a.b"])
def test_escaped_name_is_one_harmless_path_segment(name: str) -> None:
    assert not set("/.") & set(escape(name))


@pytest.mark.parametrize("name", ["", "x" * 256, "é" * 128, "a\nb", "\x00", "a\x7f", "\x85", "\ud83d"])
def test_string_outside_the_rule_is_no_document_id(name: str) -> None:
    with pytest.raises(InvalidIdentifierError):
        document_id(name)


@pytest.mark.parametrize("escaped", ["%", "%2", "%zz", "%ff", "%C3", "a%00"])
def test_broken_url_is_no_document_id(escaped: str) -> None:
    with pytest.raises(InvalidIdentifierError):
        document_id_from_url(escaped)


def test_client_ids_keep_to_their_alphabet() -> None:
    assert client_id("aZ0_-") == "aZ0_-"
    for bad in ("", "a b", "a:b", "x" * 65, "a\n"):
        with pytest.raises(InvalidIdentifierError):
            client_id(bad)


def test_author_id_is_any_printable_name() -> None:
    assert author_id("Ada Lovelace") == "Ada Lovelace"
    with pytest.raises(InvalidIdentifierError):
        author_id("")
