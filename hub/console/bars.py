"""Stacked bars as rectangles of a drawing: what was counted by minute and kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 600.0, 120.0
GAP = 4.0


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle: where it is in the drawing, its kind, and what is said of it."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Bar:
    """What was counted in one minute (UTC), from the bottom up."""

    start: datetime
    middle: float
    blocks: Sequence[Block]
    total: int


@dataclass(frozen=True, slots=True)
class Bars:
    """The drawing: a bar for each minute, and the count that the full height stands for."""

    bars: Sequence[Bar]
    most: int

    @property
    def total(self) -> int:
        """Of all bars."""
        return sum(bar.total for bar in self.bars)


def bars_of(counts: Mapping[datetime, Mapping[str, int]], now: datetime, minutes: int) -> Bars:
    """The last minutes until now, also those in which nothing was counted."""
    last = now.replace(second=0, microsecond=0)
    starts = [last - timedelta(minutes=minutes - 1 - place) for place in range(minutes)]
    most = max((sum(counts.get(start, {}).values()) for start in starts), default=0)
    return Bars([_bar(start, place, minutes, counts.get(start, {}), most) for place, start in enumerate(starts)], most)


def _bar(start: datetime, place: int, places: int, counts: Mapping[str, int], most: int) -> Bar:
    step = WIDTH / places
    blocks: list[Block] = []
    top = HEIGHT
    for kind, count in sorted(counts.items()):
        height = HEIGHT * count / max(most, 1)
        top -= height
        blocks.append(Block(_at(place * step), _at(top), _at(step - GAP), _at(height), kind, count))
    return Bar(start, _at(place * step + (step - GAP) / 2), blocks, sum(counts.values()))


def _at(value: float) -> float:
    return round(value, 1)
