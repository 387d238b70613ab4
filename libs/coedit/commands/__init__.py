"""``coedit`` in a shell: one file for each command; those called ``server_…`` need the server's packages."""
