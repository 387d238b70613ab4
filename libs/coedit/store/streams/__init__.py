"""The ways in to a shard's owner: what was submitted, and what is given back."""
