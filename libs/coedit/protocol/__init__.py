"""Protocol v1, as pure values and state machines; ``docs/protocol.md`` says it in words."""
