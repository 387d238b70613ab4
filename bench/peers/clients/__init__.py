"""The clients of the load generator, by what they speak. They decode as little as they can."""
