"""Who speaks, from where, and of which document."""
