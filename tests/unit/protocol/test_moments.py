"""The words that name a moment."""

import pytest

from coedit.errors import InvalidIdentifierError, InvalidRequestError
from coedit.protocol.moments import AtRevision, AtTime, AtVersion, Head, Moment, read_moment, read_time


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("head", Head()),
        ("0", AtRevision(0)),  # type: ignore[arg-type]
        ("17", AtRevision(17)),  # type: ignore[arg-type]
        ("@1763900000000", AtTime(1_763_900_000_000)),
        ("@1970-01-01T00:00:01.5Z", AtTime(1500)),
        ("@1970-01-01T02:00+02:00", AtTime(0)),
        ("version:a: b", AtVersion("a: b")),  # type: ignore[arg-type]
    ],
)
def test_moment_is_read(text: str, moment: Moment) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "١", "9" * 16, "9" * 400, "@", "@yesterday", "@2026-01-01", "x:y"]
)
def test_what_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_moment(text)


def test_version_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidIdentifierError):
        read_moment("version:")


def test_time_needs_a_zone() -> None:
    with pytest.raises(InvalidRequestError, match="zone"):
        read_time("2026-11-25T09:30")
