"""What submissions become: in which order, on what, within which time."""
