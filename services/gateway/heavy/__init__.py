"""What keeps a processor busy, done beside the loop and within bounds."""
