"""What the process counts of its traces; there in any process, so that nothing is not taken for silence."""

from prometheus_client import Counter

SPANS = Counter(
    "coedit_spans_total",
    "Spans that ended, and what became of them: what was neither sent nor failed was too much for the queue.",
    ["outcome"],
)
for outcome in ("ended", "sent", "failed"):
    SPANS.labels(outcome)
LEFT_OUT = Counter(
    "coedit_traces_left_out_total",
    "Traces that clients began and that were not gone on with, being too many.",
)
