import pytest

from coedit.errors import ProtocolError
from coedit.identifiers import ClientId, ClientSequence, Revision
from coedit.protocol.events import (
    Committed,
    Event,
    HeadAt,
    PresenceChanged,
    Rejected,
    Repeated,
    SnapshotStored,
    decode_events,
    encode_events,
)


def test_events_round_trip_in_order() -> None:
    events: list[Event] = [
        Committed((b"one", b"two")),
        Rejected(
            ClientId("c"), ClientSequence(1), "length-mismatch", "too long", definite=True, retryable=False
        ),
        Repeated(ClientId("c"), ClientSequence(1), Revision(4)),
        HeadAt(1, Revision(5), "mac"),
        SnapshotStored(Revision(5)),
        PresenceChanged(({"client_id": "c", "caret": {"anchor": 1, "head": 1}},), (ClientId("d"),)),
    ]
    assert decode_events(encode_events(events)) == events


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\x01", b"\x91\x91\xa4what", b"\x91\x91\xa4head"])
def test_message_of_another_kind_is_refused(packed: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_events(packed)
