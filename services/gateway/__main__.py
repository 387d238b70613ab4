"""``python -m services.gateway``: run one gateway."""

from coedit.runtime.lifecycle import run_service
from services.gateway.app import Gateway
from services.gateway.settings import GatewaySettings

if __name__ == "__main__":
    run_service("gateway", GatewaySettings, lambda settings: Gateway(settings).run)
