"""The CRDT side: what makes of a document's commits a Yjs document that any Yjs tool can open. Pure."""
