"""The gateway's settings."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from coedit.runtime.settings import SharedSettings


class GatewaySettings(SharedSettings):
    """Own settings have the prefix ``COEDIT_GATEWAY_``."""

    gateway_host: str = "127.0.0.1"
    """Where it listens; 0.0.0.0 in a container."""
    gateway_port: int = 8000
    """Clients and the page; ``/healthz`` and ``/readyz`` too, for load balancers."""
    gateway_health_port: int = Field(default=8084, ge=0, le=65535)
    """Health and metrics, on ``COEDIT_HEALTH_HOST``."""
    gateway_open: bool = False
    """Open development mode: no token is asked for. Refused on an address that is not loopback."""
    gateway_origins: str = ""
    """Allowed values of ``Origin``, separated by commas; empty: only the page's own; ``*``: any."""
    token_keys: SecretStr = SecretStr("")
    """Whose tokens are taken beside those that coedit itself makes: ``https://`` addresses of a JWKS, paths of JWKS or
    PEM files (``/…``), and ``secret:…`` (HS256, at least 32 bytes), separated by spaces, or a JSON list. Several are
    for rotation."""
    token_issuers: str = ""
    """What ``iss`` of those tokens may be, separated by commas; empty: it is not looked at."""
    token_audience: str = ""
    """What ``aud`` of those tokens has to name; empty: they may name none."""
    token_keys_seconds: float = Field(default=300.0, ge=1)
    """How often the keys are fetched and read again; one that is not known is looked for at once."""
    permission_url: str = ""
    """Whom to ask what somebody may do with a document, instead of the token; empty: nobody."""
    permission_secret: SecretStr = SecretStr("")
    """What signs that question (``whsec_`` and base64), as Standard Webhooks says; two while one takes over."""
    permission_seconds: float = Field(default=5.0, gt=0)
    """How long the answer may take."""
    permission_kept_seconds: float = Field(default=10.0, ge=0)
    """How long an answer counts without being asked for again, unless it is said that rights have changed."""
    trash_seconds: float = Field(default=30 * 86400.0, ge=0)
    """For how long a document that was deleted can be restored; then it is erased."""
    gateway_page: str = "clients/js/dist"
    """The folder of the built page; empty: serve none."""
    gateway_frame_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest frame that a client may send."""
    gateway_yjs_frame_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """The largest frame that a Yjs client may send: when it connects, it may send a whole document."""
    gateway_half_received_bytes: int = Field(default=96 * 1024 * 1024, ge=1024)
    """How much a gateway holds of frames that have not come whole, of all its clients together; beyond it those are
    closed that hold most, whoever has not said who it is first."""
    gateway_import_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest file that may be imported."""
    gateway_body_seconds: float = Field(default=60.0, gt=0)
    """How long the body of a request may take to come."""
    gateway_convert_seconds: int = Field(default=5, ge=1)
    """How much time of a processor one export or import may take."""
    gateway_convert_bytes: int = Field(default=256 * 1024 * 1024, ge=64 * 1024 * 1024)
    """How much memory one export or import may take, beside the gateway's own; at most a quarter of its container's."""
    gateway_document_units: int = Field(default=16 * 1024 * 1024, ge=1)
    """Told to clients; the transformer enforces its own."""
    gateway_open_documents: int = Field(default=100, ge=1)
    """How many documents one connection may have open."""
    gateway_trusted_proxies: str = ""
    """The addresses and networks of proxies that are believed what they say in ``X-Forwarded-For``, separated by
    commas; empty: nobody is, and a connection comes from whoever holds it."""
    gateway_address_connections: int = Field(default=2_000, ge=1)
    """How many connections one address (of IPv6 a /64) may have to a gateway: an office behind one address has one for
    each of its people's tabs."""
    gateway_address_strangers: int = Field(default=500, ge=1)
    """How many of them may not have said yet who they are."""
    gateway_author_connections: int = Field(default=100, ge=1)
    """How many connections one author may have to a gateway; nobody is an author in open mode."""
    gateway_opens_per_second: float = Field(default=20.0, gt=0)
    """How many documents one connection may open a second, in the long run."""
    gateway_opens_at_once: float = Field(default=200.0, ge=1)
    """How many at once, after a pause."""
    gateway_messages_per_second: float = Field(default=500.0, gt=0)
    """How many messages a second are read of one connection, in the long run."""
    gateway_messages_at_once: float = Field(default=5_000.0, ge=1)
    """How many at once, after a pause."""
    gateway_bytes_per_second: float = Field(default=4 * 1024 * 1024, gt=0)
    """How many bytes a second are read of one connection, in the long run."""
    gateway_bytes_at_once: float = Field(default=64 * 1024 * 1024, ge=1)
    """How many at once, after a pause; whole documents come when clients give back what was lost."""
    gateway_author_requests_per_second: float = Field(default=200.0, gt=0)
    """How many connections, opened documents and calls over plain HTTP one author may have a second, at all gateways
    together: an application may have one token for all its users."""
    gateway_author_requests_at_once: float = Field(default=4_000.0, ge=1)
    """How many at once, after a pause: who was away opens all documents again."""
    gateway_author_messages_per_second: float = Field(default=500.0, gt=0)
    """How many messages a second are read of all connections of one author, at all gateways together."""
    gateway_author_messages_at_once: float = Field(default=20_000.0, ge=1)
    """How many at once, after a pause."""
    gateway_author_bytes_per_second: float = Field(default=16 * 1024 * 1024, gt=0)
    """How many bytes a second are read of all connections of one author, at all gateways together."""
    gateway_author_bytes_at_once: float = Field(default=256 * 1024 * 1024, ge=1)
    """How many at once, after a pause."""
    gateway_kept_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """How much is kept, ready to be sent, of documents that nobody here has open any more; 0: nothing."""
    gateway_unsaved_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """How much is kept of documents that nobody here has open any more and no snapshot covers; 0: nothing."""
    gateway_presence_bytes: int = Field(default=1024, ge=64)
    """The largest presence message that a client may send."""
    gateway_hello_seconds: float = Field(default=10.0, gt=0)
    """How long a new connection may take to say who it is."""
    gateway_ping_seconds: float = Field(default=30.0, gt=0)
    """How often a connection is pinged; one that does not answer in half of that is closed."""
    gateway_buffer_bytes: int = Field(default=256 * 1024, ge=4096)
    """Above this a connection is left behind, and caught up from the log when it has read."""
    gateway_lag_seconds: float = Field(default=30.0, gt=0)
    """How long a connection may read nothing while it is behind, before it is dropped."""
    gateway_lag_revisions: int = Field(default=20_000, ge=100)
    """How far behind a connection may fall, before it is dropped."""
    gateway_gather_seconds: float = Field(default=0.0, ge=0, le=1)
    """How long after submissions have gone to Redis the next are gathered: 0 sends each at once, with what came in the
    same turn; 0.01 makes an edit cheaper where many type, and at most so much later."""
    gateway_backlog_entries: int = Field(default=5_000, ge=1)
    """Above this many waiting entries of a shard, submissions to it are refused as ``overloaded``."""
    presence_ttl_seconds: float = Field(default=30.0, gt=0)
    """The presence service's setting: signs of life are given three times in it."""
    gateway_drain_seconds: float = Field(default=5.0, gt=0)
    """How long a gateway that is told to stop takes to send its clients elsewhere, at most."""

    @model_validator(mode="after")
    def _has_room_for_frames(self) -> Self:
        if self.gateway_half_received_bytes < 2 * max(self.gateway_frame_bytes, self.gateway_yjs_frame_bytes):
            raise ValueError("COEDIT_GATEWAY_HALF_RECEIVED_BYTES must hold two of the largest frames")
        return self
