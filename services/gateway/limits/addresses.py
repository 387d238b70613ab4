"""How many connections one address may have, and how many of them may not have said yet who they are."""

from collections import Counter as Counts

from aiohttp import web

from coedit.errors import LimitedError
from coedit.protocol.limits.peer_address import place_of, read_networks
from coedit.runtime.settings import SettingsError
from services.gateway.limits.told import limited
from services.gateway.settings import GatewaySettings

_AGAIN_SECONDS = 5


class Visit:
    """One connection, as its address's places are concerned."""

    __slots__ = ("_addresses", "_is_known", "address")

    def __init__(self, addresses: "Addresses", address: str) -> None:
        self.address = address
        self._addresses = addresses
        self._is_known = False

    def is_known(self) -> None:
        """Its client has said who it is."""
        if not self._is_known:
            self._is_known = True
            self._addresses.strangers[self.address] -= 1

    def ended(self) -> None:
        """It takes no place any more; called once."""
        self.is_known()
        self._addresses.leave(self.address)


class Addresses:
    """Counts the connections of this gateway by where they come from.

    Raises:
        SettingsError: the trusted proxies are no addresses or networks.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        try:
            self._proxies = read_networks(settings.gateway_trusted_proxies)
        except ValueError as error:
            raise SettingsError(f"COEDIT_GATEWAY_TRUSTED_PROXIES: {error}") from error
        self._most = settings.gateway_address_connections
        self._most_strangers = settings.gateway_address_strangers
        self._connections: Counts[str] = Counts()
        self.strangers: Counts[str] = Counts()
        """Those of them that have not said who they are."""

    def of(self, request: web.Request) -> str:
        """Return from where a request comes."""
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        name = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._proxies:
            return place_of(name, (), ())
        return place_of(name, request.headers.getall("X-Forwarded-For", ()), self._proxies)

    def enter(self, address: str) -> Visit:
        """Give a connection its place.

        Raises:
            LimitedError: the address has as many as it may.
        """
        if self._connections[address] >= self._most:
            limited("address-connections", address=address)
            raise LimitedError(f"more than {self._most} connections from one address", _AGAIN_SECONDS)
        if self.strangers[address] >= self._most_strangers:
            limited("strangers", address=address)
            raise LimitedError(
                f"more than {self._most_strangers} connections from one address that have not said who they are",
                _AGAIN_SECONDS,
            )
        self._connections[address] += 1
        self.strangers[address] += 1
        return Visit(self, address)

    def leave(self, address: str) -> None:
        """Take a place back."""
        self._connections[address] -= 1
        if not self._connections[address]:
            del self._connections[address], self.strangers[address]
