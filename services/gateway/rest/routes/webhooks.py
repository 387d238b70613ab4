"""What applications are told by webhooks, for the description; who sends them puts an entry here for each event."""

from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Webhook:
    """An event: its name (``document.changed``), what it says, and the model of the body that is sent."""

    name: str
    summary: str
    model: type[BaseModel]


WEBHOOKS: tuple[Webhook, ...] = ()
