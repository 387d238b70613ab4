"""``python -m services.snapshotter``: run one snapshotter."""

from coedit.runtime.lifecycle import run_service
from services.snapshotter.app import Snapshotter
from services.snapshotter.settings import SnapshotterSettings

if __name__ == "__main__":
    run_service("snapshotter", SnapshotterSettings, lambda settings: Snapshotter(settings).run)
