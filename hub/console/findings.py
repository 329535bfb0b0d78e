"""Findings one by one, and CDRs that were refused at the door with their bytes and the answer."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from hub.console.causes import cause_path
from hub.console.cdrs import DISPOSITION_CHOICES, cdr_path
from hub.console.exports import attachment
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console
from hub.settlement.findings import Severity
from hub.web.books import BooksDesk, FindingFilters, FindingShown, RefusedShown
from hub.web.listing import FILTER_MAX_CHARACTERS, Filters, Page, PartyText, Text

FINDINGS_PATH, REFUSED_PATH = "/console/findings", "/console/refused"
CDRS_SHOWN = 3

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def findings_router(console: Console, desk: BooksDesk) -> APIRouter:
    """The pages of findings and of refused CDRs."""
    router = console.router()
    add_listing(router, console, _findings(desk))
    add_listing(router, console, _refused(desk))
    _add_refused(router, console, desk)
    return router


def _add_refused(router: APIRouter, console: Console, desk: BooksDesk) -> None:
    @router.get("/refused/{digest}")
    async def show_one(
        request: Request,
        digest: Digest,
        caller: Annotated[str, Query(max_length=FILTER_MAX_CHARACTERS)],
        format: str = "",
    ) -> Response:
        console.person(request)
        shown = await desk.refused_one(caller, bytes.fromhex(digest))
        if format == "text":
            headers = attachment(f"refused-{digest[:12]}.json")
            return Response(shown.text, media_type="application/json", headers=headers)
        return await console.page(request, "refused.html", {"one": shown})


def _findings(desk: BooksDesk) -> Listing[FindingShown, FindingFilters]:
    async def read(asked: FindingFilters) -> Page[FindingShown]:
        return await desk.findings(asked.asked(), asked.limit)

    return Listing(
        title="Findings",
        intro="What checks say of single CDRs, the most money first. Findings with one root are one cause.",
        path=FINDINGS_PATH,
        columns=(
            Column(key="kind", label="Kind", value=lambda row: row.kind, kind="tag"),
            Column(key="sentence", label="What is wrong", value=lambda row: row.sentence, link=_cause, is_wide=True),
            Column(key="severity", label="Severity", value=lambda row: row.severity, kind="tag", is_rare=True),
            Column(key="disposition", label="Verdict", value=lambda row: row.disposition, kind="tag"),
            Column(
                key="party",
                label="From",
                value=lambda row: row.party,
                link=lambda row: f"{FINDINGS_PATH}?party={row.party}",
            ),
            Column(key="counterparty", label="To", value=lambda row: row.counterparty, is_minor=True),
            Column(key="cdrs", label="CDRs", value=_named, kind="code", link=_cdr, sort="cdrs"),
            Column(
                key="at_risk",
                label="At risk",
                value=lambda row: row.at_risk if row.currency else None,
                unit=lambda row: row.currency,
                kind="money",
                link=_cause,
                sort="at_risk",
            ),
            Column(
                key="raised_at",
                label="Since",
                value=lambda row: row.raised_at,
                kind="moment",
                sort="since",
                is_rare=True,
            ),
            Column(key="cleared_at", label="Until", value=lambda row: row.cleared_at, kind="moment", is_rare=True),
        ),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="party", label="From", placeholder="DE/ABC"),
            FilterField(name="counterparty", label="To", placeholder="NL/MSP"),
            FilterField(name="kind", label="Kind", placeholder="PRICE_MISMATCH"),
            FilterField(name="severity", label="Severity", choices=tuple((one.value, one.value) for one in Severity)),
            FilterField(name="disposition", label="Verdict", choices=DISPOSITION_CHOICES),
            FilterField(name="cleared", label="State", choices=(("false", "so now"), ("true", "no longer so"))),
        ),
        asked=FindingFilters,
        read=read,
        empty="Nothing was found. CDRs are examined seconds after they came.",
    )


def _cause(row: FindingShown) -> str | None:
    return None if row.cleared_at else cause_path(row.cause)


def _named(row: FindingShown) -> str:
    more = f" and {len(row.cdrs) - CDRS_SHOWN} more" if len(row.cdrs) > CDRS_SHOWN else ""
    return ", ".join(row.cdrs[:CDRS_SHOWN]) + more


def _cdr(row: FindingShown) -> str | None:
    if len(row.cdrs) != 1:
        return f"/console/cdrs?cause={quote(row.cause, safe='')}" if row.cdrs else None
    country_code, party_id, key = row.cdrs[0].split("/", 2)
    return cdr_path(f"{country_code}/{party_id}", key)


class RefusedFilters(Filters):
    """Whose CDRs are wanted, or those of one cause."""

    creditor: PartyText | None = None
    cause: Text | None = None


def _refused(desk: BooksDesk) -> Listing[RefusedShown, RefusedFilters]:
    async def read(asked: RefusedFilters) -> Page[RefusedShown]:
        return await desk.refused((asked.creditor, asked.cause), asked.after, asked.limit)

    return Listing(
        title="Refused CDRs",
        intro="What was refused at the door, with the answer that its sender got. None of it is ever billed.",
        path=REFUSED_PATH,
        columns=(
            Column(key="last_at", label="Last", value=lambda row: row.last_at, kind="moment", link=_refused_path),
            Column(key="caller", label="Sent by", value=lambda row: row.caller),
            Column(
                key="creditor",
                label="From",
                value=lambda row: row.creditor,
                link=lambda row: f"{REFUSED_PATH}?creditor={row.creditor}",
            ),
            Column(key="cdr_id", label="CDR", value=lambda row: row.cdr_id, kind="code", link=_refused_path),
            Column(key="status_code", label="Code", value=lambda row: row.status_code, kind="code"),
            Column(key="answer", label="Answer", value=lambda row: row.answer, link=_refused_path, is_wide=True),
            Column(key="times", label="Times", value=lambda row: row.times, kind="number"),
            Column(key="first_at", label="First", value=lambda row: row.first_at, kind="moment", is_minor=True),
            Column(key="digest", label="SHA-256", value=lambda row: row.digest[:12], kind="code", is_minor=True),
        ),
        filters=(FilterField(name="creditor", label="From", placeholder="DE/ABC"),),
        asked=RefusedFilters,
        read=read,
        empty="No CDR was refused.",
    )


def _refused_path(row: RefusedShown) -> str:
    return f"{REFUSED_PATH}/{row.digest}?caller={quote(row.caller, safe='')}"
