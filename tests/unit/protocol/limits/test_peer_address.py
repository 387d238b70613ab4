"""From where a connection comes, behind proxies too."""

from collections.abc import Sequence

import pytest

from coedit.protocol.limits.peer_address import place_of, read_networks

PROXIES = read_networks("10.0.0.0/8, 192.0.2.7 fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "place"),
    [
        ("203.0.113.5", (), "203.0.113.5"),
        ("203.0.113.5", ("198.51.100.1",), "203.0.113.5"),
        ("10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1, 198.51.100.1",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1, 198.51.100.1, 192.0.2.7",), "198.51.100.1"),
        ("10.1.2.3", ("1.1.1.1", "198.51.100.1"), "198.51.100.1"),
        ("10.1.2.3", ("10.9.9.9, 10.8.8.8",), "10.9.9.9"),
        ("10.1.2.3", (), "10.1.2.3"),
        ("10.1.2.3", ("unknown",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1, _hidden",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.1.2.3", ("[2001:db8:1:2:3::4]:4711",), "2001:db8:1:2::/64"),
        ("fd00::1", ("2001:db8:1:2:3::4",), "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        ("::ffff:203.0.113.5", (), "203.0.113.5"),
        ("fe80::1%eth0", (), "fe80::/64"),
        ("", (), ""),
    ],
)
def test_address_is_the_nearest_that_no_trusted_proxy_has(
    peer: str, forwarded_for: Sequence[str], place: str
) -> None:
    assert place_of(peer, forwarded_for, PROXIES) == place


def test_nobody_is_believed_where_nobody_is_trusted() -> None:
    assert place_of("10.1.2.3", ("198.51.100.1",), ()) == "10.1.2.3"


def test_a_customer_of_ipv6_is_one_place_whichever_of_its_addresses_it_takes() -> None:
    places = {place_of(f"2001:db8:1:2:{number:x}::1", (), ()) for number in range(100)}
    assert places == {"2001:db8:1:2::/64"}
    assert place_of("2001:db8:1:3::1", (), ()) not in places


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        read_networks("10.0.0.1/8")
    assert read_networks("") == ()
