"""What a log may hold of what came from outside."""

import json
import logging

import pytest

from coedit.errors import UnauthorizedError
from coedit.runtime.logs import JsonFormatter
from coedit.runtime.said import MOST_CHARACTERS, PerSecond, bounded, named

MARK = "eyJhbGciOiJIUzI1NiJ9.marked-token"


def _line(formatter: JsonFormatter, error: BaseException | None = None, **facts: object) -> dict[str, str]:
    record = logging.LogRecord("services.gateway", 30, "", 0, "a sentence", (), None)
    vars(record).update(facts)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    line: dict[str, str] = json.loads(formatter.format(record))
    return line


@pytest.mark.parametrize(
    "text",
    [
        MARK,
        f"GET /yjs/x?token={MARK} y",
        "GET /yjs/x?a=b&token=secret-words&c",
        "Authorization: Bearer secret-words",
    ],
)
def test_what_looks_like_a_token_is_left_out(text: str) -> None:
    line = _line(JsonFormatter("gateway"), error_text=text, nested={"of": [text]})
    assert "secret-words" not in str(line)
    assert "marked-token" not in str(line)


def test_sentences_about_tokens_stay() -> None:
    sentence = "the token is not valid: Signature has expired"
    assert bounded(sentence) == sentence


def test_long_facts_are_cut_and_say_how_long_they_were() -> None:
    line = _line(JsonFormatter("gateway"), fact="x" * 1_000_000, listed=["y" * 1_000_000])
    assert len(json.dumps(line)) < 4 * MOST_CHARACTERS
    assert "1000000 characters" in line["fact"]


def test_error_that_quotes_what_it_could_not_read_is_named_alone() -> None:
    with pytest.raises(UnicodeEncodeError) as broken:
        "secret\udcff".encode()
    assert named(broken.value) == "UnicodeEncodeError"
    assert named(ValueError("secret")) == "ValueError"
    assert named(UnauthorizedError("a token is needed")) == "UnauthorizedError: a token is needed"


def test_tracebacks_name_places_and_causes_and_quote_nothing() -> None:
    try:
        try:
            raise KeyError("secret")
        except KeyError as error:
            raise ValueError("secret") from error
    except ValueError as error:
        line = _line(JsonFormatter("gateway"), error)
    assert "secret" not in line["exception"]
    assert "KeyError" in line["exception"]
    assert "test_said.py" in line["exception"]


def test_tracebacks_are_a_few_a_second() -> None:
    now = 100.0
    formatter = JsonFormatter("gateway", lambda: now)

    def traced() -> int:
        count = 0
        for _ in range(100):
            try:
                raise ValueError
            except ValueError as error:
                count += "test_said.py" in _line(formatter, error)["exception"]
        return count

    assert traced() == 5
    now = 101.0
    assert traced() == 5


def test_what_did_not_pass_is_counted() -> None:
    now = 0.0
    lines = PerSecond(2, lambda: now)
    assert [lines.passes() for _ in range(5)] == [True, True, False, False, False]
    assert (lines.take_left_out(), lines.take_left_out()) == (3, 0)
    now = 1.0
    assert lines.passes()
