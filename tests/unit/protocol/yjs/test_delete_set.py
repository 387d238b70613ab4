"""Deletes are written in the order that costs least, and say the same."""

from bisect import bisect
from math import log2

from coedit.protocol.yjs.delete_set import by_client, halving, with_cheap_deletes, write_delete_set
from coedit.protocol.yjs.update import Block, decode_update
from tests.many_splits import deleting, typed_with_letters_in_it


def test_each_range_halves_what_is_left() -> None:
    blocks = [Block(1, clock, clock + 1) for clock in range(0, 20_000, 2)]
    copied = 0
    splits = [0, 20_000]
    for block in halving(blocks):
        index = bisect(splits, block.first)
        if splits[index - 1] != block.first:
            copied += splits[index] - splits[index - 1]
            splits.insert(index, block.first)
    assert sorted(halving(blocks)) == blocks
    assert copied <= 20_000 * log2(20_000)


def test_ranges_that_touch_become_one() -> None:
    blocks = [Block(2, 5, 9), Block(1, 7, 8), Block(2, 0, 3), Block(2, 8, 12), Block(2, 3, 4), Block(2, 1, 2)]
    assert by_client(blocks) == {1: [Block(1, 7, 8)], 2: [Block(2, 0, 4), Block(2, 5, 12)]}


def test_what_is_written_deletes_the_same() -> None:
    ranges = [(clock, 1) for clock in range(100, 0, -3)]
    update = deleting(ranges)
    cheap = with_cheap_deletes(update, decode_update(update))
    assert cheap != update
    assert sorted(decode_update(cheap).deleted) == sorted(decode_update(update).deleted)
    again = with_cheap_deletes(cheap, decode_update(cheap))
    assert again == cheap


def test_items_in_front_of_the_deletes_stay_as_they_are() -> None:
    items = typed_with_letters_in_it("a" * 100, range(10))[:-1]
    update = items + deleting((clock, 1) for clock in range(90, 10, -4))[1:]
    cheap = with_cheap_deletes(update, decode_update(update))
    assert cheap.startswith(items)
    assert cheap[len(items) :] == write_delete_set(decode_update(update).deleted)


def test_few_ranges_stay_as_their_author_wrote_them() -> None:
    update = deleting([(7, 1), (3, 1)])
    assert with_cheap_deletes(update, decode_update(update)) == update
