"""Frames and requests that nobody would send, at all doors of a real system: ``make fuzz``."""
