"""What deltas are made of: units, values, attributes, ops, and how they are gone through and written."""
