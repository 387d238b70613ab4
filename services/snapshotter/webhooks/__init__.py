"""Tells applications what happened to documents, each endpoint by itself.

The way of an event: `changes` (what was edited; all else is added where it happens) -> `taking` (into the queue of each
endpoint that wants it) -> `delivering` (one loop for each endpoint) -> `sender` (one attempt).
"""
