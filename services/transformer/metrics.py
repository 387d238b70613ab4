"""What the transformer counts."""

from prometheus_client import Counter, Gauge, Histogram

from coedit.runtime.tally import Tally

COMMITS = Counter("coedit_transformer_commits_total", "Commits written to the logs of documents.")
REJECTIONS = Counter("coedit_transformer_rejections_total", "Submissions refused, by code.", ["code"])
REPEATS = Counter(
    "coedit_transformer_repeats_total", "Submissions that came again and were committed already."
)
REFUSED = Counter(
    "coedit_transformer_refused_entries_total",
    "Entries of ops that nobody could decode or decide; set apart.",
)
APART = Counter(
    "coedit_transformer_apart_total",
    "How often what waited in a shard was decided one by one, since it had ended several owners.",
)
GIVEN_UP = Counter(
    "coedit_transformer_given_up_total",
    "Work beside the batches, or on what comes from there, that ended whoever began it; refused, by what it was.",
    ["work"],
)
for work in ("rebase", "update", "decide", "bridge", "beside"):
    GIVEN_UP.labels(work)  # an increase from nothing shows only where there was a zero
MISFITS = Counter(
    "coedit_transformer_misfits_total", "Batches that did not fit what Redis held, by reason.", ["reason"]
)
ERRORS = Counter("coedit_transformer_errors_total", "Errors that a loop survived, by loop.", ["loop"])
ASIDE = Gauge("coedit_transformer_aside", "Submissions from far behind that are rebased beside the batches.")
BRIDGED = Counter("coedit_transformer_bridged_total", "Documents that were made ready for Yjs clients.")
YJS = Counter(
    "coedit_transformer_yjs_updates_total", "Updates of Yjs clients, by what became of them.", ["outcome"]
)
CUT_CHARACTERS = Counter(
    "coedit_transformer_cut_characters_total",
    "Updates of Yjs clients that cut a character, or brought U+FFFD, and were put right.",
)
QUARANTINES = Counter(
    "coedit_transformer_quarantines_total",
    "Documents that this process found damaged, by reason.",
    ["reason"],
)
QUARANTINED = Gauge("coedit_transformer_quarantined", "Documents of the owned shards that are quarantined.")
SUSPICIONS = Counter(
    "coedit_transformer_suspicions_total",
    "Times that Redis may have lost commits of a shard, by reason.",
    ["reason"],
)
SUSPECT = Gauge("coedit_transformer_suspect_shards", "Owned shards that wait for what Redis lost.")
OFFERS = Counter("coedit_transformer_offers_total", "Offers of lost commits, by outcome.", ["outcome"])
RESTORED = Counter("coedit_transformer_restored_commits_total", "Lost commits that were given back.")
LOST = Counter(
    "coedit_transformer_lost_revisions_total", "Revisions that were seen and that nobody could give back."
)
UNSAVED_BYTES = Gauge(
    "coedit_transformer_unsaved_bytes", "About what is kept of commits that no snapshot covers yet."
)
UNSAVED_FORGOTTEN = Counter(
    "coedit_transformer_unsaved_forgotten_total",
    "Commits that were to be kept until a snapshot, and were too much.",
)
HURRIED = Counter(
    "coedit_transformer_hurried_total",
    "Times that a document's snapshot was asked for, since much waited for it.",
)
SHARDS = Gauge("coedit_transformer_shards", "Shards that this process owns.")
DOCUMENTS = Gauge("coedit_transformer_documents", "Documents kept in memory.")
DOCUMENT_BYTES = Gauge("coedit_transformer_document_bytes", "About what the documents kept in memory take.")
BATCH_SECONDS = Histogram(
    "coedit_transformer_batch_seconds",
    "From reading entries to their commit.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
)
COMMIT_SECONDS = Histogram(
    "coedit_transformer_commit_seconds",
    "The commit script's round trip.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
)
RECEIPT_TO_COMMIT_SECONDS = Tally(
    "coedit_transformer_receipt_to_commit_seconds",
    "From Redis's receipt of the oldest entry of a batch to its being written, by Redis's clock.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
QUEUED = Gauge("coedit_transformer_queue_entries", "Entries of ops that wait in an owned shard.", ["shard"])
QUEUE_AGE_SECONDS = Gauge(
    "coedit_transformer_queue_age_seconds",
    "How long the oldest entry of ops has waited in an owned shard, by Redis's clock; 0: none waits.",
    ["shard"],
)
