"""What applications are told over HTTP, whom of them, and when again: as Standard Webhooks says, and without I/O."""
