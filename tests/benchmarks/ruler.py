"""How good the load generator is: its own ceiling and cost, measured against a program that does nothing but answer."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from tests.benchmarks.feeds import StatusFeed, locations_of
from tests.benchmarks.figures import MICROSECONDS, Figure, number
from tests.benchmarks.load import drive
from tests.benchmarks.party import RequestForm
from tests.benchmarks.stage import Options, stage

CONNECTIONS = 64
SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ruler:
    """The load generator's requests a second against a program that only answers, and its own CPU for each."""

    rate: Figure
    own_cpu_us: Figure

    def __str__(self) -> str:
        return (
            f"Load: bundled asyncio client, {number(self.rate.middle)} requests/s against a program that only answers, "
            f"{number(self.own_cpu_us.middle)} µs CPU of its own for each."
        )


def measure_ruler(options: Options) -> Ruler:
    """Measure the load generator."""
    with stage(options) as made:
        raw = made.bare("--raw")
        form = RequestForm.of("PATCH", httpx.URL(raw.url), {})
        feeds = [StatusFeed(form, locations_of(index)) for index in range(CONNECTIONS)]
        runs = [drive(raw.port, feeds, SECONDS) for _ in range(options.repeats)]
    return Ruler(
        Figure.of(run.requests / run.seconds for run in runs),
        Figure.of(run.own_cpu_seconds / run.requests * MICROSECONDS for run in runs),
    )
