"""What corrects bills: credits with what replaces them, adjustments that both parties agree to, write-offs that two people approve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request, Response
from pydantic import ValidationError

from hub.console.accounts import Permission
from hub.console.cdrs import CDRS_PATH, cdr_path
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.reasons import REASON_WORDS
from hub.console.routes import Console, done
from hub.settlement.disputes import Reason
from hub.settlement.engine.corrections import Answer, CorrectionAsked, CorrectionDesk, Kind
from hub.settlement.engine.feecorrections import FeeCorrectionAsked
from hub.store.corrections import AdjustmentQuery, CorrectionQuery
from hub.web.disputes import (
    AdjustmentShown,
    AmountAsked,
    CorrectionShown,
    LinkShown,
    show_adjustment,
    show_correction,
)
from hub.web.listing import Filters, Page, PartyText, Text, page_of, read_cursor, read_parts
from hub.web.told import told
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX, fold

CORRECTIONS_PATH, ADJUSTMENTS_PATH = "/console/corrections", "/console/adjustments"

Number = Annotated[int, Path(ge=1, le=INT_MAX)]
AmountText = Annotated[str, Form(max_length=40)]
_Picker = Callable[[CorrectionShown], LinkShown | None]
_STATES = ("proposed", "agreed", "refused")


def corrections_router(console: Console, desk: CorrectionDesk) -> APIRouter:
    """The pages of corrections."""
    router = console.router()
    add_listing(router, console, _chains(desk))
    add_listing(router, console, _adjustments(desk))
    _add_proposing(router, console, desk)
    _add_correcting_fees(router, console, desk)
    _add_answering(router, console, desk)
    return router


def _add_proposing(router: APIRouter, console: Console, desk: CorrectionDesk) -> None:
    @router.get("/adjustments/new")
    async def ask(request: Request, creditor: str = "", cdr_id: str = "") -> Response:
        console.person(request, Permission.CLEAR)
        values = {"creditor": creditor, "cdr_id": cdr_id, "kinds": Kind, "reasons": REASON_WORDS}
        return await console.page(request, "adjustment_new.html", values)

    @router.post("/adjustments")
    async def propose(
        request: Request,
        kind: Annotated[Kind, Form()],
        creditor: Annotated[str, Form(max_length=20)],
        cdr_id: Annotated[str, Form(max_length=255)],
        reason: Annotated[Reason, Form()],
        excl_vat: AmountText,
        incl_vat: AmountText,
        party: Annotated[str, Form(max_length=20)] = "",
        note: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        person = console.person(request, Permission.CLEAR)
        speaks_for = None if kind is Kind.WRITE_OFF else read_party(party, "party")
        asked = CorrectionAsked(
            kind=kind,
            name=(str(read_party(creditor, "creditor")), fold(cdr_id.strip())),
            amount=read_amount(excl_vat, incl_vat).as_amount(),
            reason=reason,
            note=note,
            actor=person.name,
            party=speaks_for,
        )
        with told():
            kept = await desk.propose(asked)
        await console.gate.note(request, person, f"{kind}_proposed", "/".join(asked.name), adjustment=kept.id)
        who = "another person approves it" if kind is Kind.WRITE_OFF else "the other party consents"
        return done(f"{ADJUSTMENTS_PATH}/{kept.id}", f"Proposed; it counts once {who}.")


def _add_correcting_fees(router: APIRouter, console: Console, desk: CorrectionDesk) -> None:
    @router.post("/fee-corrections")
    async def propose(
        request: Request,
        finding: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
        payee: Annotated[str, Form(max_length=20)],
        payer: Annotated[str, Form(max_length=20)],
        party: Annotated[str, Form(max_length=20)],
    ) -> Response:
        person = console.person(request, Permission.CLEAR)
        asked = FeeCorrectionAsked(
            finding=finding,
            payee=read_party(payee, "payee"),
            payer=read_party(payer, "payer"),
            party=read_party(party, "party"),
            note="",
            actor=person.name,
        )
        with told():
            kept = await desk.propose_fee(asked)
        await console.gate.note(
            request, person, "fee_proposed", f"{kept.owner}/{kept.cdr_key}", adjustment=kept.id, finding=finding
        )
        return done(f"{ADJUSTMENTS_PATH}/{kept.id}", "Proposed; it counts once the other party consents.")


def _add_answering(router: APIRouter, console: Console, desk: CorrectionDesk) -> None:
    @router.get("/adjustments/{adjustment_id}")
    async def show_one(request: Request, adjustment_id: Number) -> Response:
        console.person(request)
        with told():
            shown = show_adjustment(await desk.one(adjustment_id))
        values = {
            "one": shown,
            "cdr_path": cdr_path(shown.owner, shown.cdr_id),
            "other": other_party(shown),
            "needs": needed(shown.kind, Answer.AGREED),
        }
        return await console.page(request, "adjustment.html", values)

    @router.post("/adjustments/{adjustment_id}/{answer}")
    async def answer_it(request: Request, adjustment_id: Number, answer: Answer) -> Response:
        console.person(request, Permission.CLEAR)
        with told():
            shown = show_adjustment(await desk.one(adjustment_id))
        person = console.person(request, needed(shown.kind, answer))
        other = other_party(shown)
        with told():
            await desk.answer(adjustment_id, answer, person.name, None if other is None else Party.parse(other))
        await console.gate.note(
            request, person, f"{shown.kind}_{answer}", f"{shown.owner}/{shown.cdr_id}", adjustment=adjustment_id
        )
        sentence = "It is posted." if answer is Answer.AGREED else "It is refused: nothing is posted."
        return done(f"{ADJUSTMENTS_PATH}/{adjustment_id}", sentence)


def needed(kind: str, answer: Answer) -> Permission:
    """What it takes to answer: a write-off is approved, everything else is cleared."""
    return Permission.APPROVE if kind == Kind.WRITE_OFF and answer is Answer.AGREED else Permission.CLEAR


def other_party(shown: AdjustmentShown) -> str | None:
    """Who has to consent: the party for whom it was not proposed; None for a write-off, which is the hub's own affair."""
    if shown.kind == Kind.WRITE_OFF or not shown.proposed_for:
        return None
    return shown.creditor if shown.proposed_for == shown.debtor else shown.debtor


