"""In which order the items of large documents stand: found out beside the batches, in another process."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from coedit.crdt.item_order import ItemOrder
from coedit.crdt.neighbours import Gap, OrderQuestion
from coedit.protocol.yjs.update import Update
from services.transformer.deciding.comes_again import ComesAgain
from services.transformer.heavy.beside import Beside


class Asked(NamedTuple):
    """A question about an update, and what that holds."""

    question: OrderQuestion
    decoded: Update


class Told(NamedTuple):
    """That all items of an update stand where they may: the order, if it was needed, and between which they are put."""

    order: ItemOrder | None
    gaps: tuple[Gap, ...]
    decoded: Update


Orders = ComesAgain[Asked, Told]


def answered_by(asked: Asked, told: Told) -> Told | None:
    """Return the answer to a question that another one's tells as well; None: its order does not know of its items.

    So one question is enough for all that somebody goes on to write, and sends again, while it is found out.
    """
    gaps = asked.question.gaps
    if told.order is None or not all(told.order.allows(*gap) for gap in gaps):
        return None
    return Told(told.order, gaps, asked.decoded)


def told_by(beside: Beside) -> Callable[[Asked], Awaitable[Told]]:
    """Return what finds out what is asked."""

    async def told(asked: Asked) -> Told:
        order = await beside.answer(OrderQuestion.answer, asked.question)
        return Told(order, asked.question.gaps, asked.decoded)

    return told
