"""``coedit doctor``: what an operator runs where the services run, with their settings."""

import argparse
import sys
import time
from collections.abc import Iterable

from pydantic import ValidationError

from coedit.doctor.diagnosis import diagnose
from coedit.doctor.examine import Examiner
from coedit.doctor.repair import LossRefusedError, Surgeon
from coedit.doctor.report import diagnosis_lines, plan_lines
from coedit.errors import InvalidIdentifierError, UnavailableError
from coedit.identifiers import DocumentId, document_id
from coedit.protocol.log_entry import ChainKey
from coedit.runtime.settings import SettingsError, SharedSettings, refuse_unknown
from coedit.store.deployment.deployment import Deployment
from coedit.store.documents.quarantine import Quarantine
from coedit.store.keys import Shard
from coedit.store.objects.object_store import ObjectStore, open_object_store
from coedit.store.objects.unerased import UnerasedObjects
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.discovery import connect_nodes
from coedit.store.redis.topology import Nodes

HEALTHY, DAMAGED, LOSS_REFUSED = 0, 1, 5


class UnusableSettingsError(InvalidIdentifierError):
    """The settings are incomplete, or hold something unknown."""


async def run(options: argparse.Namespace) -> int:
    """Examine a document, or repair it; without one, list those that are quarantined. Return the exit code.

    Raises:
        UnusableSettingsError: COEDIT_SECRET is missing, say.
        WrongDeploymentError: the settings are not those of the deployment.
        CoeditError: a store cannot be reached, or the name is none.
    """
    settings = read_settings(options)
    nodes = connect_nodes(settings.redis_url)
    try:
        await nodes.refresh()
        objects = UnerasedObjects(
            open_object_store(
                settings.object_store_url, settings.object_store_endpoint, settings.object_store_region
            )
        )
        chain_key = ChainKey.derive(*settings.chain_secrets())
        # What another secret cannot check is told revision by revision; nothing is written on the strength of it.
        deployment = Deployment(nodes, objects, settings.shard_count, chain_key)
        await deployment.compare(checks_secret=options.repair)
        if options.document is None:
            return await _list(nodes, settings)
        return await _see(nodes, objects, settings, document_id(options.document), options)
    except TROUBLE as error:
        raise UnavailableError(f"Redis cannot be reached: {error}") from error
    finally:
        await nodes.aclose()


def read_settings(options: argparse.Namespace) -> SharedSettings:
    """Return the services' settings, with what the options put in their place.

    Raises:
        UnusableSettingsError: COEDIT_SECRET is missing, say.
    """
    given = {"redis_url": options.redis_url, "object_store_url": options.object_store_url}
    try:
        refuse_unknown(SharedSettings, "doctor")
        return SharedSettings(**{name: value for name, value in given.items() if value})
    except (SettingsError, ValidationError) as error:
        raise UnusableSettingsError(str(error)) from error


async def _list(nodes: Nodes, settings: SharedSettings) -> int:
    quarantine = Quarantine(nodes, settings.shard_count, "doctor")
    damaged = await quarantine.all_in([Shard(number) for number in range(settings.shard_count)])
    for name, damage in sorted(damaged.items()):
        print(f"{name}\t{damage.reason}\t{damage.message}")
    return DAMAGED if damaged else HEALTHY


async def _see(
    nodes: Nodes,
    objects: ObjectStore,
    settings: SharedSettings,
    name: DocumentId,
    options: argparse.Namespace,
) -> int:
    chain_key = ChainKey.derive(*settings.chain_secrets())
    diagnosis = diagnose(await Examiner(nodes, objects, settings.shard_count).read(name), chain_key)
    _print(diagnosis_lines(diagnosis))
    is_well = diagnosis.is_healthy and diagnosis.stored.quarantine is None
    if is_well or not options.repair:
        return HEALTHY if is_well and not diagnosis.unchecked else DAMAGED
    surgeon = Surgeon(nodes, objects, settings.shard_count, chain_key, time.time_ns() // 1_000_000)
    try:
        plan = await surgeon.repair(name, accepts_loss=options.accept_loss)
    except LossRefusedError as error:
        print(f"coedit: not repaired: {error}", file=sys.stderr)
        return LOSS_REFUSED
    _print(plan_lines(plan))
    return HEALTHY if not diagnosis.unchecked else DAMAGED


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
