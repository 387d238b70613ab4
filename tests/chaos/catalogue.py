"""All kinds of faults, by name; a new module of them is named here."""

from tests.chaos import (
    faults_early,
    faults_loss,
    faults_network,
    faults_packets,
    faults_process,
    faults_redis,
    faults_replica,
    faults_store,
)
from tests.chaos.faults import FAULTS
from tests.chaos.people import person

MODULES = (
    faults_early,
    faults_loss,
    faults_network,
    faults_packets,
    faults_process,
    faults_redis,
    faults_replica,
    faults_store,
    person,
)
"""Having been imported, they have registered their kinds."""

__all__ = ["FAULTS", "MODULES"]
