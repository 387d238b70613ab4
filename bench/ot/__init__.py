"""The speed of the OT core beside quill-delta's on Node, on the same inputs."""
