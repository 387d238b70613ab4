"""The door for clients that speak OT: programs with coedit's own protocol."""
