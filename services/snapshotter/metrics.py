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
