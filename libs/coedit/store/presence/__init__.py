"""Who is where, in Redis: what gateways report, and what the presence service keeps of it."""
