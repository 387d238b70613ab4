"""How a document is deleted: what is decided about it, and what is taken away where it is erased."""
