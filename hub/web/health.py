"""How the hub is, in figures: its processes, its database, what it keeps, what waits, and what it answered lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.partners.directory import Directory
from hub.store.health import Backlog, DatabaseState
from hub.web.recent import WELL, Answers
from hub.web.shares import Share


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the hub, what it is, and how many of its last answers were good; `started_at` is UTC, None where it does not say."""

    name: str
    started_at: datetime | None
    version: str
    is_leader: bool
    well: int
    not_well: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """The hub at one moment (UTC). `nats` is None where the hub needs none; `answered_seconds` is how long the database took."""

    now: datetime
    answered_seconds: float
    database: DatabaseState
    is_embedded: bool
    nats: bool | None
    processes: Sequence[Process]
    kept: dict[str, int]
    due: dict[str, int]
    waiting: dict[str, int]
    answers: Sequence[Answers]
    backlog: Backlog
    directory: Directory


def processes_of(shares: Sequence[Share]) -> list[Process]:
    """The processes that answered, by name."""
    made = [
        Process(
            name=share.process,
            started_at=share.started_at,
            version=share.version,
            is_leader=share.is_leader,
            well=sum(well for _, _, well, _ in share.recent),
            not_well=sum(not_well for _, _, _, not_well in share.recent),
        )
        for share in shares
    ]
    return sorted(made, key=lambda process: process.name)


def by_module(answers: Sequence[Answers]) -> list[tuple[str, dict[str, int]]]:
    """How many answers of each class each module gave, the busiest first."""
    total: dict[str, Counter[str]] = {}
    for one in answers:
        total.setdefault(one.module_id, Counter())[one.status_class] += one.count
    return [(name, dict(total[name])) for name in sorted(total, key=lambda name: (-total[name].total(), name))]


def by_minute(answers: Sequence[Answers]) -> dict[datetime, dict[str, int]]:
    """How many answers of each class there were in each minute in which there were any."""
    total: dict[datetime, Counter[str]] = {}
    for one in answers:
        total.setdefault(one.start, Counter())[one.status_class] += one.count
    return {start: dict(counts) for start, counts in sorted(total.items())}


def is_well(status_class: str) -> bool:
    """Whether answers of a class are good news."""
    return status_class == WELL
