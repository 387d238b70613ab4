"""Sockets that lead to public addresses alone: whoever may say where to, cannot have us ask our own network."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

_UNICAST = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind a translator (RFC 6052): networks that have IPv6 alone reach all of IPv4 so."""
_TUNNELS = (IPv6Network("2001::/23"), IPv6Network("2002::/16"))
"""What is special, and what leads to IPv4 addresses by ways of its own (6to4, Teredo)."""

_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
"""What Python's own list takes for public, or for public in part."""


class NotPublicError(OSError):
    """An address that is not public."""


def is_public(address: str) -> bool:
    """Return whether anybody in the world would get to the same host by this address."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found in _TRANSLATED:
            found = IPv4Address(int(found) & 0xFFFFFFFF)
        elif found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found not in _UNICAST or any(found in tunnel for tunnel in _TUNNELS):
            return False
    is_special = isinstance(found, IPv4Address) and any(found in network for network in _SPECIAL)
    return found.is_global and not found.is_multicast and not is_special


def public_socket(found: Any) -> socket.socket:
    """Return a socket for an address as the resolver found it: aiohttp connects it to that, and asks nobody again.

    Raises:
        NotPublicError: it is not public.
    """
    family, kind, protocol, _, address = found
    if not is_public(address[0]):
        raise NotPublicError("the address is not public")
    return socket.socket(family, kind, protocol)
