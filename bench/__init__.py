"""What an edit costs on this machine: the real system under load, beside floors (see README.md)."""
