"""Changes that are numbered before they are committed are told once each, however late they come."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from hub.navigation.tail import Tail


@dataclass(frozen=True)
class Change:
    id: int


def above(floor: int, committed: list[int]) -> list[Change]:
    return [Change(id_) for id_ in sorted(committed) if id_ > floor]


def test_a_change_that_is_committed_after_one_with_a_higher_number_is_told() -> None:
    tail = Tail(0)
    assert tail.take(above(tail.floor, [2]), 2, now=1) == [Change(2)]
    assert tail.take(above(tail.floor, [1, 2]), 2, now=2) == [Change(1)]
    assert tail.take(above(tail.floor, [1, 2]), 2, now=3) == []


def test_what_was_there_at_the_beginning_is_not_told_again() -> None:
    tail = Tail(10, known=[4, 11, 12])
    assert tail.take([Change(11), Change(12), Change(13)], 13, now=1) == [Change(13)]


def test_numbers_that_were_given_long_ago_are_not_read_again() -> None:
    tail = Tail(0, overlap_seconds=60)
    tail.take([Change(1)], 7, now=100)
    tail.take([], 9, now=159)
    assert tail.floor == 0
    tail.take([], 9, now=160)
    assert tail.floor == 7


@given(st.permutations(range(1, 30)), st.lists(st.integers(1, 5), min_size=30, max_size=30))
def test_every_change_is_told_once_in_whatever_order_they_are_committed(order: list[int], looks: list[int]) -> None:
    """All within the overlap: each number was given before the ones above it were read."""
    tail, told, committed = Tail(0, overlap_seconds=1000.0), list[int](), list[int]()
    waiting = [*order]
    for now, many in enumerate(looks):
        committed += [waiting.pop() for _ in range(min(many, len(waiting)))]
        told += [change.id for change in tail.take(above(tail.floor, committed), max(committed), float(now))]
    assert sorted(told) == sorted(committed)
