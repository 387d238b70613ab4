"""The four services of coedit; each is run as ``python -m services.NAME``."""
