"""The settlement desk's interface to disputes and corrections of what was billed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, StringConstraints

from hub.settlement.disputes import Reason, Stage, Step
from hub.settlement.engine.corrections import Answer, CorrectionAsked, CorrectionDesk, Kind
from hub.settlement.engine.disputes import DisputeAsked, DisputeRoom, Shown
from hub.settlement.engine.disputes import read_dispute as dispute_in
from hub.settlement.engine.feecorrections import FeeCorrectionAsked
from hub.settlement.netting import Amount
from hub.store.corrections import AdjustmentQuery, Correction, CorrectionQuery, KeptAdjustment
from hub.store.disputes import DISPUTE_SORTS, DISPUTES_BY_NUMBER, DisputeQuery, KeptDispute
from hub.web.asked import Asked
from hub.web.listing import (
    PAGE_ROWS,
    Actor,
    After,
    Filters,
    Limit,
    Page,
    PartyText,
    Text,
    asked_order,
    page_of,
    placed_page,
    read_cursor,
    read_parts,
    settlement_routes,
)
from hub.web.told import Money, Note, told
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX, Bool, DateTime, fold

Number = Annotated[int, Path(ge=1, le=INT_MAX)]
FindingKey = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class AmountAsked(Asked):
    """An amount in the currency of its CDR."""

    excl_vat: Money
    incl_vat: Money

    def as_amount(self) -> Amount:
        """The same as a value."""
        return Amount(self.excl_vat, self.incl_vat)


class NewDisputeAsked(Asked):
    """What the debtor disputes of a billed CDR: without `amount` all of it. A draft is raised later."""

    creditor: PartyText
    cdr_id: Text
    amount: AmountAsked | None = None
    reason: Reason
    note: Note = ""
    actor: Actor
    draft: Bool = False


class StepAsked(Asked):
    """Who makes a step, and why."""

    actor: Actor
    note: Note = ""


class AdjustmentAsked(Asked):
    """An adjustment pair: `amount` is what the debtor owes more (negative: less); `party` is the one for whom `actor` proposes it."""

    creditor: PartyText
    debtor: PartyText
    cdr_id: Text
    amount: AmountAsked
    reason: Reason
    note: Note = ""
    party: PartyText
    actor: Actor


class FeeCorrectionBody(Asked):
    """The fees of `payee` that `payer` is billed, as a `finding` of M03 (its key) says; `actor` proposes for `party`, one of the two."""

    finding: FindingKey
    payee: PartyText
    payer: PartyText
    note: Note = ""
    party: PartyText
    actor: Actor


class WriteOffAsked(Asked):
    """What of a billed CDR is given up, as nobody will pay it."""

    creditor: PartyText
    cdr_id: Text
    amount: AmountAsked
    reason: Reason
    note: Note = ""
    actor: Actor


class ConsentAsked(Asked):
    """Who consents (or refuses), and for which party."""

    actor: Actor
    party: PartyText


class ApprovalAsked(Asked):
    """Who approves (or refuses): not who proposed it."""

    actor: Actor


# --- what is answered ---


class AmountShown(BaseModel):
    """An amount."""

    excl_vat: Money
    incl_vat: Money | None


class DisputeShown(BaseModel):
    """A dispute: its state, when silence decides and against whom, and which side gave way in the end."""

    id: int
    creditor: str
    debtor: str
    cdr_key: str
    currency: str
    amount: AmountShown
    reason: Reason
    state: Stage
    yielded: str | None
    turn: str | None
    due_at: DateTime
    statement: str
    period: str
    kept_out_of_netting: bool
    opened_at: DateTime


class StepShown(BaseModel):
    """A step: the state that it led to, who made it, why and when."""

    state: Stage
    actor: str
    note: str
    made_at: DateTime


class DisputeTold(DisputeShown):
    """A dispute with all its steps."""

    steps: list[StepShown]


class AdjustmentShown(BaseModel):
    """An adjustment pair, a corrected fee or a write-off: proposed, agreed or refused; `period` is the one in which it counts.

    `owner` is whose CDR it is: the creditor, but for fees.

    `statement` is the advised one that it stands on; `reverses` the one that it takes back, because a credit CDR came in its place.
    """

    id: int
    kind: str
    owner: str
    creditor: str
    debtor: str
    cdr_id: str
    currency: str
    amount: AmountShown
    reason: str
    note: str
    state: str
    proposed_by: str
    proposed_for: str | None
    proposed_at: DateTime
    answered_by: str
    answered_at: DateTime | None
    dispute: int | None
    period: str | None
    statement: str | None
    reverses: int | None


class LinkShown(BaseModel):
    """One CDR of a correction: its id, its period, what becomes of it and its total."""

    cdr_id: str
    period: str
    disposition: str
    amount: AmountShown


class CorrectionShown(BaseModel):
    """A CDR, its credit, and the CDR that replaces it (null where none came within the days for it)."""

    creditor: str
    debtor: str
    currency: str
    session_key: str | None
    original: LinkShown
    credit: LinkShown
    replacement: LinkShown | None


DisputeSort = Literal["due", "-due", "amount", "-amount", "opened", "-opened"]


class DisputeFilters(Filters):
    """Which disputes are wanted; `phase`: those that go on, or all that were raised in time.

    They began at `opened_from` or later, and before `opened_before`.
    """

    creditor: PartyText | None = None
    debtor: PartyText | None = None
    currency: Text | None = None
    state: Stage | None = None
    phase: Literal["open", "raised"] | None = None
    period: Text | None = None
    statement: Text | None = None
    cdr_id: Text | None = None
    opened_from: DateTime | None = None
    opened_before: DateTime | None = None
    sort: DisputeSort | None = None

    def query(self) -> DisputeQuery:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(DISPUTE_SORTS, self, DISPUTES_BY_NUMBER)
        return DisputeQuery(
            creditor=self.creditor,
            debtor=self.debtor,
            currency=fold(self.currency) if self.currency else None,
            state=self.state,
            phase=self.phase,
            period=self.period,
            statement=self.statement,
            opened_from=self.opened_from,
            opened_before=self.opened_before,
            cdr_key=fold(self.cdr_id) if self.cdr_id else None,
            order=order,
            after=after,
            most=self.limit + 1,
        )


@dataclass(frozen=True, slots=True)
class DisputesDesk:
    """What requests about disputes and corrections are carried out with."""

    room: DisputeRoom
    corrections: CorrectionDesk


def disputes_router(desk: DisputesDesk, admin_token: str | None) -> APIRouter:
    """The routes under `/settlement` about disputes and corrections, open to the admin token only."""
    router = settlement_routes(admin_token)
    _add_disputes(router, desk.room)
    _add_adjustments(router, desk.corrections)
    _add_write_offs(router, desk.corrections)
    _add_corrections(router, desk.corrections)
    return router


def _add_disputes(router: APIRouter, room: DisputeRoom) -> None:
    @router.get("/disputes")
    async def list_disputes(filters: Annotated[DisputeFilters, Query()]) -> Page[DisputeShown]:
        """Disputes by number, or in another order (`sort`, descending with a minus; amounts one currency after the other).

        Also those that were refused because they came too late.
        """
        return await dispute_page(room, filters)

    @router.post("/disputes", status_code=201)
    async def dispute(asked: NewDisputeAsked) -> DisputeTold:
        """Dispute a CDR on an advised statement, or a part of what is billed for it, while the window of its agreement is open.

        409 for more than its line, and for what comes too late; the latter stays listed as refused.
        """
        with told():
            return tell(await room.open(read_dispute(asked)))

    @router.get("/disputes/{dispute_id}")
    async def show(dispute_id: Number) -> DisputeTold:
        """A dispute with all its steps."""
        with told():
            return tell(await room.show(dispute_id))

    @router.post("/disputes/{dispute_id}/{step}")
    async def step_on(dispute_id: Number, step: Step, asked: StepAsked) -> DisputeTold:
        """Raise a draft, counter, insist, concede, withdraw, go to arbitration; the hub upholds or dismisses what is there."""
        with told():
            return tell(await room.step(dispute_id, step, asked.actor, asked.note))


def _add_adjustments(router: APIRouter, desk: CorrectionDesk) -> None:
    @router.get("/adjustments")
    async def list_adjustments(
        kind: Kind | None = None,
        creditor: PartyText | None = None,
        debtor: PartyText | None = None,
        state: str | None = None,
        period: str | None = None,
        after: After = None,
        limit: Limit = PAGE_ROWS,
    ) -> Page[AdjustmentShown]:
        """Adjustments, corrected fees and write-offs by number."""
        query = AdjustmentQuery(
            kind=kind,
            creditor=creditor,
            debtor=debtor,
            state=state,
            period=period,
            after=_number(after),
            most=limit + 1,
        )
        return page_of(await desk.page(query), limit, show_adjustment, lambda kept: (str(kept.id),))

    @router.post("/adjustments", status_code=201)
    async def propose_adjustment(asked: AdjustmentAsked) -> AdjustmentShown:
        """Propose an adjustment pair in the place of a credit CDR; it counts once the other party consents."""
        with told():
            return show_adjustment(await desk.propose(read_adjustment(asked)))

    @router.post("/fee-corrections", status_code=201)
    async def correct_fee(asked: FeeCorrectionBody) -> AdjustmentShown:
        """Propose what is lacking of a fee on an advised statement, or too much of it; it counts once the other party consents.

        404 where no such finding (M03) is so now, 409 where nothing is lacking, or somebody proposed it already.
        """
        with told():
            return show_adjustment(await desk.propose_fee(read_fee_correction(asked)))

    @router.post("/adjustments/{adjustment_id}/consent")
    async def consent(adjustment_id: Number, asked: ConsentAsked) -> AdjustmentShown:
        """The other party consents: the adjustment is posted in the open period."""
        with told():
            party = Party.parse(asked.party)
            return show_adjustment(await desk.answer(adjustment_id, Answer.AGREED, asked.actor, party))

    @router.post("/adjustments/{adjustment_id}/refuse")
    async def refuse(adjustment_id: Number, asked: ConsentAsked) -> AdjustmentShown:
        """Either party refuses, or takes it back: nothing is posted."""
        with told():
            party = Party.parse(asked.party)
            return show_adjustment(await desk.answer(adjustment_id, Answer.REFUSED, asked.actor, party))


def _add_write_offs(router: APIRouter, desk: CorrectionDesk) -> None:
    @router.post("/write-offs", status_code=201)
    async def propose_write_off(asked: WriteOffAsked) -> AdjustmentShown:
        """Propose to give up a billed amount that nobody will pay; listed with the adjustments."""
        wanted = CorrectionAsked(
            kind=Kind.WRITE_OFF,
            name=_name(asked.creditor, asked.cdr_id),
            amount=asked.amount.as_amount(),
            reason=asked.reason,
            note=asked.note,
            actor=asked.actor,
        )
        with told():
            return show_adjustment(await desk.propose(wanted))

    @router.post("/write-offs/{adjustment_id}/approve")
    async def approve(adjustment_id: Number, asked: ApprovalAsked) -> AdjustmentShown:
        """The second approval, by another person: the amount is written off."""
        with told():
            return show_adjustment(await desk.answer(adjustment_id, Answer.AGREED, asked.actor, None))

    @router.post("/write-offs/{adjustment_id}/refuse")
    async def refuse(adjustment_id: Number, asked: ApprovalAsked) -> AdjustmentShown:
        """It is not written off."""
        with told():
            return show_adjustment(await desk.answer(adjustment_id, Answer.REFUSED, asked.actor, None))


def _add_corrections(router: APIRouter, desk: CorrectionDesk) -> None:
    @router.get("/corrections")
    async def list_corrections(
        creditor: PartyText | None = None,
        debtor: PartyText | None = None,
        period: str | None = None,
        after: After = None,
        limit: Limit = PAGE_ROWS,
    ) -> Page[CorrectionShown]:
        """Credits, each with the CDR that it credits and the one that replaces that (J04)."""
        place = read_parts(read_cursor(after, 2), lambda parts: (parts[0], parts[1])) or ("", "")
        query = CorrectionQuery(creditor=creditor, debtor=debtor, period=period, after=place, most=limit + 1)
        found = await desk.chains(query)
        return page_of(found, limit, show_correction, lambda one: (one.creditor, one.credit_key))


# --- from requests and to answers ---


async def dispute_page(room: DisputeRoom, filters: DisputeFilters) -> Page[DisputeShown]:
    """A page of disputes."""
    query = filters.query()
    return placed_page(await room.page(query), filters.limit, show_dispute, query.order)


def read_dispute(asked: NewDisputeAsked) -> DisputeAsked:
    """What is asked for, as a value."""
    return DisputeAsked(
        name=_name(asked.creditor, asked.cdr_id),
        amount=asked.amount.as_amount() if asked.amount else None,
        reason=asked.reason,
        note=asked.note,
        actor=asked.actor,
        is_draft=asked.draft,
    )


def read_adjustment(asked: AdjustmentAsked) -> CorrectionAsked:
    """What is asked for, as a value. Raises InvalidParameters for a party that is neither of the two."""
    if asked.party not in {asked.creditor, asked.debtor}:
        raise InvalidParameters("party: is neither the creditor nor the debtor")
    return CorrectionAsked(
        kind=Kind.ADJUSTMENT,
        name=_name(asked.creditor, asked.cdr_id),
        amount=asked.amount.as_amount(),
        reason=asked.reason,
        note=asked.note,
        actor=asked.actor,
        party=Party.parse(asked.party),
    )


def read_fee_correction(asked: FeeCorrectionBody) -> FeeCorrectionAsked:
    """What is asked for, as a value. Raises InvalidParameters for a party that is neither of the two."""
    if asked.party not in {asked.payee, asked.payer}:
        raise InvalidParameters("party: is neither the payee nor the payer")
    return FeeCorrectionAsked(
        finding=asked.finding,
        payee=Party.parse(asked.payee),
        payer=Party.parse(asked.payer),
        party=Party.parse(asked.party),
        note=asked.note,
        actor=asked.actor,
    )


def show_dispute(kept: KeptDispute) -> DisputeShown:
    """A dispute as it is shown."""
    return DisputeShown(**_dispute_fields(kept))


def tell(shown: Shown) -> DisputeTold:
    """A dispute with its steps as it is shown."""
    steps = [StepShown.model_validate(step, from_attributes=True) for step in shown.steps]
    return DisputeTold(**_dispute_fields(shown.kept), steps=steps)


def _dispute_fields(kept: KeptDispute) -> dict[str, Any]:
    copied = (
        "id",
        "creditor",
        "debtor",
        "cdr_key",
        "currency",
        "reason",
        "state",
        "due_at",
        "statement",
        "period",
        "opened_at",
    )
    return {
        **{name: getattr(kept, name) for name in copied},
        "amount": AmountShown(excl_vat=kept.excl_vat, incl_vat=kept.incl_vat),
        "yielded": kept.yielded or None,
        "turn": dispute_in(kept).silent_side,
        "kept_out_of_netting": bool(kept.posted_in),
    }


def show_adjustment(kept: KeptAdjustment) -> AdjustmentShown:
    """An adjustment as it is shown."""
    fields = {name: getattr(kept, name) for name in AdjustmentShown.model_fields if name != "amount"}
    amount = AmountShown(excl_vat=kept.excl_vat, incl_vat=kept.incl_vat)
    return AdjustmentShown(**{**fields, "proposed_for": kept.proposed_for or None}, amount=amount)


def show_correction(found: Correction) -> CorrectionShown:
    """A correction as it is shown."""
    return CorrectionShown(
        creditor=found.creditor,
        debtor=found.debtor,
        currency=found.currency,
        session_key=found.session_key,
        original=_link(found, "original", found.original_disposition),
        credit=_link(found, "credit", found.credit_disposition),
        replacement=_link(found, "replacement", found.replacement_disposition or "") if found.replacement else None,
    )


def _link(found: Correction, which: str, disposition: str) -> LinkShown:
    excl_vat, incl_vat = getattr(found, f"{which}_excl_vat"), getattr(found, f"{which}_incl_vat")
    return LinkShown(
        cdr_id=getattr(found, which),
        period=getattr(found, f"{which}_period"),
        disposition=disposition,
        amount=AmountShown(excl_vat=excl_vat, incl_vat=incl_vat),
    )


def _name(creditor: str, cdr_id: str) -> tuple[str, str]:
    return (creditor, fold(cdr_id))


def _number(after: str | None) -> int:
    """The number behind which a page begins. Raises InvalidParameters."""
    return read_parts(read_cursor(after, 1), lambda parts: min(int(parts[0]), INT_MAX)) or 0
