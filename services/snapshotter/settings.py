"""The snapshotter's settings."""

from pydantic import Field, SecretStr

from coedit.protocol.webhooks.retries import DELAYS_SECONDS
from coedit.runtime.settings import SharedSettings


class SnapshotterSettings(SharedSettings):
    """Own settings have the prefix ``COEDIT_SNAPSHOTTER_``."""

    snapshotter_health_port: int = 8083
    """Health and metrics."""
    snapshotter_lease_seconds: float = Field(default=10.0, ge=0.5)
    """How long a killed snapshotter's shards wait for another, at most."""
    snapshotter_scan_seconds: float = Field(default=1.0, gt=0)
    """How often the lists of changed documents are looked at."""
    snapshotter_commits: int = Field(default=1000, ge=1)
    """A document gets a snapshot once it has this many commits above the last one."""
    snapshotter_bytes: int = Field(default=8 * 1024 * 1024, ge=64 * 1024)
    """It also gets one once its log takes more than this in Redis; the log is then cut to half of it."""
    snapshotter_quiet_seconds: float = Field(default=5.0, ge=0)
    """It also gets one when there was no commit for so long."""
    snapshotter_tail: int = Field(default=1000, ge=1)
    """How many commits stay in the log, for clients that come back after a while."""
    snapshotter_segment_commits: int = Field(default=500, ge=1)
    """A history segment holds at least so many commits, unless they are huge, and at most twice as many."""
    snapshotter_keep: int = Field(default=10, ge=2)
    """About how many snapshots of a document are kept (up to twice as many); the archive keeps every revision."""
    snapshotter_concurrency: int = Field(default=4, ge=1)
    """How many documents are worked on at once; more than one only helps where the object store is slow."""
    snapshotter_idle_seconds: float = Field(default=86400.0, gt=0)
    """A document leaves Redis when there was no commit for so long; it opens from the object store then."""
    webhook_endpoints: SecretStr = SecretStr("")
    """Whom to tell what happens: a JSON map of names to ``{"url", "secret", "events"}``. ``secret`` is ``whsec_`` and
    base64, two while one takes over; without ``events`` all are told. Empty: nobody (docs/how-to/webhooks.md)."""
    webhook_private: bool = False
    """Whether those addresses may be private ones, and plain http; otherwise only public ones are connected to."""
    webhook_seconds: float = Field(default=15.0, gt=0)
    """How long an endpoint may take to answer."""
    webhook_retry_seconds: str = ",".join(f"{seconds:g}" for seconds in DELAYS_SECONDS)
    """How long after each attempt that failed the next is made, up to a tenth longer by chance; after the last one the
    event is among the failures."""
    webhook_quiet_seconds: float = Field(default=2.0, ge=0)
    """``document.changed`` comes when there was no commit for so long, and at the latest with the snapshot."""
    webhook_latest_seconds: float = Field(default=10.0, ge=0)
    """It also comes so long after the first commit of which it tells."""
    webhook_waiting: int = Field(default=1000, ge=1)
    """How many events of a shard wait for one endpoint; of more the oldest are put among the failures."""

    def retry_delays(self) -> list[float]:
        """Return the delays between attempts.

        Raises:
            ValueError: they are no numbers from 0 up.
        """
        delays = [float(text) for text in self.webhook_retry_seconds.split(",") if text.strip()]
        if not all(0 <= delay < 10**7 for delay in delays):
            raise ValueError("a delay is not from 0 up")
        return delays
