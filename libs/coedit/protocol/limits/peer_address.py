"""From which address a connection comes, behind proxies too, and what of it counts as one place.

Of IPv6 that is a /64, since a customer has at least one of these, and as many addresses in it as one likes.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_OF_ONE_CUSTOMER = 64


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks, or single addresses, that ``text`` names, separated by commas or spaces.

    Raises:
        ValueError: one is none.
    """
    return tuple(ip_network(name) for name in text.replace(",", " ").split())


def place_of(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the place that counts as one: an IPv4 address, or an IPv6 /64.

    ``peer`` is who holds the connection, and ``forwarded_for`` are the values of ``X-Forwarded-For``, each a list of
    addresses to which the nearest proxy added last. They are believed as far as who said them is one of the
    ``trusted``: the rightmost that is not trusted is where it comes from, or the first if all are.
    """
    came_from = _address(peer)
    if came_from is None:
        return peer
    hops = [hop for value in forwarded_for for hop in value.split(",")] if trusted else []
    while hops and _is_among(came_from, trusted):
        said = _address(hops.pop())
        if said is None:
            break  # nobody can tell what a proxy means by it
        came_from = said
    return _place(came_from)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in ``text``, which some proxies write with a port, and IPv6 then in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_among(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _place(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> _OF_ONE_CUSTOMER << _OF_ONE_CUSTOMER, _OF_ONE_CUSTOMER)))
