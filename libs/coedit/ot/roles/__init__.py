"""What either side does with deltas: the server puts them in order, a client waits for its ack."""
