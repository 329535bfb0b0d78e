"""Numbers that stand apart from the others: far from their median, by their own usual distance and as a part of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

COUNT_MIN = 10
"""With fewer there is nothing usual."""

PART_MIN = Decimal("0.5")
DISTANCES_MIN = 3
SHARE_MAX = Decimal("0.05")
"""More of them than that are no outliers but another price."""


@dataclass(frozen=True, slots=True)
class Outliers(Generic[Key]):
    """The median of some numbers, and those that stand apart from it."""

    median: Decimal
    apart: Mapping[Key, Decimal]


def outliers(values: Mapping[Key, Decimal]) -> Outliers[Key]:
    """Values further from the median than half of it and than three times the median distance, where they are few of many."""
    if len(values) < COUNT_MIN:
        return Outliers(Decimal(0), {})
    middle = median_of(sorted(values.values()))
    usual = median_of(sorted(abs(value - middle) for value in values.values()))
    far = max(abs(middle) * PART_MIN, usual * DISTANCES_MIN)
    apart = {key: value for key, value in values.items() if abs(value - middle) > far}
    return Outliers(middle, apart if len(apart) <= SHARE_MAX * len(values) else {})


def median_of(ordered: Sequence[Decimal]) -> Decimal:
    """The middle one of some numbers in order; of an even count the mean of the two in the middle."""
    half, is_odd = divmod(len(ordered), 2)
    return ordered[half] if is_odd else (ordered[half - 1] + ordered[half]) / 2
