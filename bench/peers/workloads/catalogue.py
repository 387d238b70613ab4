"""All workloads, in the order in which they are measured and shown."""

from bench.peers.workloads.w1_light import LIGHT
from bench.peers.workloads.w2_throughput import THROUGHPUT
from bench.peers.workloads.w3_fan_out import FAN_OUT
from bench.peers.workloads.w4_hot_document import HOT_DOCUMENT
from bench.peers.workloads.w5_cold_open import COLD_OPEN
from bench.peers.workloads.w6_idle import IDLE
from bench.peers.workloads.w7_join_storm import JOIN_STORM
from bench.peers.workloads.w8_presence import PRESENCE
from bench.peers.workloads.w9_growth import GROWTH

WORKLOADS = (LIGHT, THROUGHPUT, FAN_OUT, HOT_DOCUMENT, COLD_OPEN, IDLE, JOIN_STORM, PRESENCE, GROWTH)
