"""The settlement desk's interface to what eMSPs hold: a view is handed in as JSON or CSV for a period, and replaced as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel

from hub.clock import Clock
from hub.settlement.engine.views import ViewShelf
from hub.settlement.periods import Period, month_of
from hub.settlement.view_file import VIEW_MAX_BYTES, decode_view
from hub.store.views import KeptView
from hub.web.agreements import ActorAsked
from hub.web.listing import (
    PAGE_ROWS,
    After,
    Limit,
    Page,
    PartyText,
    page_of,
    read_cursor,
    read_parts,
    settlement_routes,
)
from hub.web.ocpi import read_body
from hub.web.profiles import PartyPath, read_path
from hub.web.told import told
from ocpi_modules.errors import UnknownPath
from ocpi_modules.parties import Party
from ocpi_modules.types import DateTime, String

_IS_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])").fullmatch
_FIRST = ("", "")


def _month(text: str) -> str:
    if not _IS_MONTH(text):
        raise ValueError("is no month, written like 2026-10")
    return text


Month = Annotated[str, String(7), AfterValidator(_month)]
PeriodAsked = Annotated[Month, Query(description="The period that it is of, like 2026-10.")]


class ViewShown(BaseModel):
    """A view without its content: what an eMSP holds of the CDRs that ended in [starts_at, ends_at), who handed it in and when."""

    emsp: str
    period: str
    starts_at: DateTime
    ends_at: DateTime
    cdrs: int
    sha256: str
    given_by: str
    given_at: DateTime


@dataclass(frozen=True, slots=True)
class ViewsDesk:
    """What requests about views are carried out with; `wake` lets whole periods be looked at again soon."""

    shelf: ViewShelf
    clock: Clock
    wake: Callable[[], None]

    async def put(self, emsp: Party, period: Period, given: tuple[bytes, bool, str]) -> ViewShown:
        """Take a view in. Raises MalformedBundle."""
        body, is_csv, actor = given
        kept = await self.shelf.put(emsp, period, (decode_view(body, is_csv=is_csv), actor), self.clock)
        self.wake()
        return show_view(kept)

    async def content(self, emsp: str, period: str) -> bytes:
        """What a view says. Raises UnknownPath (404)."""
        content = await self.shelf.table.content(emsp, period)
        if content is None:
            raise UnknownPath(f"there is no view of {emsp} for {period}")
        return content

    async def take(self, emsp: str, period: str) -> None:
        """Forget a view. Raises UnknownPath (404)."""
        if not await self.shelf.table.take(emsp, period):
            raise UnknownPath(f"there is no view of {emsp} for {period}")
        self.wake()


def views_router(desk: ViewsDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/settlement/views`, open to the admin token only."""
    router = settlement_routes(admin_token)

    @router.get("/views")
    async def list_views(
        emsp: PartyText | None = None, period: Month | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[ViewShown]:
        """What eMSPs said that they hold, by eMSP and period."""
        place = read_parts(read_cursor(after, 2), lambda parts: (parts[0], parts[1])) or _FIRST
        found = await desk.shelf.table.page((emsp, period), place, limit + 1)
        return page_of(found, limit, show_view, lambda one: (one.emsp, one.period))

    @router.get("/views/{emsp}")
    async def show_one(emsp: PartyPath, period: PeriodAsked) -> Response:
        """A view as it is kept: ids, owners, ends and totals, by id."""
        return Response(await desk.content(read_path(emsp), period), media_type="application/json")

    @router.post("/views/{emsp}", status_code=201, openapi_extra=VIEW_BODY)
    async def put(emsp: PartyPath, period: PeriodAsked, actor: ActorAsked, request: Request) -> ViewShown:
        """Hand in what an eMSP holds of a period, as JSON or CSV (by its Content-Type); the view before is replaced as a whole.

        Its CDRs that no statement bills are looked at again: what is missing or differs is held, what is no longer so is cleared.
        """
        body = await read_body(request.receive, request.headers, VIEW_MAX_BYTES)
        is_csv = "csv" in request.headers.get("content-type", "")
        with told():
            return await desk.put(Party.parse(read_path(emsp)), read_month(period), (body, is_csv, actor))

    @router.delete("/views/{emsp}", status_code=204)
    async def take(emsp: PartyPath, period: PeriodAsked) -> None:
        """Forget a view, and what was found by it."""
        await desk.take(read_path(emsp), period)

    return router


def read_month(text: str) -> Period:
    """The period of a month like 2026-10."""
    year, month = text.split("-")
    return month_of(datetime(int(year), int(month), 1, tzinfo=UTC))


def show_view(kept: KeptView) -> ViewShown:
    """A view in a list."""
    return ViewShown(
        emsp=kept.emsp,
        period=kept.period,
        starts_at=kept.starts_at,
        ends_at=kept.ends_at,
        cdrs=kept.cdrs,
        sha256=kept.digest.hex(),
        given_by=kept.given_by,
        given_at=kept.given_at,
    )


# --- shown at /docs ---

EXAMPLE: dict[str, Any] = {
    "cdrs": [
        {
            "id": "CDR-17",
            "country_code": "DE",
            "party_id": "ABC",
            "end_date_time": "2026-10-12T08:30:00Z",
            "total_cost": {"excl_vat": 28.00, "incl_vat": 33.32},
        }
    ]
}

VIEW_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["cdrs"]}, "example": EXAMPLE},
            "text/csv": {"schema": {"type": "string"}, "example": "id,total_cost,incl_vat\r\nCDR-17,28.00,33.32\r\n"},
        },
    }
}
