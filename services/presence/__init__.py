"""The presence service: who has which document open, and where they are in it."""
