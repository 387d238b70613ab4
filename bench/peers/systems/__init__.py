"""The systems that are measured, each started as processes of its own."""
