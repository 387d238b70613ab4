"""The documents that clients of this gateway have open, whichever door they came in by."""
