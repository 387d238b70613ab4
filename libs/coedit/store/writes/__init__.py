"""The scripts that write documents to Redis: each compares before it writes."""
