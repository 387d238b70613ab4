"""The gateway: stateless; checks who speaks and what they say, forwards submissions, and fans commits out.

The data's way in: `connection` (frames) -> `submit` (one entry a tick and shard). The way out: `channels` (one
subscription per open document) -> `feed` (order, gaps) -> `subscription` (one client) -> `connection`.
"""
