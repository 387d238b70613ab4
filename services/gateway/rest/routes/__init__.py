"""The table of routes: what each is asked, what it needs, and what it may answer (``route.py``: how to add one)."""
