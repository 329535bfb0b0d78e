"""CDRs: the list, and one CDR with all that bears on it, side by side."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from hub.console.comparing import compared
from hub.console.exports import attachment
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.reasons import REASON_WORDS, likely_reason
from hub.console.routes import Console
from hub.console.sessions import session_path
from hub.settlement.catalogue import FEE_MISMATCH
from hub.settlement.disputes import Reason
from hub.settlement.engine.proof import ProofRoom
from hub.settlement.findings import Disposition
from hub.web.books import BooksDesk, CdrFilters, CdrShown, read_creditor
from hub.web.listing import Page
from hub.web.told import told
from ocpi_modules.types import decode_json, parse_datetime

CDRS_PATH = "/console/cdrs"
TEXT, EVIDENCE = "text", "evidence"
ZIP_TYPE = "application/zip"

DISPOSITION_CHOICES = tuple((one.value, one.value) for one in Disposition)


def cdr_path(creditor: str, cdr_id: str) -> str:
    """The page of a CDR."""
    return f"{CDRS_PATH}/{creditor}/{quote(cdr_id, safe='')}"


def cdr_columns() -> tuple[Column[CdrShown], ...]:
    """What is shown of CDRs in a list."""
    return (
        Column(key="cdr_id", label="CDR", value=lambda row: row.cdr_id, kind="code", link=_own_path),
        Column(key="creditor", label="From", value=lambda row: row.creditor, link=_filtered("creditor")),
        Column(key="debtor", label="To", value=lambda row: row.debtor, link=_filtered("debtor")),
        Column(
            key="period",
            label="Period",
            value=lambda row: row.period,
            link=lambda row: f"/console/periods/{row.period}",
        ),
        Column(key="disposition", label="Verdict", value=lambda row: row.disposition, kind="tag"),
        Column(
            key="claimed",
            label="Claimed",
            value=lambda row: row.claimed.excl_vat,
            unit=lambda row: row.currency,
            kind="money",
            link=_own_path,
            sort="claimed",
        ),
        Column(
            key="priced",
            label="Priced",
            value=lambda row: row.priced.excl_vat if row.priced else None,
            unit=lambda row: row.currency,
            kind="money",
            link=_own_path,
        ),
        Column(
            key="difference",
            label="Difference",
            value=_difference,
            unit=lambda row: row.currency,
            kind="money",
            link=_own_path,
            sort="difference",
            is_minor=True,
        ),
        Column(
            key="kwh",
            label="kWh",
            value=lambda row: row.kwh,
            kind="number",
            link=_own_path,
            sort="kwh",
            is_minor=True,
        ),
        Column(
            key="end", label="Ended", value=lambda row: row.end_date_time, kind="moment", sort="ended", is_rare=True
        ),
        Column(
            key="received",
            label="Received",
            value=lambda row: row.received_at,
            kind="moment",
            sort="received",
            is_rare=True,
        ),
        Column(key="kinds", label="Findings", value=lambda row: row.kinds, kind="tag"),
    )


def cdrs_router(console: Console, desk: BooksDesk, proof: ProofRoom) -> APIRouter:
    """The pages of CDRs."""
    router = console.router()
    add_listing(router, console, _cdrs(desk))

    @router.get("/cdrs/{country_code}/{party_id}/{cdr_id:path}")
    async def show_one(request: Request, country_code: str, party_id: str, cdr_id: str, format: str = "") -> Response:
        console.person(request)
        creditor = read_creditor(country_code, party_id)
        if format == EVIDENCE:
            with told():
                return Response(
                    await proof.of_cdr((str(creditor), cdr_id)), headers=attachment("evidence.zip"), media_type=ZIP_TYPE
                )
        content = decode_json(await desk.cdr(creditor, cdr_id))
        if format == TEXT:
            return Response(content["text"], media_type="application/json", headers=attachment(f"cdr-{cdr_id}.json"))
        session = content["session"]
        links = {"session_path": session and session_path(str(creditor), session["id"]), "creditor": str(creditor)}
        return await console.page(request, "cdr.html", {**_values(content), **links})

    return router


def _values(content: Any) -> dict[str, Any]:
    """What the page of a CDR shows."""
    cdr = decode_json(content["text"].encode())
    return {
        "one": {**content, "received_at": parse_datetime(content["received_at"]), "cdr": _with_moments(content["cdr"])},
        "cdr": cdr,
        "currency": str(cdr.get("currency", "")),
        "lines": compared(cdr, content["price"], content["session"]),
        "explanation": content["price"].get("explanation"),
        "reasons": REASON_WORDS,
        "likely": _likely(content["findings"]),
        "FEE_CHECK": FEE_MISMATCH.id,
    }


def _likely(findings: Any) -> Reason | None:
    """What a CDR is likely to be disputed for: the first finding that holds it, else none."""
    now = (one for one in findings if one["cleared_at"] is None and one["disposition"] == Disposition.HOLD.value)
    return next((likely_reason(one["check"], one["kind"]) for one in now), None)


def _with_moments(shown: Any) -> Any:
    return None if shown is None else {**shown, "examined_at": parse_datetime(shown["examined_at"])}


def _cdrs(desk: BooksDesk) -> Listing[CdrShown, CdrFilters]:
    async def read(asked: CdrFilters) -> Page[CdrShown]:
        return await desk.cdrs(asked.asked(), asked.limit)

    return Listing(
        title="CDRs",
        path=CDRS_PATH,
        columns=cdr_columns(),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="creditor", label="From", placeholder="DE/ABC"),
            FilterField(name="debtor", label="To", placeholder="NL/MSP"),
            FilterField(name="disposition", label="Verdict", choices=DISPOSITION_CHOICES),
            FilterField(name="kind", label="Finding", placeholder="PRICE_MISMATCH"),
            FilterField(name="cdr_id", label="Id begins with"),
        ),
        asked=CdrFilters,
        read=read,
        empty="No CDR was examined yet. They are, seconds after a partner sent them.",
    )


def _difference(row: CdrShown) -> Decimal | None:
    """What is claimed minus what is priced, without VAT."""
    return Decimal(row.claimed.excl_vat) - Decimal(row.priced.excl_vat) if row.priced else None


def _own_path(row: CdrShown) -> str:
    return cdr_path(row.creditor, row.cdr_id)


def _filtered(name: str) -> Any:
    return lambda row: f"{CDRS_PATH}?{name}={quote(getattr(row, name), safe='')}"
