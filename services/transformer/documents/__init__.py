"""The documents that are worked on, in memory: as deltas, and as Yjs items."""
