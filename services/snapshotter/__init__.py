"""The snapshotter: folds logs into Yjs snapshots, and archives what it then cuts off the logs.

The data's way: `schedule` (which documents are due) -> `fold` (the newest snapshot and the commits above it ->
the next snapshot, in the object store) -> `trim` (old commits -> history segments, and only then out of the
log) -> settled.
"""
