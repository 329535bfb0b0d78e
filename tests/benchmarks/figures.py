"""Numbers and tables: medians with their spread, ratios, and the rows of the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

MICROSECONDS, MILLISECONDS = 1e6, 1e3


@dataclass(frozen=True, slots=True)
class Round:
    """One measured round of one subject: requests, wall seconds, CPU seconds of the subject, seconds of each answer."""

    requests: int
    seconds: float
    cpu_seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of the subject per request."""
        return self.cpu_seconds / self.requests * MICROSECONDS

    @property
    def core_share(self) -> float:
        """How much of its core the subject had: below one it waited, for others or for the machine's neighbours."""
        return self.cpu_seconds / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of the answers did not exceed, in milliseconds."""
        return percentile(self.latencies, share) * MILLISECONDS


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of some rounds, and the least and the most of them."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Figure:
        """Of one value or more."""
        known = list(values)
        return cls(median(known), min(known), max(known))

    def __str__(self) -> str:
        if self.least == self.most:
            return number(self.middle)
        return f"{number(self.middle)} ({number(self.least)}–{number(self.most)})"


@dataclass(frozen=True, slots=True)
class Detail:
    """One subject in one benchmark."""

    what: str
    rate: Figure
    p50_ms: Figure
    p99_ms: Figure
    cpu_us: Figure
    core_share: Figure

    @classmethod
    def of(cls, what: str, rounds: Sequence[Round]) -> Detail:
        """The figures of a subject's rounds."""
        return cls(
            what,
            Figure.of(each.rate for each in rounds),
            Figure.of(each.percentile_ms(0.5) for each in rounds),
            Figure.of(each.percentile_ms(0.99) for each in rounds),
            Figure.of(each.cpu_us for each in rounds),
            Figure.of(each.core_share for each in rounds),
        )

    def cells(self) -> list[str]:
        """As a row of the second table."""
        return [self.what, *map(str, (self.rate, self.p50_ms, self.p99_ms, self.cpu_us, self.core_share))]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the first table, in words: what was asked for and what was measured in one run."""

    work: str
    naive: str
    floor: str
    goal: str
    measured: str
    times_naive: str = ""
    times_limit: str = ""

    def cells(self) -> list[str]:
        """As a row of the first table."""
        return [self.work, self.naive, self.floor, self.goal, self.measured, self.times_naive, self.times_limit]


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark has to say."""

    name: str
    rows: tuple[Row, ...]
    details: tuple[Detail, ...]
    remarks: tuple[str, ...] = ()


TABLE = ("work", "naive, same run", "floor", "goal", "measured: median (least–most)", "to naive", "to the limit")
DETAILS = ("subject", "requests/s", "p50 ms", "p99 ms", "CPU µs a request", "share of its core")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def ratio(value: float, other: float) -> str:
    """How many times the other value: `12x`, `0.25x`."""
    return f"{number(value / other)}x" if other else "–"


def number(value: float) -> str:
    """Three digits that count, thousands apart: `9,120`, `41.3`, `0.283`."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its columns padded so that it can be read as it is."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    shown = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([shown[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *shown[1:]])
