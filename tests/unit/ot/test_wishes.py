import random

import pytest

from coedit.errors import LoneSurrogateError, NoMatchError
from coedit.ot import Delta
from coedit.ot.apply import apply
from coedit.ot.wishes import appended, made, replaced

_BOLD = {"bold": True}
NOTE = Delta().insert("one 😀 ").insert("two", _BOLD).insert({"image": "x"}).insert(" two three")


def test_what_stands_once_is_replaced_where_it_stands() -> None:
    delta = replaced(NOTE, "three", "3")
    assert apply(NOTE, delta).text == "one 😀 two\ufffc two 3"
    assert delta == Delta().retain(7 + 3 + 1 + 5).insert("3").delete(5)
    assert apply(NOTE, replaced(NOTE, "😀", "🎈🎈")).text == "one 🎈🎈 two\ufffc two three"
    assert apply(NOTE, replaced(NOTE, "one ", "")).text == "😀 two\ufffc two three"


def test_what_stands_often_is_replaced_everywhere_or_nowhere() -> None:
    with pytest.raises(NoMatchError, match="2 times"):
        replaced(NOTE, "two", "2")
    assert apply(NOTE, replaced(NOTE, "two", "2", is_everywhere=True)).text == "one 😀 2\ufffc 2 three"
    overlapping = Delta().insert("aaaaa")
    assert apply(overlapping, replaced(overlapping, "aa", "b", is_everywhere=True)).text == "bba"


def test_what_does_not_stand_there_is_told() -> None:
    for old in ("four", "ONE", ""):
        with pytest.raises(NoMatchError):
            replaced(NOTE, old, "x")


def test_text_is_put_at_the_end() -> None:
    assert apply(NOTE, appended(NOTE, "!")).text == NOTE.text + "!"
    assert apply(Delta(), appended(Delta(), "!")).text == "!"
    assert appended(NOTE, "").ops == ()


def test_text_is_made_of_a_document_and_what_stays_keeps_its_format() -> None:
    after = apply(NOTE, made(NOTE, "one 😀 two\ufffc and three"))
    assert after == Delta().insert("one 😀 ").insert("two", _BOLD).insert({"image": "x"}).insert(" and three")
    assert made(NOTE, NOTE.text).ops == ()
    assert apply(NOTE, made(NOTE, "")) == Delta()


def test_half_a_character_is_refused() -> None:
    with pytest.raises(LoneSurrogateError):
        replaced(NOTE, "one", "\ud83d")
    with pytest.raises(LoneSurrogateError):
        appended(NOTE, "\ud83d")


def test_any_text_becomes_any_other(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        before, after = (
            "".join(chance.choice("ab 😀é\n") for _ in range(chance.randrange(20))) for _ in range(2)
        )
        document = Delta().insert(before) if before else Delta()
        assert apply(document, made(document, after)).text == after
