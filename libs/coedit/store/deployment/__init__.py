"""What a deployment was begun with, and whether its stores still hold what they held."""
