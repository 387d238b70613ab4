"""What takes a processor for long, in a process beside this one."""
