"""WebSockets, from their bytes to whole frames, whoever is at the other end."""
