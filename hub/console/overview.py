"""The hub at a glance, for whoever runs it and whoever answers for it: what needs somebody, how far the month is, what stops money."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from hub.console.health import presence_counts
from hub.console.kept import Counted
from hub.console.live import Fresh
from hub.console.places import STATE_WORDS
from hub.console.rendering import to_query
from hub.console.routes import Console, look_again
from hub.store.alerts import AlertBook, AlertsAsked, KeptAlert
from hub.store.glance import DayCount, Glance, MonthLine
from hub.store.places import Counts, Places
from hub.web.books import BooksDesk, CauseFilters, CauseShown
from hub.web.health import Vitals
from ocpi_modules.types import format_datetime

OVERVIEW_PATH = "/console/overview"
FRESH_SECONDS = 5.0
ALERTS_SHOWN_MAX = 5
LANES_SHOWN_MAX = 5
CAUSES_SHOWN_MAX = 5
CURRENCIES_SHOWN_MAX = 3
DAYS_SHOWN = 30

STAGES: Mapping[str, str] = {
    "": "Came in",
    "SETTLE": "Settles",
    "HOLD": "On hold",
    "DEFER": "Counts later",
    "DROP": "Never paid",
    "draft": "Drafted",
    "advised": "Advised",
    "disputed": "Disputed",
}
"""Where the money of a month is; without a name all that came in."""

DISPOSITIONS = ("SETTLE", "HOLD", "DEFER", "DROP")
ALWAYS = frozenset({"", "SETTLE", "HOLD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewDesks:
    """What the overview is read from."""

    vitals: Callable[[], Awaitable[Vitals]]
    alerts: AlertBook
    places: Places
    books: BooksDesk
    glance: Glance


@dataclass(frozen=True, slots=True)
class Sum:
    """How many, how much without VAT, and the page of what that sums."""

    count: int
    excl_vat: Decimal
    path: str


@dataclass(frozen=True, slots=True)
class Month:
    """A period that is not closed: when it is cut off (UTC), its currencies, those of most CDRs first, and its money by stage.

    `left_out` are currencies that are not shown.
    """

    id: str
    state: str
    closes_at: datetime
    currencies: Sequence[str]
    stages: Sequence[tuple[str, Sequence[Sum]]]
    left_out: int


@dataclass(frozen=True, slots=True)
class Day:
    """The CDRs that came on a day by the clock of a zone, between two moments (UTC), by disposition."""

    date: date
    start: datetime
    end: datetime
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def path(self, disposition: str = "") -> str:
        """The list of them."""
        moments = {"received_from": format_datetime(self.start), "received_before": format_datetime(self.end)}
        return f"/console/cdrs?{to_query({**moments, 'disposition': disposition})}"


def overview_routers(console: Console, desks: OverviewDesks) -> list[APIRouter]:
    """The page, and what of it follows by itself."""
    page, live = console.router(), console.router(is_live=True)
    now = Fresh(lambda: _now_values(desks), FRESH_SECONDS)
    causes = console.keep(partial(_causes, desks.books))
    days = console.keep(partial(_days, desks.glance))

    @page.get("/overview")
    async def show(request: Request) -> Response:
        person = console.person(request)
        zone = person.zone or "UTC"
        today = console.gate.clock.now().astimezone(ZoneInfo(zone)).date()
        values, months, at_risk, came = await asyncio.gather(
            now(),
            desks.glance.months(),
            causes.of(CauseFilters(limit=CAUSES_SHOWN_MAX)),
            days.of((zone, today)),
        )
        values = {**values, "months": months_of(months), "at_risk": at_risk, **day_values(came)}
        answer = await console.page(request, "overview.html", values)
        return look_again(answer) if at_risk is None or came is None else answer

    @live.get("/overview/live")
    async def stream(request: Request) -> Response:
        async def make() -> str:
            return console.part(request, "overview_now.html", await now())

        return console.stream(request, make, FRESH_SECONDS)

    return [page, live]


# --- what follows by itself ---


async def _now_values(desks: OverviewDesks) -> dict[str, Any]:
    vitals, counts, count = await asyncio.gather(desks.vitals(), desks.places.totals(), desks.alerts.count())
    opened = await desks.alerts.page(AlertsAsked(is_open=True), count.total or 1)
    return {
        "v": vitals,
        "presence": presence_counts(vitals.directory),
        "partners_down": down(vitals),
        "lanes": deepest(vitals.waiting),
        "alerts": pressing(opened)[:ALERTS_SHOWN_MAX],
        "opened": count,
        "evses": legend(counts),
    }


def down(vitals: Vitals) -> int:
    """How many partners have joined and a party that does not answer."""
    silent = {member.partner_id for member in vitals.directory.members if member.status.value == "OFFLINE"}
    return sum(1 for partner in vitals.directory.partners.values() if partner.is_joined and partner.id in silent)


def deepest(waiting: Mapping[str, int]) -> list[tuple[str, int]]:
    """The parties for which most waits."""
    return sorted(((party, count) for party, count in waiting.items() if count), key=lambda one: (-one[1], one[0]))[
        :LANES_SHOWN_MAX
    ]


def pressing(opened: Sequence[KeptAlert]) -> list[KeptAlert]:
    """Alerts that nobody takes care of first, the newest of them first."""
    return sorted(opened, key=lambda one: (one.acknowledged_at is not None, -one.id))


def legend(counts: Counts) -> list[tuple[str, str, int]]:
    """How many EVSEs are in each state."""
    return [(state.value, word, counts.of(state)) for state, word in STATE_WORDS.items()]


# --- the months ---


def months_of(lines: Sequence[MonthLine]) -> list[Month]:
    """The periods out of their lines."""
    by_period: defaultdict[str, list[MonthLine]] = defaultdict(list)
    for line in lines:
        by_period[line.period].append(line)
    return [_month(of_one) for of_one in by_period.values()]


def _month(lines: Sequence[MonthLine]) -> Month:
    first = lines[0]
    found = {
        (line.kind, line.currency): Sum(line.count, line.excl_vat, stage_path(line)) for line in lines if line.kind
    }
    came = {one: _came_in(found, first.period, one) for one in sorted({currency for _, currency in found})}
    currencies = sorted(came, key=lambda one: (-came[one].count, one))
    shown = currencies[:CURRENCIES_SHOWN_MAX]
    found |= {("", currency): came[currency] for currency in shown}
    rows = [(STAGES[kind], [_sum(found, first, kind, one) for one in shown]) for kind in STAGES]
    kept = [row for kind, row in zip(STAGES, rows, strict=True) if kind in ALWAYS or any(one.count for one in row[1])]
    return Month(first.period, first.state, first.closes_at, shown, kept if shown else [], len(currencies) - len(shown))


def _sum(found: Mapping[tuple[str, str], Sum], first: MonthLine, kind: str, currency: str) -> Sum:
    path = f"/console/cdrs?{to_query({'period': first.period, 'currency': currency, 'disposition': kind})}"
    return found.get((kind, currency), Sum(0, Decimal(0), path))


def _came_in(found: Mapping[tuple[str, str], Sum], period: str, currency: str) -> Sum:
    parts = [found[kind, currency] for kind in DISPOSITIONS if (kind, currency) in found]
    path = f"/console/cdrs?{to_query({'period': period, 'currency': currency})}"
    return Sum(sum(one.count for one in parts), sum((one.excl_vat for one in parts), Decimal(0)), path)


def stage_path(line: MonthLine) -> str:
    """The list of what a line sums."""
    if line.kind in DISPOSITIONS:
        query = {"period": line.period, "currency": line.currency, "disposition": line.kind}
        return f"/console/cdrs?{to_query(query)}"
    if line.kind == "disputed":
        return f"/console/disputes?{to_query({'period': line.period, 'currency': line.currency, 'phase': 'open'})}"
    return f"/console/statements?{to_query({'period': line.period, 'currency': line.currency, 'state': line.kind})}"


# --- what is added up ---


async def _causes(books: BooksDesk, asked: CauseFilters) -> Sequence[CauseShown]:
    found = await books.causes(asked.asked(), asked.limit)
    return [one for one in found.items if Decimal(one.at_risk)]


async def _days(glance: Glance, key: tuple[str, date]) -> list[Day]:
    zone, today = key
    dates = [today + timedelta(days=step) for step in range(1 - DAYS_SHOWN, 1)]
    edges = day_edges(zone, dates)
    return days_of(dates, edges, await glance.days(edges))


def day_edges(zone: str, dates: Sequence[date]) -> list[datetime]:
    """When days begin (UTC) by the clock of a zone, and when the last one ends."""
    days = [*dates, dates[-1] + timedelta(days=1)]
    return [datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in days]


def days_of(dates: Sequence[date], edges: Sequence[datetime], counts: Sequence[DayCount]) -> list[Day]:
    """Every day, also those on which nothing came."""
    by_day: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for one in counts:
        by_day[one.day][one.disposition] = one.cdrs
    return [Day(day, edges[number - 1], edges[number], by_day.get(number, {})) for number, day in enumerate(dates, 1)]


def day_values(counted: Counted[list[Day]] | None) -> dict[str, Any]:
    """What the page shows of the days: all of them as a chart, and those on which anything came as a table, the newest first."""
    days = [] if counted is None else counted.value
    shown = [kind for kind in DISPOSITIONS if any(kind in day.counts for day in days)]
    return {
        "days": counted,
        "day_rows": [day for day in reversed(days) if day.total],
        "day_kinds": [(kind, STAGES[kind]) for kind in shown],
        "day_total": sum(day.total for day in days),
        "day_count": DAYS_SHOWN,
        "chart": {
            "labels": [f"{day.date:%m-%d}" for day in days],
            "unit": "CDRs",
            "is_whole": True,
            "series": [
                {"name": STAGES[kind], "type": "bar", "stack": "day", "data": [day.counts.get(kind, 0) for day in days]}
                for kind in shown
            ],
        },
    }
