"""What the gateway counts."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from coedit.runtime.tally import Tally

CONNECTIONS = Gauge("coedit_gateway_connections", "Open WebSocket connections.")
DOCUMENTS = Gauge("coedit_gateway_documents", "Documents that some client here has open.")
KEPT_BYTES = Gauge(
    "coedit_gateway_kept_bytes", "What is kept of documents that nobody here has open any more."
)
LEFT = Gauge(
    "coedit_gateway_left_documents", "Documents that nobody here has open, kept until a snapshot covers them."
)
LEFT_DROPPED = Counter(
    "coedit_gateway_left_dropped_total", "Documents that were to be kept until a snapshot, and were too many."
)
SUBSCRIPTIONS = Gauge("coedit_gateway_subscriptions", "Pairs of a client and an open document.")
RECEIVED = Counter("coedit_gateway_received_total", "Messages from clients, by type.", ["type"])
DELIVERED = Counter("coedit_gateway_delivered_total", "Commits and acks delivered to clients.")
SUBMITTED = Counter("coedit_gateway_submitted_total", "Submissions forwarded.")
ERRORS = Counter("coedit_gateway_errors_total", "Errors told to clients, by code.", ["code"])
for code in ("unavailable", "overloaded", "internal"):
    ERRORS.labels(code)  # an increase from nothing shows only where there was a zero
CLOSED = Counter(
    "coedit_gateway_closed_total", "Connections that the gateway closed, by close code.", ["close_code"]
)
HALF_RECEIVED_BYTES = Gauge(
    "coedit_gateway_half_received_bytes",
    "What is held of messages that have not come whole, or wait to be heard.",
)
CROWDED_OUT = Counter(
    "coedit_gateway_crowded_out_total", "Connections that were ended since too much was half received."
)
YJS_CONNECTIONS = Gauge("coedit_gateway_yjs_connections", "Open WebSocket connections of Yjs clients.")
YJS_DOCUMENTS = Gauge("coedit_gateway_yjs_documents", "Documents that some Yjs client here has open.")
YJS_SEATS = Gauge("coedit_gateway_yjs_seats", "Pairs of a Yjs client and an open document.")
YJS_RECEIVED = Counter("coedit_gateway_yjs_received_total", "Messages from Yjs clients, by type.", ["type"])
YJS_DELIVERED = Counter("coedit_gateway_yjs_delivered_total", "Updates delivered to Yjs clients.")
YJS_IGNORED = Counter(
    "coedit_gateway_yjs_ignored_total", "What Yjs clients said and was passed over, by why.", ["why"]
)
IGNORED = Counter(
    "coedit_gateway_ignored_total", "What OT clients said and was passed over, by why.", ["why"]
)
LAGGING = Counter(
    "coedit_gateway_lagging_total", "Times that a client was left behind, to be caught up from the log."
)
QUARANTINES = Counter(
    "coedit_gateway_quarantines_total", "Documents that this process found damaged, by reason.", ["reason"]
)
GAPS = Counter("coedit_gateway_gaps_total", "Gaps in a document's channel that were filled from the log.")
RECALLS = Counter("coedit_gateway_recalls_total", "Clients that were asked for commits that Redis lost.")
OFFERED = Counter(
    "coedit_gateway_offers_total", "Offers of lost commits from clients, by outcome.", ["outcome"]
)
LIMITED = Counter("coedit_gateway_limited_total", "Times that a limit held somebody up, by limit.", ["limit"])
NO_PLACE = Counter(
    "coedit_gateway_no_place_total", "Requests that found no place to be worked on, by what for.", ["what"]
)
PERMISSIONS = Counter(
    "coedit_gateway_permissions_total", "Answers of COEDIT_PERMISSION_URL, by outcome.", ["outcome"]
)
PERMISSION_SECONDS = Histogram("coedit_gateway_permission_seconds", "How long COEDIT_PERMISSION_URL takes.")
ORDERED = Counter(
    "coedit_gateway_orders_total", "Orders of applications about connections, by what.", ["order"]
)
LOOKED = Counter("coedit_gateway_looks_total", "Times that this gateway told of its connections.")
DELETED = Counter(
    "coedit_gateway_deletions_total",
    "Requests to delete a document, or to restore it, that were obeyed, by what.",
    ["state"],
)
TOKEN_KEY_READS = Counter(
    "coedit_gateway_token_key_reads_total",
    "Times that the keys of COEDIT_TOKEN_KEYS were fetched or read, by outcome.",
    ["outcome"],
)
LOOP_ERRORS = Counter("coedit_gateway_loop_errors_total", "Errors that a loop survived, by loop.", ["loop"])
UNCHECKED = Counter(
    "coedit_gateway_unchecked_total",
    "Revisions handed out that could not be checked: their secret is not in COEDIT_OLD_SECRETS.",
)
OPEN_SECONDS = Histogram(
    "coedit_gateway_open_seconds",
    "From an open message to its answer.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
HISTORY_SECONDS = Histogram(
    "coedit_gateway_history_seconds",
    "Going through a document's history, by what for.",
    ["what"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
CONVERSION_SECONDS = Histogram(
    "coedit_gateway_conversion_seconds",
    "Converting a document for an export or an import, by what for and which format.",
    ["what", "format"],
    buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
WELCOME_SECONDS = Histogram(
    "coedit_gateway_welcome_seconds",
    "From a hello to its welcome, or to the refusal of who it is.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
ENQUEUE_SECONDS = Tally(
    "coedit_gateway_enqueue_seconds",
    "From the oldest submission of a turn to Redis's answer that it has all of them.",
    _QUICK,
)
RECEIPT_TO_ACK_SECONDS = Tally(
    "coedit_gateway_receipt_to_ack_seconds", "From an OT client's submission to its ack.", _QUICK
)
YJS_RECEIPT_TO_ACK_SECONDS = Tally(
    "coedit_gateway_yjs_receipt_to_ack_seconds",
    "From a Yjs client's update to its being dealt with, which some of them are told.",
    _QUICK,
)
RECEIPT_TO_BROADCAST_SECONDS = Tally(
    "coedit_gateway_receipt_to_broadcast_seconds",
    "From Redis's receipt of a submission to its being written to the clients here, by Redis's clock.",
    _QUICK,
)
PRESENCE_SECONDS = Tally(
    "coedit_gateway_presence_seconds",
    "From what an OT client says of itself to its being announced to the clients here.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 5),
)


class Traffic(Collector):
    """How much went over the clients' WebSockets; plain numbers, since they are added to for each frame."""

    def __init__(self) -> None:
        self.in_bytes = 0
        self.out_bytes = 0
        REGISTRY.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See `prometheus_client.registry.Collector`."""
        family = CounterMetricFamily(
            "coedit_gateway_bytes",
            "What came from clients, and went to them, by direction.",
            labels=["direction"],
        )
        family.add_metric(["in"], self.in_bytes)
        family.add_metric(["out"], self.out_bytes)
        yield family


TRAFFIC = Traffic()
