"""The checklist of a period: each of its numbers leads to the rows that it counts, which are lists of their own here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar
from urllib.parse import quote

from fastapi import APIRouter

from hub.console.cdrs import cdr_path
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.pairs import pair_path
from hub.console.rendering import to_query
from hub.console.routes import Console
from hub.console.statements import STATEMENTS_PATH
from hub.settlement.closing import Item
from hub.settlement.journal import AccountClass
from hub.store.closingrows import (
    ODD_LINES_BY_CDR,
    ODD_SUMS_BY_PAIR,
    WAITING_IN_TURN,
    ClosingRows,
    OddLine,
    OddSum,
    WaitingAsked,
    WaitingCdr,
)
from hub.store.ordering import Order, Place, Placed
from hub.web.listing import Filters, Page, PartyText, Text, placed_page, read_cursor, read_parts
from ocpi_modules.types import DateTime

WAITING_PATH, ODD_LINES_PATH, ODD_SUMS_PATH = "/console/waiting", "/console/odd-lines", "/console/odd-sums"
CAME_IN = "#came-in"
"""The table on the page of a period that what came in is the sum of."""

COUNTED_IN: Mapping[str, Sequence[tuple[str, Mapping[str, str]]]] = {
    "nothing_waits": ((WAITING_PATH, {}),),
    "nothing_is_proposed": (("/console/decisions", {"state": "proposed"}),),
    "control_totals": ((CAME_IN, {}),),
    "lines": ((ODD_LINES_PATH, {"what": "unlined"}), (ODD_LINES_PATH, {"what": "astray"})),
    "statements_and_ledger": ((STATEMENTS_PATH, {"state": "advised"}), (ODD_SUMS_PATH, {})),
    "fees": (("/console/findings", {"check": "M03", "disposition": "HOLD", "accepted": "false"}),),
    "nothing_unbilled": (("/console/balances", {"account": AccountClass.UNBILLED}),),
    "netting": (("/console/balances", {"account": AccountClass.BILLED}),),
}
"""The list behind each number of a sentence of the checklist, in their order, and how it is chosen there beside the period."""

Line = TypeVar("Line")

OF_ALL_PERIODS = frozenset({"nothing_is_proposed"})
_NUMBER = re.compile(r"\b(\d+)\b")


def linked(item: Item, period: str) -> list[tuple[str, str | None]]:
    """The sentence of an item in parts, each with the list of what it counts; what counts nothing has none.

    It is read out of the sentence, as nothing else is kept of the checklist with which a period was closed.
    """
    lists = iter(COUNTED_IN.get(item.name, ()))
    return [
        (part, _path(item.name, part, next(lists, None), period) if number % 2 else None)
        for number, part in enumerate(_NUMBER.split(item.sentence))
    ]


def _path(name: str, count: str, found: tuple[str, Mapping[str, str]] | None, period: str) -> str | None:
    if found is None or int(count) == 0:
        return None
    path, chosen = found
    whose = {} if name in OF_ALL_PERIODS else {"period": period}
    return path if path.startswith("#") else f"{path}?{to_query({**whose, **chosen})}"


def checklist_router(console: Console, rows: ClosingRows) -> APIRouter:
    """The lists behind the checklist."""
    router = console.router()
    add_listing(router, console, _waiting(rows))
    add_listing(router, console, _odd_lines(rows))
    add_listing(router, console, _odd_sums(rows))
    return router


class WaitingFilters(Filters):
    """Which CDRs that wait are wanted; `period`: those that its cut-off left."""

    period: Text | None = None
    creditor: PartyText | None = None
    failed: bool | None = None
    accepted_before: DateTime | None = None


class OddLineFilters(Filters):
    """Of which period, and which of its lines."""

    period: Text = ""
    what: Literal["unlined", "astray"] | None = None


class OddSumFilters(Filters):
    """Of which period."""

    period: Text = ""


def _place(after: str | None, order: Order) -> Place | None:
    """The place that a cursor stands for. Raises InvalidParameters."""
    return read_parts(read_cursor(after, len(order.parts)), order.read)


def _waiting(rows: ClosingRows) -> Listing[WaitingCdr, WaitingFilters]:
    async def read(asked: WaitingFilters) -> Page[WaitingCdr]:
        wanted = WaitingAsked(
            period=asked.period,
            creditor=asked.creditor,
            is_failed=asked.failed,
            accepted_before=asked.accepted_before,
            after=_place(asked.after, WAITING_IN_TURN),
        )
        found = await rows.waiting(wanted, asked.limit + 1)
        return _page(found, asked.limit, WAITING_IN_TURN)

    return Listing(
        title="CDRs to be examined",
        intro="They came, or something was said or decided about them, and the hub looks at them by itself, the oldest first.",
        path=WAITING_PATH,
        columns=(
            Column(key="cdr_id", label="CDR", value=lambda row: row.cdr_id, kind="code", link=_waiting_path),
            Column(key="creditor", label="From", value=lambda row: row.creditor),
            Column(key="debtor", label="To", value=lambda row: row.debtor),
            Column(
                key="claimed",
                label="Claimed",
                value=lambda row: row.excl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=_waiting_path,
            ),
            Column(key="accepted_at", label="Came", value=lambda row: row.accepted_at, kind="moment"),
            Column(key="failures", label="Tried in vain", value=lambda row: row.failures, kind="number"),
        ),
        filters=(
            FilterField(name="period", label="Left by the cut-off of", placeholder="2026-10"),
            FilterField(name="creditor", label="From", placeholder="DE/ABC"),
            FilterField(name="failed", label="Tried in vain", choices=(("false", "no"), ("true", "yes"))),
        ),
        asked=WaitingFilters,
        read=read,
        empty="Every CDR was looked at. What is wrong with them stands under Causes.",
    )


def _odd_lines(rows: ClosingRows) -> Listing[OddLine, OddLineFilters]:
    async def read(asked: OddLineFilters) -> Page[OddLine]:
        place = _place(asked.after, ODD_LINES_BY_CDR)
        found = await rows.lines(asked.period, asked.what, place, asked.limit + 1)
        return _page(found, asked.limit, ODD_LINES_BY_CDR)

    return Listing(
        is_summed=True,
        title="Lines that do not fit",
        intro="CDRs that settle and are not on exactly one statement of the period, and lines that bill what does not settle, or not so.",
        path=ODD_LINES_PATH,
        columns=(
            Column(key="cdr", label="CDR", value=lambda row: row.cdr_key, kind="code", link=_odd_line_path),
            Column(key="creditor", label="From", value=lambda row: row.creditor),
            Column(key="what", label="What is so", value=_said, is_wide=True),
            Column(
                key="settled",
                label="Settles",
                value=lambda row: row.settled,
                unit=lambda row: row.currency,
                kind="money",
                link=_odd_line_path,
            ),
            Column(
                key="billed",
                label="The line bills",
                value=lambda row: row.billed,
                unit=lambda row: row.currency,
                kind="money",
                link=_statement_path,
            ),
            Column(
                key="statement", label="Statement", value=lambda row: row.statement, kind="code", link=_statement_path
            ),
        ),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(
                name="what",
                label="Which",
                choices=(("unlined", "not on exactly one statement"), ("astray", "bills what is not settled")),
            ),
        ),
        asked=OddLineFilters,
        read=read,
        empty="Choose a period. Its lines are made when its statements are drafted, on its page.",
        unlike="There is none: nothing of that kind stands in the way of this period.",
    )


def _odd_sums(rows: ClosingRows) -> Listing[OddSum, OddSumFilters]:
    async def read(asked: OddSumFilters) -> Page[OddSum]:
        place = _place(asked.after, ODD_SUMS_BY_PAIR)
        return _page(await rows.sums(asked.period, place, asked.limit + 1), asked.limit, ODD_SUMS_BY_PAIR)

    return Listing(
        is_summed=True,
        title="Sums that differ",
        intro="Pairs whose advised statement and whose entries in the journal have other sums. Nothing is closed until they agree.",
        path=ODD_SUMS_PATH,
        columns=(
            Column(key="creditor", label="Creditor", value=lambda row: row.creditor, link=_pair_path),
            Column(key="debtor", label="Debtor", value=lambda row: row.debtor, link=_pair_path),
            *(_sum_column(kind, label, vat) for kind, label in _SUMS for vat in ("excl_vat", "incl_vat")),
        ),
        filters=(FilterField(name="period", label="Period", placeholder="2026-10"),),
        asked=OddSumFilters,
        read=read,
        empty="Choose a period. Statements are posted when they are advised, on its page.",
        unlike="There is none: every advised statement of this period has the sums of its entries.",
    )


_SUMS = (("stated", "Statement"), ("posted", "Journal"))


def _sum_column(kind: str, label: str, vat: str) -> Column[OddSum]:
    words = {"excl_vat": "without VAT", "incl_vat": "with VAT"}[vat]
    return Column(
        key=f"{kind}_{vat}",
        label=f"{label}, {words}",
        value=lambda row: getattr(row, f"{kind}_{vat}"),
        unit=lambda row: row.currency,
        kind="money",
        link=_pair_path,
    )


def _page(found: Sequence[Placed[Line]], limit: int, order: Order) -> Page[Line]:
    return placed_page(found, limit, lambda row: row, order)


def _waiting_path(row: WaitingCdr) -> str:
    return cdr_path(row.creditor, row.cdr_id)


def _odd_line_path(row: OddLine) -> str:
    return cdr_path(row.creditor, row.cdr_key)


def _statement_path(row: OddLine) -> str | None:
    return f"{STATEMENTS_PATH}/{quote(row.statement, safe='')}" if row.statement else None


def _pair_path(row: OddSum) -> str:
    return pair_path(row.creditor, row.debtor)


def _said(row: OddLine) -> str:
    if row.what == "unlined":
        return "a line too many for what settles" if row.statement else "settles, and is on no statement"
    return "billed, and does not settle" if row.settled is None else "billed otherwise than it settles"
