"""``coedit status --here``: asked of Redis and the object store themselves, for when no gateway answers."""

import argparse
from typing import Any
from urllib.parse import urlsplit

from coedit.commands.server_doctor import read_settings
from coedit.errors import UnavailableError
from coedit.protocol.log_entry import ChainKey
from coedit.store.deployment.deployment import Deployment
from coedit.store.deployment.report import report_of
from coedit.store.deployment.status import Survey
from coedit.store.objects.object_store import open_object_store
from coedit.store.redis.connection import TROUBLE
from coedit.store.redis.discovery import connect_nodes


async def look(options: argparse.Namespace) -> dict[str, Any]:
    """Return how the deployment is, of which the environment has the settings.

    Raises:
        UnusableSettingsError: COEDIT_SECRET is missing, say.
        WrongDeploymentError: the settings are not those of the deployment.
        UnavailableError: Redis cannot be reached.
    """
    settings = read_settings(options)
    nodes = connect_nodes(settings.redis_url)
    try:
        await nodes.refresh()
        # Redis alone is compared: the object store may be what is not well.
        chain_key = ChainKey.derive(*settings.chain_secrets())
        await Deployment(nodes, None, settings.shard_count, chain_key).compare(checks_secret=False)
        objects = open_object_store(
            settings.object_store_url, settings.object_store_endpoint, settings.object_store_region
        )
        durability = settings.durability, settings.replica_count
        kind = urlsplit(settings.object_store_url).scheme
        return report_of(await Survey(nodes, objects, settings.shard_count, durability, kind).look())
    except TROUBLE as error:
        raise UnavailableError(f"Redis cannot be reached: {error}") from error
    finally:
        await nodes.aclose()
