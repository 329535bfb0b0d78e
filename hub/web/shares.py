"""Figures of several processes as one: what each says of itself, put together by the one that is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from hub.partners.delivery import LaneState
from hub.web.metrics import OF_ALL
from hub.web.recent import Answers, Row

LABEL = "process"


class Share(msgspec.Struct, frozen=True):
    """What one process says: its exposition, what passed (see `Recent.rows`), and what waits in the lanes, where it knows that.

    `answers` is `Recent.answers` with minutes in seconds since 1970; `started_at` is UTC, None of a process that does not say it yet.
    """

    process: str
    metrics: bytes
    recent: list[tuple[str, str, int, int]]
    waiting: dict[str, int]
    answers: list[tuple[int, str, str, int]] = []
    started_at: datetime | None = None
    version: str = ""
    is_leader: bool = False


class LaneShare(msgspec.Struct, frozen=True):
    """What one process says for the operator: how the lanes are as far as it knows, and how many messages its journal lost."""

    lanes: dict[str, LaneState]
    lost_messages: int


class _Merged(Collector):
    """Families of several expositions, each sample with the name of its process."""

    def __init__(self, shares: Iterable[Share]) -> None:
        self._families: dict[str, Metric] = {}
        for share in shares:
            for family in text_string_to_metric_families(share.metrics.decode()):
                self._add(family, share.process)

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        yield from self._families.values()

    def _add(self, family: Metric, process: str) -> None:
        merged = self._families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        label = {} if family.name in OF_ALL else {LABEL: process}
        for sample in family.samples:
            merged.add_sample(sample.name, {**sample.labels, **label}, sample.value)


def merged_metrics(shares: Sequence[Share]) -> bytes:
    """One exposition text. A hub of one process says what it always said; figures of the hub as a whole have no process."""
    return shares[0].metrics if len(shares) == 1 else generate_latest(_Merged(shares))


def merged_rows(shares: Sequence[Share]) -> list[Row]:
    """What passed at all processes, the busiest first."""
    total: Counter[tuple[str, str, bool]] = Counter()
    for share in shares:
        for module_id, method, well, not_well in share.recent:
            total[module_id, method, True] += well
            total[module_id, method, False] += not_well
    kinds = {(module_id, method) for module_id, method, _ in total}
    rows = [Row(*kind, total[*kind, True], total[*kind, False]) for kind in kinds]
    return sorted(rows, key=lambda row: (-row.well - row.not_well, row.module_id, row.method))


def merged_answers(shares: Sequence[Share]) -> list[Answers]:
    """What all processes answered by minute, module and class, the oldest first."""
    total: Counter[tuple[int, str, str]] = Counter()
    for share in shares:
        for start, module_id, kind, count in share.answers:
            total[start, module_id, kind] += count
    return [
        Answers(datetime.fromtimestamp(start, UTC), module_id, kind, count)
        for (start, module_id, kind), count in sorted(total.items())
    ]


def merged_lanes(shares: Iterable[LaneShare]) -> dict[str, LaneState]:
    """How every lane is, whichever process knows it."""
    merged: dict[str, LaneState] = {}
    for share in shares:
        for name, state in share.lanes.items():
            merged[name] = merged[name] + state if name in merged else state
    return merged


def merged_waiting(shares: Sequence[Share]) -> dict[str, int]:
    """What waits in the lanes, as the process says that knows it."""
    return {name: depth for share in shares for name, depth in share.waiting.items()}