def read_party(text: str, field: str) -> Party:
    """A party of a form. Raises InvalidParameters, which names the field."""
    try:
        return Party.parse(text.strip())
    except ValueError as exc:
        raise InvalidParameters(f"{field}: write a party like DE/ABC", http_status=400) from exc


def read_amount(excl_vat: str, incl_vat: str) -> AmountAsked:
    """The amount of a form. Raises InvalidParameters."""
    try:
        return AmountAsked.model_validate({"excl_vat": excl_vat.strip(), "incl_vat": incl_vat.strip()})
    except ValidationError as exc:
        raise InvalidParameters("write amounts like -12.50", http_status=400) from exc


# --- lists ---


class ChainFilters(Filters):
    """Whose credits are wanted; `period` is that of the credit."""

    creditor: PartyText | None = None
    debtor: PartyText | None = None
    period: Text | None = None


class AdjustmentFilters(ChainFilters):
    """Which adjustments are wanted; `period` is the one in which they count."""

    kind: Kind | None = None
    state: Text | None = None


def _chains(desk: CorrectionDesk) -> Listing[CorrectionShown, ChainFilters]:
    async def read(asked: ChainFilters) -> Page[CorrectionShown]:
        place = read_parts(read_cursor(asked.after, 2), lambda parts: (parts[0], parts[1])) or ("", "")
        query = CorrectionQuery(
            creditor=asked.creditor, debtor=asked.debtor, period=asked.period, after=place, most=asked.limit + 1
        )
        found = await desk.chains(query)
        return page_of(found, asked.limit, show_correction, lambda one: (one.creditor, one.credit_key))

    return Listing(
        title="Credits",
        intro="Each credit with the CDR that it credits and the one that replaces that.",
        path=CORRECTIONS_PATH,
        columns=(
            Column(key="creditor", label="From", value=lambda row: row.creditor, link=_pair),
            Column(key="debtor", label="To", value=lambda row: row.debtor, link=_pair),
            Column(key="period", label="Period", value=lambda row: row.credit.period, kind="code", is_minor=True),
            *_link_columns("original", "Original", lambda row: row.original),
            *_link_columns("credit", "Credit", lambda row: row.credit),
            *_link_columns("replacement", "Replaced by", lambda row: row.replacement),
        ),
        filters=(
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="creditor", label="From", placeholder="DE/ABC"),
            FilterField(name="debtor", label="To", placeholder="NL/MSP"),
        ),
        asked=ChainFilters,
        read=read,
        empty="No CDR was credited.",
    )


