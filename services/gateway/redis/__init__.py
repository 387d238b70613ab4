"""What goes from this gateway to Redis, and what comes from there."""
