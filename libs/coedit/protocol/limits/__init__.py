"""How much somebody may do, and who counts as one."""
