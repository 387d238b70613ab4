"""Recorded editing sessions, done again through a running system."""
