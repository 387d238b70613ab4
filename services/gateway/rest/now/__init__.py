"""Documents as they are now: which there are, and who is in them."""
