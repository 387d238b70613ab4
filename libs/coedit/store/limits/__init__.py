"""How much authors have asked for, at all gateways together."""
