import pytest

from coedit.errors import InvalidUpdateError
from coedit.protocol.yjs.person import vouched


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("{}", '{"user":{"name":"Ada"}}'),
        ('{"user":{"name":"eve","colorLight":"#fff"}}', '{"user":{"name":"Ada","colorLight":"#fff"}}'),
        ('{"user":7,"cursor":null}', '{"user":{"name":"Ada"},"cursor":null}'),
        ('{"name":"eve","focusing":true}', '{"name":"Ada","focusing":true,"user":{"name":"Ada"}}'),
        ("null", "null"),
        ("[1]", "[1]"),
    ],
)
def test_somebody_is_shown_as_is_known(state: str, shown: str) -> None:
    assert vouched(state, "Ada", "", "") == shown


def test_what_cannot_be_written_is_refused() -> None:
    for state in ('{"deep":' + "[" * 400 + "]" * 400 + "}", "{", '{"huge":1' + "0" * 400 + "}"):
        with pytest.raises(InvalidUpdateError):
            vouched(state, "Ada", "", "")
