"""The dispute room: what is disputed, whose turn it is, until when, and each step with who made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response

from hub.console.accounts import Permission
from hub.console.cdrs import ZIP_TYPE, cdr_path
from hub.console.exports import attachment
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console, done
from hub.settlement.disputes import Reason, Stage, Step, steps_from
from hub.settlement.engine.proof import ProofRoom
from hub.store.disputelinks import DisputeLinks
from hub.web.books import read_creditor
from hub.web.disputes import (
    DisputeFilters,
    DisputesDesk,
    DisputeShown,
    NewDisputeAsked,
    dispute_page,
    read_dispute,
    tell,
)
from hub.web.listing import Page
from hub.web.told import told
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.types import INT_MAX, fold

DISPUTES_PATH = "/console/disputes"

Number = Annotated[int, Path(ge=1, le=INT_MAX)]
Note = Annotated[str, Form(max_length=2000)]


@dataclass(frozen=True, slots=True)
class DisputeDesks:
    """What the pages of disputes work with."""

    desk: DisputesDesk
    proof: ProofRoom
    links: DisputeLinks


def disputes_router(console: Console, desks: DisputeDesks) -> APIRouter:
    """The pages of disputes."""
    desk = desks.desk
    router = console.router()
    add_listing(router, console, _disputes(desk))
    _add_dispute(router, console, desks)
    _add_steps(router, console, desk)
    return router


def _add_dispute(router: APIRouter, console: Console, desks: DisputeDesks) -> None:
    @router.get("/disputes/{dispute_id}")
    async def show_one(request: Request, dispute_id: Number, format: str = "") -> Response:
        console.person(request)
        with told():
            if format == "evidence":
                headers = attachment(f"dispute-{dispute_id}.zip")
                return Response(await desks.proof.of_dispute(dispute_id), media_type=ZIP_TYPE, headers=headers)
            shown = tell(await desks.desk.room.show(dispute_id))
        values = {
            "one": shown,
            "steps": steps_from(shown.state),
            "cdr_path": cdr_path(shown.creditor, shown.cdr_key),
            "words": STEP_WORDS,
            "links": await desks.links.of_dispute(dispute_id),
        }
        return await console.page(request, "dispute.html", values)


STEP_WORDS: dict[Step, str] = {
    Step.RAISE: "Raise it",
    Step.COUNTER: "Counter, for the creditor",
    Step.INSIST: "Insist, for the debtor",
    Step.CONCEDE: "Concede",
    Step.WITHDRAW: "Withdraw",
    Step.ARBITRATE: "Take it to arbitration",
    Step.UPHOLD: "Uphold it",
    Step.DISMISS: "Dismiss it",
}


def _add_steps(router: APIRouter, console: Console, desk: DisputesDesk) -> None:
    @router.post("/disputes")
    async def dispute(
        request: Request,
        creditor: Annotated[str, Form(max_length=20)],
        cdr_id: Annotated[str, Form(max_length=255)],
        reason: Annotated[Reason, Form()],
        excl_vat: Annotated[str, Form(max_length=40)] = "",
        incl_vat: Annotated[str, Form(max_length=40)] = "",
        note: Note = "",
    ) -> Response:
        person = console.person(request, Permission.CLEAR)
        owner = read_creditor(*creditor.split("/", 1)) if "/" in creditor else read_creditor(creditor, "")
        asked = _read(str(owner), cdr_id, reason, (excl_vat, incl_vat), note, person.name)
        with told():
            opened = await desk.room.open(read_dispute(asked))
        await console.gate.note(request, person, "disputed", f"{owner}/{fold(cdr_id)}", dispute=opened.kept.id)
        return done(f"{DISPUTES_PATH}/{opened.kept.id}", "The dispute is raised; the creditor has to answer.")

    @router.post("/disputes/{dispute_id}/{step}")
    async def step_on(request: Request, dispute_id: Number, step: Step, note: Note = "") -> Response:
        needs = Permission.APPROVE if step in {Step.UPHOLD, Step.DISMISS} else Permission.CLEAR
        person = console.person(request, needs)
        with told():
            await desk.room.step(dispute_id, step, person.name, note)
        await console.gate.note(request, person, "dispute_step", str(dispute_id), step=step.value)
        return done(f"{DISPUTES_PATH}/{dispute_id}", "The step is taken.")


def _read(
    creditor: str, cdr_id: str, reason: Reason, amounts: tuple[str, str], note: str, actor: str
) -> NewDisputeAsked:
    """What a form asks for; without amounts all of the CDR. Raises InvalidParameters."""
    excl_vat, incl_vat = (text.strip() for text in amounts)
    content: dict[str, object] = {
        "creditor": creditor,
        "cdr_id": cdr_id,
        "reason": reason,
        "note": note,
        "actor": actor,
    }
    if excl_vat or incl_vat:
        content["amount"] = {"excl_vat": excl_vat, "incl_vat": incl_vat or excl_vat}
    try:
        return NewDisputeAsked.model_validate(content)
    except ValueError as exc:
        raise InvalidParameters("write amounts like 12.50", http_status=400) from exc


def _disputes(desk: DisputesDesk) -> Listing[DisputeShown, DisputeFilters]:
    async def read(asked: DisputeFilters) -> Page[DisputeShown]:
        return await dispute_page(desk.room, asked)

    return Listing(
        title="Disputes",
        intro="What is billed and not agreed. Silence decides when the time for an answer is over.",
        path=DISPUTES_PATH,
        columns=(
            Column(
                key="id",
                label="#",
                value=lambda row: row.id,
                kind="number",
                link=lambda row: f"{DISPUTES_PATH}/{row.id}",
            ),
            Column(key="state", label="Stage", value=lambda row: row.state.value, kind="tag"),
            Column(key="turn", label="Whose turn", value=lambda row: row.turn or ""),
            Column(
                key="due_at",
                label="Answer until",
                value=lambda row: row.due_at if row.turn else None,
                kind="moment",
                sort="due",
            ),
            Column(key="creditor", label="Creditor", value=lambda row: row.creditor),
            Column(key="debtor", label="Debtor", value=lambda row: row.debtor),
            Column(
                key="cdr",
                label="CDR",
                value=lambda row: row.cdr_key,
                kind="code",
                link=lambda row: cdr_path(row.creditor, row.cdr_key),
            ),
            Column(key="reason", label="Reason", value=lambda row: row.reason.value),
            Column(
                key="amount",
                label="Amount",
                value=lambda row: row.amount.excl_vat,
                unit=lambda row: row.currency,
                kind="money",
                link=lambda row: f"{DISPUTES_PATH}/{row.id}",
                sort="amount",
            ),
        ),
        filters=(
            FilterField(name="state", label="Stage", choices=tuple((one.value, one.value) for one in Stage)),
            FilterField(
                name="phase", label="Which", choices=(("open", "that go on"), ("raised", "all that were raised"))
            ),
            FilterField(name="period", label="Period", placeholder="2026-10"),
            FilterField(name="creditor", label="Creditor", placeholder="DE/ABC"),
            FilterField(name="debtor", label="Debtor", placeholder="NL/MSP"),
        ),
        asked=DisputeFilters,
        read=read,
        empty="Nothing is disputed. A billed CDR is disputed on its page.",
    )
