"""All workloads, in the order in which they are measured and shown."""

from bench.peers.workloads.w1_light import LIGHT
from bench.peers.workloads.w2_throughput import THROUGHPUT
from bench.peers.workloads.w3_fan_out import FAN_OUT
from bench.peers.workloads.w4_hot_document import HOT_DOCUMENT

WORKLOADS = (LIGHT, THROUGHPUT, FAN_OUT, HOT_DOCUMENT)
