"""coedit beside its peers: the same loads, from one load generator, in one run."""
