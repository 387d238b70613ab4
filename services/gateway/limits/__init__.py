"""How much one connection, one address and one author may ask for."""
