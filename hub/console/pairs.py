"""Two parties on one page: what they agreed, what stands between them, how old it is, how well the creditor delivers, what was billed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request, Response

from hub.console.agreements import in_force, proposal_path
from hub.console.clauses import clauses
from hub.console.rendering import to_query
from hub.console.routes import Console
from hub.settlement.engine.chasing import MissingBoard
from hub.store.scorecards import AGES_DAYS, Aged, MonthCard, Scorecards, age_edges
from hub.web.agreements import AgreementsDesk
from hub.web.books import read_creditor
from ocpi_modules.types import format_datetime

AGREEMENTS_SHOWN_MAX = 100
BANDS = (
    *(f"{since}–{until} days" for since, until in zip((0, *AGES_DAYS), AGES_DAYS, strict=False)),
    f"over {AGES_DAYS[-1]} days",
)


@dataclass(frozen=True, slots=True)
class PairDesks:
    """What the page of a pair is read from."""

    cards: Scorecards
    agreements: AgreementsDesk
    board: MissingBoard


@dataclass(frozen=True, slots=True)
class AgedRow:
    """What there is of one kind in one currency: how many and how much by age, the youngest first, and in all."""

    what: str
    currency: str
    bands: tuple[tuple[int, Decimal], ...]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum((amount for _, amount in self.bands), Decimal(0))

    @property
    def count(self) -> int:
        """How many of all ages."""
        return sum(count for count, _ in self.bands)


@dataclass(frozen=True, slots=True)
class Ages:
    """The ages as a page shows them: the parties, and where one age ends and the next one begins (UTC, the youngest first)."""

    pair: tuple[str, str]
    edges: Sequence[datetime]

    def path(self, row: AgedRow, band: int | None = None) -> str:
        """The list of what a row counts: all of it, or what is of one age."""
        creditor, debtor = self.pair
        path, moment, chosen = AGED_LISTS[row.what]
        query = {"creditor": creditor, "debtor": debtor, "currency": row.currency, **chosen}
        return f"{path}?{to_query({**query, **({} if band is None else self._between(moment, band))})}"

    def _between(self, moment: str, band: int) -> Mapping[str, str]:
        """The youngest have no end, and the oldest no beginning."""
        since = {f"{moment}_from": format_datetime(self.edges[band])} if band < len(self.edges) else {}
        return since | ({f"{moment}_before": format_datetime(self.edges[band - 1])} if band else {})


AGED_LISTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "unbilled": ("/console/cdrs", "ended", {"unbilled": "true"}),
    "held": ("/console/cdrs", "ended", {"disposition": "HOLD"}),
    "disputed": ("/console/disputes", "opened", {"phase": "open"}),
}
"""The list of each kind, what ages in it, and how it is chosen there."""


def pair_path(creditor: str, debtor: str) -> str:
    """The page of a pair."""
    return f"/console/pairs/{creditor}/{debtor}"


def pairs_router(console: Console, desks: PairDesks) -> APIRouter:
    """The pages of pairs."""
    router = console.router()

    @router.get("/pairs/{country_code}/{party_id}/{debtor_country}/{debtor_id}")
    async def show_one(
        request: Request, country_code: str, party_id: str, debtor_country: str, debtor_id: str
    ) -> Response:
        console.person(request)
        pair = (str(read_creditor(country_code, party_id)), str(read_creditor(debtor_country, debtor_id)))
        return await console.page(request, "pair.html", await _values(console, desks, pair))

    return router


async def _values(console: Console, desks: PairDesks, pair: tuple[str, str]) -> Mapping[str, Any]:
    """What the page shows."""
    now = console.gate.clock.now()
    known = desks.agreements.show_all(await desks.agreements.book.page(pair, ("", 0), AGREEMENTS_SHOWN_MAX))
    ages = Ages(pair, age_edges(now))
    aged = ageing(await desks.cards.ageing(pair, ages.edges))
    months = await desks.cards.months(pair, desks.board.before)
    return {
        "creditor": pair[0],
        "debtor": pair[1],
        "agreements": known,
        "in_force": [(one, clauses(one.terms)) for one in in_force(known, now)],
        "proposal_path": proposal_path(pair),
        "position": await desks.cards.position(pair),
        "aged": aged,
        "ages": ages,
        "bands": BANDS,
        "months": months,
        "statements": await desks.cards.statements(pair),
        "charts": {**ageing_charts(aged), **delivery_chart(months)},
    }


def ageing(lines: Sequence[Aged]) -> list[AgedRow]:
    """A row for each kind and currency in which there is anything."""
    found = {(line.what, line.currency, line.band): (line.count, line.excl_vat) for line in lines}
    return [
        AgedRow(what, currency, tuple(found.get((what, currency, band), (0, Decimal(0))) for band in range(len(BANDS))))
        for currency in sorted({line.currency for line in lines})
        for what in AGED_LISTS
        if any(line.what == what and line.currency == currency for line in lines)
    ]


def ageing_charts(rows: Sequence[AgedRow]) -> dict[str, Any]:
    """A chart for each currency: the ages, stacked by kind."""
    return {
        f"ageing-{currency}": {
            "labels": BANDS,
            "unit": currency,
            "series": [
                {"name": row.what, "type": "bar", "stack": "age", "data": [float(amount) for _, amount in row.bands]}
                for row in rows
                if row.currency == currency
            ],
        }
        for currency in sorted({row.currency for row in rows})
    }


def delivery_chart(months: Sequence[MonthCard]) -> dict[str, Any]:
    """How many CDRs came in each month, and how late; nothing for less than two months."""
    if len(months) < 2:
        return {}
    oldest_first = [*reversed(months)]
    lags = [None if one.lag_p95_hours is None else round(one.lag_p95_hours, 2) for one in oldest_first]
    return {
        "delivery": {
            "labels": [one.period for one in oldest_first],
            "unit": "CDRs",
            "unit2": "hours",
            "series": [
                {"name": "received", "type": "bar", "data": [one.received for one in oldest_first]},
                {"name": "kept out", "type": "bar", "data": [one.held for one in oldest_first]},
                {"name": "lag of the slowest 5 %", "type": "line", "axis": 1, "data": lags},
            ],
        }
    }
