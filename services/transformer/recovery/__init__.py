"""What a shard's owner keeps in case Redis loses it, and how it is put right."""
