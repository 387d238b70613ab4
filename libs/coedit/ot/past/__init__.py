"""What is asked of the past: who wrote what, what people did, and taking some of it back."""
