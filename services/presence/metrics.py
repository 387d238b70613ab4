"""What the presence service counts."""

from prometheus_client import Counter, Gauge, Histogram

REPORTS = Counter("coedit_presence_reports_total", "Reports read, by kind; refused: not decodable.", ["kind"])
ANNOUNCED = Counter("coedit_presence_announced_total", "Presences announced, by change.", ["change"])
EXPIRED = Counter("coedit_presence_expired_total", "Presences that ended without a sign of life.")
MESSAGES = Counter("coedit_presence_messages_total", "Messages published on documents' channels.")
FAILURES = Counter("coedit_presence_failures_total", "Failed steps, by what failed.", ["what"])
TICK_SECONDS = Histogram(
    "coedit_presence_tick_seconds",
    "Seconds from reports read to changes announced.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
DELAY_SECONDS = Histogram(
    "coedit_presence_delay_seconds",
    "Seconds from the oldest report of a tick to its announcement, by Redis's clock.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
SHARDS = Gauge("coedit_presence_shards", "Shards that this process works on.")
CLIENTS = Gauge("coedit_presence_clients", "Clients present in the documents of those shards.")
