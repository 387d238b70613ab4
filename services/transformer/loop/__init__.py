"""Read what waits in the owned shards, have it decided, write it, and read again."""
