"""What bindings say of people, and what is made of it."""

import pytest

from coedit.protocol.yjs.person import Person, RelativePosition, read_person, write_person
from coedit.protocol.yjs.update import Id

ANN = (
    '{"user":{"name":"Ann","color":"#30bced","colorLight":"#30bced33"},"cursor":{"anchor":{"type":null,"tname":"content",'
    '"item":{"client":7,"clock":1},"assoc":0},"head":{"type":null,"tname":"content","item":null,"assoc":-1}}}'
)


def test_what_y_codemirror_says_is_read() -> None:
    cursor = (RelativePosition(Id(7, 1)), RelativePosition(None, is_behind=True))
    assert read_person(ANN, "content") == Person("Ann", "#30bced", cursor)


def test_end_of_another_text_is_no_place_in_this_one() -> None:
    assert read_person(ANN, "notes").cursor is None


@pytest.mark.parametrize(
    "state",
    [
        "1", "null", "[]", "{}", '{"user":1}',
        '{"user":{"name":1,"color":"red"}}', '{"cursor":null}', '{"cursor":{"anchor":1}}',
        '{"cursor":{"anchor":{"item":{"client":-1,"clock":1}},"head":{"item":{"client":1,"clock":1.5}}}}',
    ],
)  # fmt: skip
def test_what_says_nothing_of_anybody_is_nobody_in_particular(state: str) -> None:
    assert read_person(state, "content") == Person("", "", None)


def test_long_name_is_cut() -> None:
    assert read_person('{"user":{"name":"' + "é" * 100 + '"}}', "content").name == "é" * 64


def test_what_is_written_is_read() -> None:
    state = write_person("Ben", "#000000", (Id(7, 1), None), "content")
    cursor = (RelativePosition(Id(7, 1)), RelativePosition(None))
    assert read_person(state, "content") == Person("Ben", "#000000", cursor)
    assert read_person(write_person("Ben", "", None, "content"), "content").colour
