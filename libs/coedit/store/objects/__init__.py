"""What must last: objects that are written once, and what they hold of a document."""
