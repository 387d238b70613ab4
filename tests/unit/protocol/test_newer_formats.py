"""What a newer version stored is refused by name; it is not taken for damage."""

from collections.abc import Callable

import msgpack
import pytest

from coedit.errors import CoeditError, DamagedError, NewerFormatError
from coedit.identifiers import AuthorId, ClientId, ClientSequence, Revision
from coedit.ot import Delta
from coedit.ot.commit import Commit
from coedit.protocol.history import read_entry
from coedit.protocol.log_entry import encode_commit
from coedit.store.objects.archive import decode_segment, encode_segment
from coedit.store.objects.snapshots import decode_snapshot
from coedit.store.objects.versions import decode_version

_COMMIT = Commit(
    Revision(1), Delta().insert("a"), AuthorId("ada"), ClientId("c1"), ClientSequence(1), at=1, epoch=1
)
_SEGMENT = msgpack.unpackb(encode_segment([encode_commit(_COMMIT)]))
_READERS: dict[str, Callable[[bytes], object]] = {
    "a commit": lambda packed: read_entry(packed, 1),
    "a history segment": decode_segment,
    "a snapshot": decode_snapshot,
    "a version": decode_version,
}


@pytest.mark.parametrize("what", _READERS)
def test_newer_format_is_refused_with_what_to_do(what: str) -> None:
    stored = msgpack.packb({"format": 2, "of": "which nothing is known"})
    with pytest.raises(NewerFormatError, match=f"{what} is stored in format 2.*run the version") as refused:
        _READERS[what](stored)
    assert (refused.value.code, refused.value.retryable) == ("unavailable", True)


@pytest.mark.parametrize("what", _READERS)
@pytest.mark.parametrize("found", [0, -1, "2", True, None, 1.5])
def test_what_is_no_newer_format_is_damage(what: str, found: object) -> None:
    with pytest.raises(CoeditError) as refused:
        _READERS[what](msgpack.packb({"format": found}))
    assert isinstance(refused.value, DamagedError)


def test_what_stands_there_now_is_read() -> None:
    """A commit of the first format does not say so; one that does is one."""
    fields = msgpack.unpackb(encode_commit(_COMMIT))
    assert "format" not in fields
    assert read_entry(msgpack.packb(fields | {"format": 1}), 1) == _COMMIT
    assert decode_segment(msgpack.packb(_SEGMENT)) == [encode_commit(_COMMIT)]
