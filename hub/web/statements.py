"""The settlement desk's interface to statements: lists, files, how a draft differs from the one before, and proofs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from hub.settlement.drafts import CHANGES_SHOWN_MAX, Changes, line_content, movers
from hub.settlement.engine.closing import Closing, StatementBeginning, WholeStatement
from hub.settlement.outputs import Content, members
from hub.store.statements import STATEMENT_SORTS, STATEMENTS_BY_ID, KeptStatement, Statements, StatementsAsked
from hub.web.listing import Filters, Page, PartyText, Text, asked_order, placed_page, settlement_routes
from hub.web.told import Money, told
from ocpi_modules.types import DateTime

NAME_MAX_CHARACTERS = 200

StatementName = Annotated[str, Path(max_length=NAME_MAX_CHARACTERS, examples=["2026-10_DE-ABC_NL-MSP_EUR_1"])]
StatementState = Literal["draft", "superseded", "advised"]

JSON, CSV, PDF = "application/json", "text/csv; charset=utf-8", "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class StatementShown(BaseModel):
    """What a debtor owes a creditor in one currency: how many lines of each kind, how many CDRs were kept out, energy in kWh, and sums.

    `digest` stands for all lines; two parties with the same one have the same lines.
    """

    id: str
    period: str
    creditor: str
    debtor: str
    currency: str
    draft: int
    state: StatementState
    cdrs: int
    credits: int
    fees: int
    adjustments: int
    kept_out: int
    energy_kwh: Money
    excl_vat: Money
    incl_vat: Money
    digest: str
    made_at: DateTime


class LineShown(BaseModel):
    """A line as it stands in the files of a statement; amounts are decimal texts."""

    number: int
    type: str
    cdr_id: str
    session_id: str | None
    start: str | None
    end: str | None
    energy_kwh: str | None
    excl_vat: str
    incl_vat: str | None


class MoverShown(BaseModel):
    """A CDR whose lines changed: what they bill without VAT before and after (null: nothing), and the difference."""

    cdr_id: str
    before: Money | None
    after: Money | None
    moved: Money


class ChangesShown(BaseModel):
    """How a statement differs from the draft before it (`before`, null for the first one, then everything is added).

    At most 1000 lines of each are shown, `added_count` and `removed_count` are of all. A line whose amount changed is in both. `movers`
    are the CDRs that changed the total the most, at most 20.
    """

    before: str | None
    added_count: int
    removed_count: int
    excl_vat: Money
    incl_vat: Money
    added: list[LineShown]
    removed: list[LineShown]
    movers: list[MoverShown]


StatementSort = Literal[
    "excl_vat", "-excl_vat", "incl_vat", "-incl_vat", "cdrs", "-cdrs", "kept_out", "-kept_out", "made", "-made"
]


class StatementFilters(Filters):
    """Which statements are wanted."""

    period: Text | None = None
    creditor: PartyText | None = None
    debtor: PartyText | None = None
    currency: Text | None = None
    state: StatementState | None = None
    sort: StatementSort | None = None

    def asked(self) -> StatementsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(STATEMENT_SORTS, self, STATEMENTS_BY_ID)
        return StatementsAsked(
            period=self.period,
            creditor=self.creditor,
            debtor=self.debtor,
            currency=self.currency,
            state=self.state,
            order=order,
            after=after,
        )


@dataclass(frozen=True, slots=True)
class StatementsDesk:
    """What requests about statements are carried out with."""

    closing: Closing
    statements: Statements

    async def page(self, asked: StatementsAsked, limit: int) -> Page[StatementShown]:
        """Statements in their order."""
        return placed_page(await self.statements.page(asked, limit + 1), limit, show_statement, asked.order)

    async def show(self, name: str) -> StatementShown:
        """One statement."""
        with told():
            return show_statement(await self.closing.statement(name))

    async def whole(self, name: str) -> WholeStatement:
        """One with its lines."""
        with told():
            return await self.closing.whole(name)

    async def beginning(self, name: str, most: int) -> StatementBeginning:
        """How one begins."""
        with told():
            return await self.closing.beginning(name, most)

    async def changes(self, name: str) -> ChangesShown:
        """How it differs from the draft before."""
        with told():
            before, found = await self.closing.changes_of(name)
        return show_changes(before, found)

    async def proven(self, name: str) -> Iterator[bytes]:
        """The whole statement with the proof that it is sealed."""
        with told():
            proof = await self.closing.proof(name)
        return json_of(await self.whole(name), proof=proof)


def statements_router(desk: StatementsDesk, admin_token: str | None) -> APIRouter:
    """The routes of statements under `/settlement`, for the admin token only."""
    router = settlement_routes(admin_token)
    _add_files(router, desk)  # before those of which the name has no ending
    _add_statements(router, desk)
    return router


def _add_statements(router: APIRouter, desk: StatementsDesk) -> None:
    @router.get("/statements")
    async def list_statements(filters: Annotated[StatementFilters, Query()]) -> Page[StatementShown]:
        """Statements in the order of their ids, or in another one (`sort`, descending with a minus; amounts one currency after the other).

        With `state` only drafts, advised or superseded ones.
        """
        return await desk.page(filters.asked(), filters.limit)

    @router.get("/statements/{name}")
    async def show(name: StatementName) -> StatementShown:
        """One statement without its lines."""
        return await desk.show(name)

    @router.get("/statements/{name}/changes")
    async def changes(name: StatementName) -> ChangesShown:
        """What this draft has that the one before had not, and the other way round."""
        return await desk.changes(name)

    @router.get("/statements/{name}/proof", responses=answers(JSON))
    async def proof(name: StatementName) -> Response:
        """The statement with the proof that it is under the seal of its period: a file that `settle verify` checks without the hub."""
        return _file(await desk.proven(name), JSON, f"{name}.proof.json")


def _add_files(router: APIRouter, desk: StatementsDesk) -> None:
    @router.get("/statements/{name}.json", responses=answers(JSON))
    async def as_json(name: StatementName) -> Response:
        """All lines as JSON. Of an advised statement these are always the same bytes, as are those of the other files."""
        return _file(json_of(await desk.whole(name)), JSON, f"{name}.json")

    @router.get("/statements/{name}.csv", responses=answers(CSV))
    async def as_csv(name: StatementName) -> Response:
        """All lines as CSV (RFC 4180)."""
        return _file(await asyncio.to_thread(csv_of, await desk.whole(name)), CSV, f"{name}.csv")

    @router.get("/statements/{name}.xlsx", responses=answers(XLSX))
    async def as_xlsx(name: StatementName) -> Response:
        """All lines, a summary, and what was kept out, as a workbook."""
        return _file([await asyncio.to_thread(xlsx_of, await desk.whole(name))], XLSX, f"{name}.xlsx")

    @router.get("/statements/{name}.pdf", responses=answers(PDF))
    async def as_pdf(name: StatementName) -> Response:
        """A summary as PDF; the lines are in the other files."""
        return _file([await asyncio.to_thread(pdf_of, await desk.whole(name))], PDF, f"{name}.pdf")


def answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    """How a file is described."""
    return {200: {"description": "The file", "content": {media_type.partition(";")[0]: {}}}}


def _file(chunks: Iterable[bytes], media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type=media_type, headers=headers)


# --- files ---


def json_of(whole: WholeStatement, **more: Content) -> Iterator[bytes]:
    """A statement as JSON, a line of it on each line."""
    return members({**whole.head, **more, "lines": iter(whole.line_contents()), "unsettled": iter(whole.kept_out)})


def csv_of(whole: WholeStatement) -> Iterator[bytes]:
    """Its lines as CSV."""
    from hub.settlement.sheets import as_csv  # brings spreadsheets and typesetting, which nothing else needs

    return as_csv(whole.line_contents())


def xlsx_of(whole: WholeStatement) -> bytes:
    """A workbook of it."""
    from hub.settlement.sheets import as_xlsx

    return as_xlsx(whole.head, whole.line_contents(), whole.kept_out)


def pdf_of(whole: WholeStatement) -> bytes:
    """Its summary."""
    from hub.settlement.sheets import as_pdf

    return as_pdf(whole.head, whole.kept_out)


# --- rows as they are shown ---


def show_statement(kept: KeptStatement) -> StatementShown:
    """A statement as the settlement desk sees it."""
    names = ("id", "period", "creditor", "debtor", "currency", "draft", "state", "made_at")
    counts = ("cdrs", "credits", "fees", "adjustments", "kept_out", "excl_vat", "incl_vat")
    values = {name: getattr(kept, name) for name in (*names, *counts)}
    return StatementShown.model_construct(**values, energy_kwh=kept.energy, digest=kept.digest.hex())


def show_changes(before: KeptStatement | None, found: Changes) -> ChangesShown:
    """How two drafts differ, as the settlement desk sees it."""
    return ChangesShown.model_construct(
        before=before.id if before is not None else None,
        added_count=len(found.added),
        removed_count=len(found.removed),
        excl_vat=found.amount.excl_vat,
        incl_vat=found.amount.incl_vat,
        added=_shown_lines(found.added),
        removed=_shown_lines(found.removed),
        movers=[MoverShown.model_validate(one, from_attributes=True) for one in movers(found)],
    )


def _shown_lines(rows: Sequence[Any]) -> list[LineShown]:
    return [LineShown(**line_content(row["line"], row)) for row in rows[:CHANGES_SHOWN_MAX]]