def _link_columns(key: str, label: str, link: _Picker) -> tuple[Column[CorrectionShown], ...]:
    """The columns of one CDR of a chain."""

    def path(row: CorrectionShown) -> str | None:
        one = link(row)
        return None if one is None else cdr_path(row.creditor, one.cdr_id)

    def amount(row: CorrectionShown) -> object:
        one = link(row)
        return None if one is None else one.amount.excl_vat

    return (
        Column(key=key, label=label, value=lambda row: getattr(link(row), "cdr_id", ""), kind="code", link=path),
        Column(
            key=f"{key}_verdict", label="Verdict", value=lambda row: getattr(link(row), "disposition", ""), kind="tag"
        ),
        Column(
            key=f"{key}_excl_vat",
            label="Without VAT",
            value=amount,
            unit=lambda row: row.currency,
            kind="money",
            link=path,
        ),
    )


def _adjustments(desk: CorrectionDesk) -> Listing[AdjustmentShown, AdjustmentFilters]:
    async def read(asked: AdjustmentFilters) -> Page[AdjustmentShown]:
        after = read_parts(read_cursor(asked.after, 1), lambda parts: min(int(parts[0]), INT_MAX)) or 0
        query = AdjustmentQuery(
            kind=asked.kind,
            creditor=asked.creditor,
            debtor=asked.debtor,
            state=asked.state,
            period=asked.period,
            after=after,
            most=asked.limit + 1,
        )
        return page_of(await desk.page(query), asked.limit, show_adjustment, lambda kept: (str(kept.id),))

    return Listing(
        title="Adjustments",
        intro="What is billed is corrected by adding: adjustments, also of fees, take both parties, write-offs two approvals.",
        path=ADJUSTMENTS_PATH,
        template="adjustments.html",
        columns=(
            Column(key="id", label="#", value=lambda row: row.id, kind="number", link=_own_path),
            Column(key="kind", label="Kind", value=lambda row: row.kind, kind="tag"),
            Column(key="state", label="State", value=lambda row: row.state, kind="tag"),
            Column(key="creditor", label="Creditor", value=lambda row: row.creditor),
            Column(key="debtor", label="Debtor", value=lambda row: row.debtor),
            Column(
                key="cdr_id",
                label="CDR",
                value=lambda row: row.cdr_id,
                kind="code",
                link=lambda row: cdr_path(row.owner, row.cdr_id),
            ),
            Column(
                key="excl_vat",
                label="Without VAT",
                value=lambda row: row.amount.excl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=_own_path,
            ),
            Column(
                key="incl_vat",
                label="With VAT",
                value=lambda row: row.amount.incl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=_own_path,
            ),
            Column(key="reason", label="Reason", value=lambda row: row.reason),
            Column(key="proposed_by", label="Proposed by", value=lambda row: row.proposed_by, is_minor=True),
            Column(key="answered_by", label="Answered by", value=lambda row: row.answered_by, is_minor=True),
            Column(key="period", label="Counts in", value=lambda row: row.period, link=_period, is_minor=True),
        ),
        filters=(
            FilterField(name="state", label="State", choices=tuple((one, one) for one in _STATES)),
            FilterField(
                name="kind", label="Kind", choices=tuple((one.value, one.value.replace("_", "-")) for one in Kind)
            ),
            FilterField(name="period", label="Counts in", placeholder="2026-10"),
            FilterField(name="creditor", label="Creditor", placeholder="DE/ABC"),
            FilterField(name="debtor", label="Debtor", placeholder="NL/MSP"),
        ),
        asked=AdjustmentFilters,
        read=read,
        empty="Nothing that is billed was adjusted. Propose it here, or on the page of a billed CDR.",
    )


def _own_path(row: AdjustmentShown) -> str:
    return f"{ADJUSTMENTS_PATH}/{row.id}"


def _period(row: AdjustmentShown) -> str | None:
    return f"/console/periods/{row.period}" if row.period else None


def _pair(row: CorrectionShown) -> str:
    return f"{CDRS_PATH}?creditor={quote(row.creditor, safe='')}&debtor={quote(row.debtor, safe='')}"
