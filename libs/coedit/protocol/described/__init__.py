"""The messages of v1, described for programs that are made from descriptions."""
