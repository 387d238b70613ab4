"""What coedit keeps, and where: Redis for what is live, an object store for what must last."""
