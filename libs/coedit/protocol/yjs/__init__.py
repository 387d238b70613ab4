"""What is spoken with Yjs clients, without I/O: primitives, two framings, awareness, and what an update holds."""
