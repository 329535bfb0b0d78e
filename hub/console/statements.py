"""The statement studio: drafts and advised statements, what changed since the draft before, lines, and files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from hub.console.cdrs import cdr_path
from hub.console.exports import attachment
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.rendering import to_query
from hub.console.routes import Console, look_again
from hub.settlement.engine.closing import WholeStatement
from hub.web.listing import Page
from hub.web.statements import (
    CSV,
    JSON,
    PDF,
    XLSX,
    StatementFilters,
    StatementsDesk,
    StatementShown,
    csv_of,
    json_of,
    pdf_of,
    xlsx_of,
)
from ocpi_modules.errors import InvalidParameters

STATEMENTS_PATH = "/console/statements"
LINES_SHOWN_MAX = 200

Maker = Callable[[WholeStatement], Iterable[bytes]]

FILES: dict[str, tuple[str, Maker]] = {
    "json": (JSON, json_of),
    "csv": (CSV, csv_of),
    "xlsx": (XLSX, lambda whole: [xlsx_of(whole)]),
    "pdf": (PDF, lambda whole: [pdf_of(whole)]),
}


def statements_router(console: Console, desk: StatementsDesk) -> APIRouter:
    """The pages of statements."""
    router = console.router()
    changes = console.keep(desk.changes)  # of two that never change
    add_listing(router, console, _statements(desk))

    @router.get("/statements/{name}")
    async def show_one(request: Request, name: str, format: str = "") -> Response:
        console.person(request)
        if format:
            return await _file(desk, name, format)
        shown, begins = await desk.show(name), await desk.beginning(name, LINES_SHOWN_MAX)
        values = {
            "statement": shown,
            "changes": None if (compared := await changes.of(name)) is None else compared.value,
            "lines": [_line(shown, line) for line in begins.lines],
            "line_count": begins.line_count,
            "kept_out": begins.kept_out,
            "cdr_path": cdr_path,
            "cdrs_path": _cdrs(shown),
        }
        answer = await console.page(request, "statement.html", values)
        return answer if values["changes"] else look_again(answer)

    return router


async def _file(desk: StatementsDesk, name: str, form: str) -> Response:
    if form == "proof":
        chunks: Iterable[bytes] = await desk.proven(name)
        return StreamingResponse(chunks, media_type=JSON, headers=attachment(f"{name}.proof.json"))
    if form not in FILES:
        raise InvalidParameters("format: is none of json, csv, xlsx, pdf, proof", http_status=400)
    media_type, maker = FILES[form]
    whole = await desk.whole(name)
    return StreamingResponse(
        await asyncio.to_thread(maker, whole), media_type=media_type, headers=attachment(f"{name}.{form}")
    )


def _line(statement: StatementShown, line: Any) -> dict[str, Any]:
    return {**line, "path": cdr_path(statement.creditor, line["cdr_id"])}


def _statements(desk: StatementsDesk) -> Listing[StatementShown, StatementFilters]:
    async def read(asked: StatementFilters) -> Page[StatementShown]:
        return await desk.page(asked.asked(), asked.limit)

    return Listing(
        title="Statements",
        path=STATEMENTS_PATH,
        columns=(
            Column(key="id", label="Statement", value=lambda row: row.id, kind="code", link=_own_path),
            Column(key="creditor", label="Creditor", value=lambda row: row.creditor),
            Column(key="debtor", label="Debtor", value=lambda row: row.debtor),
            Column(key="state", label="State", value=lambda row: row.state, kind="tag"),
            Column(key="cdrs", label="CDRs", value=lambda row: row.cdrs, kind="number", link=_cdrs, sort="cdrs"),
            Column(
                key="kept_out",
                label="Kept out",
                value=lambda row: row.kept_out,
                kind="number",
                link=_own_path,
                sort="kept_out",
            ),
            Column(
                key="excl_vat",
                label="Without VAT",
                value=lambda row: row.excl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=_own_path,
                sort="excl_vat",
            ),
            Column(
                key="incl_vat",
                label="With VAT",
                value=lambda row: row.incl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=_own_path,
                sort="incl_vat",
            ),
            Column(
                key="made_at", label="Made", value=lambda row: row.made_at, kind="moment", sort="made", is_minor=True
            ),
        ),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="creditor", label="Creditor", placeholder="DE/ABC"),
            FilterField(name="debtor", label="Debtor", placeholder="NL/MSP"),
            FilterField(
                name="state",
                label="State",
                choices=(("draft", "draft"), ("advised", "advised"), ("superseded", "superseded")),
            ),
        ),
        asked=StatementFilters,
        read=read,
        empty="Statements are drafted on the page of a period.",
    )


def _own_path(row: StatementShown) -> str:
    return f"{STATEMENTS_PATH}/{row.id}"


def _cdrs(row: StatementShown) -> str:
    return f"/console/cdrs?{to_query({'lines_of': row.id})}"
