"""Two parties on one page: what they agreed, what stands between them, how old it is, how well the creditor delivers, what was billed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from hub.console.agreements import in_force, proposal_path
from hub.console.clauses import clauses
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.rendering import to_query
from hub.console.routes import Console
from hub.settlement.engine.chasing import MissingBoard
from hub.store.cockpit import PAIR_SORTS, PAIRS_BY_MONEY, Cockpit, PairLine, PairsAsked
from hub.store.scorecards import AGES_DAYS, Aged, MonthCard, Scorecards, age_edges
from hub.web.agreements import AgreementsDesk
from hub.web.books import read_creditor
from hub.web.listing import Filters, Page, PartyText, Text, asked_order, placed_page
from ocpi_modules.types import fold, format_datetime

PAIRS_PATH = "/console/pairs"
AGREEMENTS_SHOWN_MAX = 100
BANDS = (
    *(f"{since}–{until} days" for since, until in zip((0, *AGES_DAYS), AGES_DAYS, strict=False)),
    f"over {AGES_DAYS[-1]} days",
)


@dataclass(frozen=True, slots=True)
class PairDesks:
    """What the page of a pair is read from."""

    cockpit: Cockpit
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
    add_listing(router, console, _pairs(desks.cockpit))

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


# --- all pairs of a period -----------------------------------------------------------------------

PairSort = Literal[
    "cdrs", "-cdrs", "settled", "-settled", "held_cdrs", "-held_cdrs", "held", "-held", "disputed", "-disputed"
]


class PairFilters(Filters):
    """Which pairs of a period are wanted."""

    period: Text = ""
    creditor: PartyText | None = None
    debtor: PartyText | None = None
    currency: Text | None = None
    state: Literal["open", "draft", "advised"] | None = None
    sort: PairSort | None = None

    def asked(self) -> PairsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(PAIR_SORTS, self, PAIRS_BY_MONEY)
        return PairsAsked(
            period=self.period,
            creditor=self.creditor,
            debtor=self.debtor,
            currency=fold(self.currency) if self.currency else None,
            state=self.state,
            order=order,
            after=after,
        )


async def pairs_page(cockpit: Cockpit, asked: PairFilters) -> Page[PairLine]:
    """A page of the pairs of a period."""
    wanted = asked.asked()
    return placed_page(await cockpit.pairs(wanted, asked.limit + 1), asked.limit, lambda row: row, wanted.order)


def pair_columns() -> tuple[Column[PairLine], ...]:
    """What is shown of the pairs of a period."""
    return (
        Column(key="creditor", label="Creditor", value=lambda row: row.creditor, link=_pair_path),
        Column(key="debtor", label="Debtor", value=lambda row: row.debtor, link=_pair_path),
        Column(key="state", label="Stage", value=lambda row: row.state, kind="tag", link=_statement_path),
        Column(key="cdrs", label="CDRs", value=lambda row: row.cdrs, kind="number", link=_cdrs(), sort="cdrs"),
        Column(
            key="settled",
            label="Settled",
            value=lambda row: row.settled,
            unit=lambda row: row.currency,
            kind="money",
            link=_cdrs(disposition="SETTLE"),
            sort="settled",
        ),
        Column(
            key="held_cdrs",
            label="Kept out",
            value=lambda row: row.held_cdrs or None,
            kind="number",
            link=_cdrs(kept_out="true"),
            sort="held_cdrs",
        ),
        Column(
            key="held",
            label="Money kept out",
            value=lambda row: row.held if row.held_cdrs else None,
            unit=lambda row: row.currency,
            kind="money",
            link=_cdrs(kept_out="true"),
            sort="held",
        ),
        Column(
            key="disputed",
            label="Disputes",
            value=lambda row: row.disputed or None,
            kind="number",
            link=lambda row: f"/console/disputes?{to_query({'statement': row.statement, 'phase': 'open'})}",
            sort="disputed",
        ),
    )


def _pairs(cockpit: Cockpit) -> Listing[PairLine, PairFilters]:
    async def read(asked: PairFilters) -> Page[PairLine]:
        return await pairs_page(cockpit, asked)

    return Listing(
        title="Pairs",
        intro="What stands between each creditor and each debtor in a period, and how far its statement is; money without VAT.",
        path=PAIRS_PATH,
        columns=pair_columns(),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="creditor", label="Creditor", placeholder="DE/ABC"),
            FilterField(name="debtor", label="Debtor", placeholder="NL/MSP"),
            FilterField(name="currency", label="Currency", placeholder="EUR"),
            FilterField(name="state", label="Stage", choices=tuple((one, one) for one in ("open", "draft", "advised"))),
        ),
        asked=PairFilters,
        read=read,
        empty="Choose a period: all periods stand under Periods.",
    )


def _pair_path(row: PairLine) -> str:
    return pair_path(row.creditor, row.debtor)


def _statement_path(row: PairLine) -> str | None:
    return f"/console/statements/{quote(row.statement, safe='')}" if row.statement else None


def _cdrs(**chosen: str) -> Callable[[PairLine], str]:
    names = ("period", "creditor", "debtor", "currency")
    return lambda row: f"/console/cdrs?{to_query({**{name: getattr(row, name) for name in names}, **chosen})}"
