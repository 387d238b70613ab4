"""Who is ended when too much is half received."""

from services.gateway.sockets.half_received import HalfReceived


class Holder:
    def __init__(self, budget: HalfReceived, held_bytes: int, *, is_trusted: bool) -> None:
        self.is_trusted = is_trusted
        self.is_out = False
        budget.note(self, held_bytes)

    def crowd_out(self) -> None:
        self.is_out = True


def test_largest_of_strangers_goes_before_the_largest_of_all() -> None:
    budget = HalfReceived(100)
    known = Holder(budget, 50, is_trusted=True)
    small, large = Holder(budget, 10, is_trusted=False), Holder(budget, 30, is_trusted=False)
    budget.note(known, 65)
    assert (known.is_out, small.is_out, large.is_out) == (False, False, True)
    other = Holder(budget, 40, is_trusted=True)
    assert (known.is_out, small.is_out, other.is_out) == (True, True, False)


def test_what_is_held_no_more_makes_room() -> None:
    budget = HalfReceived(100)
    first = Holder(budget, 90, is_trusted=True)
    budget.note(first, 0)
    second = Holder(budget, 90, is_trusted=True)
    assert not first.is_out
    assert not second.is_out
