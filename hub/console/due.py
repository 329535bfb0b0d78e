"""CDRs that their payers do not have yet: since when, how often they were offered in vain, and what the payer answered."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from hub.console.cdrs import cdr_path
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console
from hub.store.dues import DUE_SORTS, DUES_BY_AGE, DueCdr, DueReader, DuesAsked
from hub.web.listing import Filters, Page, PartyText, asked_order, placed_page
from ocpi_modules.types import INT_MAX

DUE_PATH = "/console/due"

DueSort = Literal["since", "-since", "attempts", "-attempts", "claimed", "-claimed"]


class DueFilters(Filters):
    """Which are wanted; `partner` is the number of who speaks for the payer, `refused`: the payer was asked and did not take it."""

    creditor: PartyText | None = None
    payer: PartyText | None = None
    partner: Annotated[int, Field(ge=1, le=INT_MAX)] | None = None
    refused: bool | None = None
    sort: DueSort | None = None

    def asked(self) -> DuesAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(DUE_SORTS, self, DUES_BY_AGE)
        return DuesAsked(
            creditor=self.creditor,
            payer=self.payer,
            partner=self.partner,
            is_refused=self.refused,
            order=order,
            after=after,
        )


def due_router(console: Console, dues: DueReader) -> APIRouter:
    """The list of what is due."""
    router = console.router()
    add_listing(router, console, _due(dues))
    return router


def _due(dues: DueReader) -> Listing[DueCdr, DueFilters]:
    async def read(asked: DueFilters) -> Page[DueCdr]:
        wanted = asked.asked()
        return placed_page(await dues.page(wanted, asked.limit + 1), asked.limit, lambda row: row, wanted.order)

    return Listing(
        title="CDRs due",
        intro="The hub accepted them and their payers do not have them yet; it offers them again by itself until they are taken.",
        path=DUE_PATH,
        columns=(
            Column(key="cdr_id", label="CDR", value=lambda row: row.cdr_id, kind="code", link=_cdr_path),
            Column(key="creditor", label="From", value=lambda row: row.creditor),
            Column(
                key="payer",
                label="Payer",
                value=lambda row: row.payer,
                link=lambda row: f"/console/parties/{row.payer}",
            ),
            Column(
                key="claimed",
                label="Claimed",
                value=lambda row: row.excl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=_cdr_path,
                sort="claimed",
            ),
            Column(key="since", label="Due since", value=lambda row: row.created_at, kind="moment", sort="since"),
            Column(
                key="attempts", label="Offered in vain", value=lambda row: row.attempts, kind="number", sort="attempts"
            ),
            Column(key="last_answer", label="Answered last", value=lambda row: row.last_answer, is_wide=True),
        ),
        filters=(
            FilterField(name="creditor", label="From", placeholder="DE/ABC"),
            FilterField(name="payer", label="Payer", placeholder="NL/MSP"),
            FilterField(name="refused", label="Offered in vain", choices=(("true", "yes"), ("false", "not yet"))),
        ),
        asked=DueFilters,
        read=read,
        empty="Every payer has the CDRs that are meant for it.",
    )


def _cdr_path(row: DueCdr) -> str:
    return cdr_path(row.creditor, row.cdr_id)
