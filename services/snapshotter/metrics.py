"""What the snapshotter counts."""

from prometheus_client import Counter, Gauge, Histogram

SNAPSHOTS = Counter("coedit_snapshotter_snapshots_total", "Snapshots stored.")
COMMITS = Counter("coedit_snapshotter_commits_total", "Commits folded into snapshots.")
TRIMMED = Counter("coedit_snapshotter_trimmed_total", "Commits moved from logs to the archive.")
MERGED = Counter(
    "coedit_snapshotter_merged_total", "Short history segments that longer ones took the place of."
)
EVICTED = Counter(
    "coedit_snapshotter_evictions_total", "Idle documents that were to leave Redis, by outcome.", ["outcome"]
)
FAILURES = Counter(
    "coedit_snapshotter_failures_total", "Documents that could not be dealt with, by reason.", ["reason"]
)
FAILURES.labels("too-costly")  # an increase from nothing shows only where there was a zero
FAILURES.labels("deletion")
ERASED = Counter("coedit_snapshotter_erased_total", "Documents that were erased.")
SWEPT = Counter(
    "coedit_snapshotter_swept_total",
    "Keys, entries and objects of erased documents that came late, and went.",
)
ERRORS = Counter("coedit_snapshotter_errors_total", "Errors that a loop survived, by loop.", ["loop"])
SHARDS = Gauge("coedit_snapshotter_shards", "Shards that this process works on.")
CHANGED = Gauge("coedit_snapshotter_changed", "Documents in these shards with commits above their snapshot.")
WAITING_SECONDS = Gauge(
    "coedit_snapshotter_waiting_seconds",
    "How long ago the last commit was of the document that has waited longest for a snapshot of it; 0: none waits.",
)
USED_MEMORY = Gauge(
    "coedit_snapshotter_redis_memory_share",
    "Which share of its maxmemory (without one: of the machine's memory) the fullest Redis master uses.",
)
AOF_BYTES = Gauge(
    "coedit_snapshotter_redis_file_bytes",
    "What the largest append-only file of the Redis masters takes on disk.",
)
SECONDS = Histogram(
    "coedit_snapshotter_seconds",
    "From reading a document's position to the end of its trimming.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WEBHOOK_EVENTS = Counter(
    "coedit_snapshotter_webhook_events_total", "Events taken to be delivered, by type.", ["type"]
)
WEBHOOK_ATTEMPTS = Counter(
    "coedit_snapshotter_webhook_attempts_total",
    "Attempts to deliver an event to an endpoint, by outcome; failed: the last one, or the endpoint is gone.",
    ["outcome"],
)
for _outcome in ("delivered", "postponed", "failed"):
    WEBHOOK_ATTEMPTS.labels(_outcome)
WEBHOOK_DROPPED = Counter(
    "coedit_snapshotter_webhook_dropped_total",
    "Events that were let go of: too many happened before they were taken, too many waited (they are among the "
    "failures), too many failures were kept, or nobody wants them any more.",
    ["reason"],
)
for _reason in ("happened", "waiting", "failures", "unwanted"):
    WEBHOOK_DROPPED.labels(_reason)
WEBHOOK_WAITING = Gauge(
    "coedit_snapshotter_webhook_waiting", "Deliveries of these shards that have not been made yet."
)
WEBHOOK_OLDEST_SECONDS = Gauge(
    "coedit_snapshotter_webhook_oldest_seconds",
    "For how long the oldest delivery of these shards has been waiting; 0: none waits.",
)
WEBHOOK_DISABLED = Gauge("coedit_snapshotter_webhook_disabled", "Endpoints that said that they are gone.")
WEBHOOK_SECONDS = Histogram(
    "coedit_snapshotter_webhook_seconds",
    "How long an endpoint takes to answer, or to fail.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
