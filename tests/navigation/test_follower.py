"""What tells one state of the memory from another."""

from __future__ import annotations

from hub.navigation.follower import still_stamp


def test_what_stands_still_is_told_by_its_last_change() -> None:
    assert still_stamp(10, 7) == still_stamp(11, 7) != still_stamp(11, 11)


def test_a_change_that_is_not_in_memory_yet_is_not_named() -> None:
    """Else what is answered before it is read would count as what is answered after it."""
    assert still_stamp(10, 12) not in {still_stamp(12, 12), still_stamp(13, 12), still_stamp(10, 10)}
