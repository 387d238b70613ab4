"""The transformer's settings."""

from pydantic import Field

from coedit.runtime.settings import SharedSettings


class TransformerSettings(SharedSettings):
    """Own settings have the prefix ``COEDIT_TRANSFORMER_``."""

    transformer_health_port: int = 8081
    """Health and metrics."""
    transformer_lease_seconds: float = Field(default=3.0, ge=0.5)
    """How long a killed transformer's shards stay without an owner, at most."""
    transformer_grace_seconds: float = Field(default=5.0, ge=0)
    """How long a shard waits for what Redis lost, where it was emptied or a replica took over."""
    transformer_restart_grace_seconds: float = Field(default=3.0, ge=0)
    """The same after a restart of Redis on its data."""
    transformer_recheck_seconds: float = Field(default=30.0, gt=0)
    """How often quarantined documents are looked at again, in case that what was damaged has been put right."""
    transformer_batch_entries: int = Field(default=256, ge=1)
    """How many entries of a shard are dealt with in one batch, at most."""
    transformer_memory_bytes: int = Field(default=512 * 1024 * 1024, ge=1024 * 1024)
    """About how much memory the documents take that are kept; the least recently edited are read again when needed."""
    transformer_unsaved_bytes: int = Field(default=128 * 1024 * 1024, ge=1024 * 1024)
    """About how much is kept of what no snapshot covers, in case Redis loses it; above half, snapshots come sooner."""
    transformer_document_units: int = Field(default=16 * 1024 * 1024, ge=1)
    """How long a document may grow, in UTF-16 code units."""
