"""A document put together from Redis and the object store: its head, its history, its damage."""
