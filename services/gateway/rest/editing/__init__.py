"""Edits that the gateway makes for requests: once, as a client like any other."""
