"""Missing CDRs: sessions that are complete and not billed, and chasing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from hub.console.accounts import Permission
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console, done
from hub.console.sessions import session_path
from hub.web.missing import ChaseAsked, MissingDesk, MissingFilters, MissingShown
from ocpi_modules.parties import Party

MISSING_PATH = "/console/missing"


def missing_router(console: Console, desk: MissingDesk) -> APIRouter:
    """The board of missing CDRs."""
    router = console.router()
    add_listing(router, console, _board(desk))

    @router.post("/missing/chase")
    async def chase(request: Request, creditor: Annotated[str, Form(max_length=20)] = "") -> Response:
        person = console.person(request, Permission.CLEAR)
        party = str(Party.parse(creditor)) if creditor else None
        asked = await desk.chase(ChaseAsked(creditor=party, actor=person.name))
        await console.gate.note(request, person, "chased", party or "everybody", cpos=len(asked))
        return done(MISSING_PATH, f"{len(asked)} CPOs are asked for their CDRs now.")

    return router


def _board(desk: MissingDesk) -> Listing[MissingShown, MissingFilters]:
    async def extra(_: MissingFilters) -> Mapping[str, Any]:
        return {"owing": await desk.owing()}

    return Listing(
        is_summed=True,
        title="Missing CDRs",
        intro="Sessions that have been complete for a while and have no CDR. The hub asks their CPOs by itself, and when you say so.",
        path=MISSING_PATH,
        template="missing.html",
        columns=(
            Column(key="session_id", label="Session", value=lambda row: row.session_id, kind="code", link=_own_path),
            Column(
                key="creditor",
                label="CPO",
                value=lambda row: row.creditor,
                link=lambda row: f"{MISSING_PATH}?creditor={row.creditor}",
            ),
            Column(
                key="debtor",
                label="eMSP",
                value=lambda row: row.debtor,
                link=lambda row: f"{MISSING_PATH}?debtor={row.debtor}",
            ),
            Column(key="completed_at", label="Complete since", value=lambda row: row.completed_at, kind="moment"),
            Column(key="age_hours", label="Hours", value=lambda row: row.age_hours, kind="number", sort="age"),
            Column(key="kwh", label="kWh", value=lambda row: row.kwh, kind="number", link=_own_path),
            Column(
                key="estimated",
                label="As the session says",
                value=lambda row: row.estimated.excl_vat if row.estimated and row.currency else None,
                unit=lambda row: row.currency or "",
                kind="money",
                link=_own_path,
                sort="estimated",
            ),
        ),
        filters=(
            FilterField(name="creditor", label="CPO", placeholder="DE/ABC"),
            FilterField(name="debtor", label="eMSP", placeholder="NL/MSP"),
        ),
        asked=MissingFilters,
        read=desk.sessions,
        extra=extra,
        unread={"owing": ()},
        empty="Every completed session has its CDR.",
    )


def _own_path(row: MissingShown) -> str:
    return session_path(row.creditor, row.session_id)
