"""Connections to Redis: where each shard lies, who works on it, and what goes over the wire."""
