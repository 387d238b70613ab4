"""What is kept by others for a server that loses commits, and what they give back of it."""
