"""What browsers are given, and what pages may do that are somebody else's."""
