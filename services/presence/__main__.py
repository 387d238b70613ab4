"""``python -m services.presence``: run the presence service."""

from coedit.runtime.lifecycle import run_service
from services.presence.app import PresenceService
from services.presence.settings import PresenceSettings

if __name__ == "__main__":
    run_service("presence", PresenceSettings, lambda settings: PresenceService(settings).run)
