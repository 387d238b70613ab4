"""How much memory the container allows, so that a process can share it out before the kernel ends it."""

from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of control groups, version 2 and version 1."""


def container_bytes(limits: tuple[Path, ...] = _LIMITS) -> int | None:
    """Return the bound on this container's memory; None: none is known."""
    for path in limits:
        try:
            return int(path.read_text())
        except (OSError, ValueError):  # another version; or "max", which is no number
            continue
    return None
