"""The transformer: owns shards, and per document puts submissions in order, rebases them and commits them.

The data's way: `shards` (which are mine) -> `consume` (read ``ops:{s}``) -> `batch` (decide, per document) -> `commit`
(one fenced script) -> `heads` (a last word about a second later).
"""
