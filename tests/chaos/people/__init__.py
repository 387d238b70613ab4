"""People who attack: each kind is one subject's file, runs in a process of its own, and is named in `kinds`."""
