"""Disputes of what was billed, as they go on: who may do what, what it does to the books, and the clock that ends silence.

An amount that is disputed before its period is netted stays out of that netting. Whoever wins, nothing billed is changed: what is owed
after all is netted with the next period where its own is done, what is not is adjusted there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from hub.clock import Clock
from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.disputes import (
    Dispute,
    Reason,
    Side,
    Stage,
    Step,
    acting_side,
    credited,
    expired,
    fits,
    stepped,
    window_end,
)
from hub.settlement.engine.records import entry_lines
from hub.settlement.engine.settler import Books, read_period
from hub.settlement.facts import read_cdr
from hub.settlement.journal import Entry, adjusted, disputed, resolved
from hub.settlement.netting import Amount, Pair
from hub.settlement.people import require_another
from hub.settlement.periods import NotNow, State, counts_in
from hub.store.books import LISTED_MAX
from hub.store.corrections import KeptAdjustment
from hub.store.disputes import BilledCdr, DisputeBook, DisputeMove, DisputeQuery, KeptDispute, KeptStep
from hub.store.ordering import Placed
from hub.store.periods import KeptPeriod
from hub.store.verdicts import Name
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, fold

EXPIRED_BATCH_MAX_DISPUTES = 100
CREDITED_BATCH_MAX_DISPUTES = 100
SILENCE = "silence"
CREDIT = "credit"

_BEFORE_NETTING = frozenset({State.OPEN, State.CUT_OFF, State.ADVISED})

_log = structlog.get_logger()


class NotBilled(LookupError):
    """There is no such dispute, or no statement bills such a CDR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeAsked:
    """What a debtor wants to dispute; `amount` None is all that is billed for the CDR."""

    name: Name
    amount: Amount | None
    reason: Reason
    note: str
    actor: str
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A dispute with its steps and the CDR as its owner spells its id."""

    kept: KeptDispute
    steps: tuple[KeptStep, ...]


class DisputeRoom:
    """Opens disputes, takes them from step to step, and ends those in which a side is silent."""

    def __init__(self, books: Books, book: DisputeBook, clock: Clock) -> None:
        self._books, self._book, self._clock = books, book, clock

    async def open(self, asked: DisputeAsked) -> Shown:
        """Dispute what is billed for a CDR. Raises NotBilled, and NotNow for too much or too late; what is too late is kept to be seen."""
        if asked.reason is Reason.OTHER and not asked.note.strip():
            raise NotNow("the reason OTHER needs a note that says what it is")
        bill, now = await self.bill_of(asked.name), self._clock.now()
        require_uncredited(bill)
        agreement = await self._agreement_of(bill)
        days = agreement.dispute_window_days
        amount = asked.amount or Amount(bill.excl_vat, bill.incl_vat)
        dispute = _opened(
            asked,
            closes_at=window_end(bill.billed_at, days),
            now=now,
            answer_within=timedelta(days=agreement.dispute_answer_days),
        )
        is_late = dispute.stage is Stage.REFUSED
        kept = replace(_kept_dispute(bill, asked, amount, dispute), id=await self._book.new_id(), opened_at=now)
        step = KeptStep(state=str(dispute.stage), actor=asked.actor, note=asked.note, made_at=now)
        entries = [_disputed(kept)] if kept.posted_in else []
        move = DisputeMove(kept=kept, step=step, period_state=bill.period_state, entries=[*map(entry_lines, entries)])
        line = Amount(bill.excl_vat, bill.incl_vat)
        if not await self._book.open(move, lambda excl, incl: is_late or fits(amount, line, Amount(excl, incl))):
            raise NotNow(await self._why_not(kept, bill))
        if is_late:
            raise NotNow(
                f"CDR {bill.cdr_id} was billed on {bill.billed_at:%Y-%m-%d}: its window of {days} days is over"
            )
        return await self.show(kept.id)

    async def step(self, dispute: int, step: Step, actor: str, note: str) -> Shown:
        """Take a step. Raises NotBilled (no such dispute), NotNow, and SamePerson where somebody sits on both sides."""
        shown = await self.show(dispute)
        before = read_dispute(shown.kept)
        now = self._clock.now()
        agreement = await self._agreement_of(await self.bill_of(shown.kept.name))
        after = stepped(before, step, now, timedelta(days=agreement.dispute_answer_days))
        _require_other_side(shown.steps, before, step, actor)
        await self._move(shown, after, KeptStep(state=str(after.stage), actor=actor, note=note, made_at=now))
        return await self.show(dispute)

    async def expire_due(self) -> int:
        """End the disputes in which a side was silent for too long; returns how many."""
        now = self._clock.now()
        due = await self._book.due(now, EXPIRED_BATCH_MAX_DISPUTES)
        for kept in due:
            after = expired(read_dispute(kept), now)
            if after is not None:
                step = KeptStep(state=str(after.stage), actor=SILENCE, note=f"{after.yielded} was silent", made_at=now)
                await self._move_if_still(await self.show(kept.id), after, step)
        return len(due)

    async def concede_credited(self) -> int:
        """End the disputes of CDRs that their creditor credited meanwhile; returns how many."""
        found = await self._book.credited(CREDITED_BATCH_MAX_DISPUTES)
        for number, credit_id in found:
            shown = await self.show(number)
            before = read_dispute(shown.kept)
            if not before.is_over:
                after, note = credited(before), f"CDR {credit_id} credits it"
                step = KeptStep(state=str(after.stage), actor=CREDIT, note=note, made_at=self._clock.now())
                await self._move_if_still(shown, after, step)
        return len(found)

    async def show(self, dispute: int) -> Shown:
        """A dispute. Raises NotBilled."""
        kept = await self._book.one(dispute)
        if kept is None:
            raise NotBilled(f"there is no dispute {dispute}")
        return Shown(kept, tuple(await self._book.steps(dispute)))

    async def page(self, query: DisputeQuery) -> list[Placed[KeptDispute]]:
        """Disputes in their order."""
        return await self._book.page(replace(query, most=min(query.most, LISTED_MAX)))

    async def bill_of(self, name: Name) -> BilledCdr:
        """What is billed for a CDR. Raises NotBilled."""
        bill = await self._book.billed((name[0], fold(name[1])))
        if bill is None:
            raise NotBilled(f"no advised statement bills a CDR {name[1]} of {name[0]}")
        return bill

    async def open_period(self) -> str:
        """The period that takes corrections now; it is added where it is not there yet."""
        known = [read_period(kept) for kept in await self._books.periods.load()]
        period = counts_in(None, self._clock.now(), known)
        if period not in known:
            row = KeptPeriod(period.id, period.start, period.end, period.closes_at, str(period.state))
            await self._books.periods.add([row], self._clock.now())
        return period.id

    async def period_state(self, period: str) -> str:
        """How far a period is."""
        return next(kept.state for kept in await self._books.periods.load() if kept.id == period)

    async def _why_not(self, kept: KeptDispute, bill: BilledCdr) -> str:
        now = await self.bill_of(kept.name)
        if now.period_state != bill.period_state:
            return f"period {bill.period} became {now.period_state} at the same time: try again"
        return f"{kept.excl_vat:f} {kept.currency} is more than can still be disputed of CDR {bill.cdr_id}"

    async def _move_if_still(self, shown: Shown, after: Dispute, step: KeptStep) -> None:
        try:
            await self._move(shown, after, step)
        except NotNow:  # somebody made a step in the same moment
            _log.info("dispute_went_on", dispute=shown.kept.id)

    async def _move(self, shown: Shown, after: Dispute, step: KeptStep) -> None:
        kept, state = shown.kept, await self.period_state(shown.kept.period)
        moved = replace(kept, state=str(after.stage), yielded=str(after.yielded or ""), due_at=after.due_at)
        entries: list[Entry] = []
        adjustments: list[KeptAdjustment] = []
        posts_in = ""
        if after.stage is Stage.RAISED:
            moved = replace(moved, posted_in=kept.period if State(state) in _BEFORE_NETTING else "")
            entries = [_disputed(moved)] if moved.posted_in else []
        elif after.is_over and kept.state != Stage.DRAFT:
            posts_in = await self._ends_in(kept, after, State(state))
            entries, adjustments = await self._ended(shown, after, step, posts_in)
        move = DisputeMove(
            kept=moved,
            step=step,
            period_state=state,
            posts_in="" if posts_in == kept.posted_in else posts_in,
            entries=[*map(entry_lines, entries)],
            adjustments=adjustments,
        )
        if not await self._book.step(move, kept.state):
            raise NotNow("somebody else made a step of this dispute or of its period at the same time: look again")

    async def _ends_in(self, kept: KeptDispute, after: Dispute, state: State) -> str:
        """The period in which the end of a dispute counts: its own where that is not netted and the amount is owed, else the open one."""
        is_in_its_own = after.is_owed and kept.posted_in and state in _BEFORE_NETTING
        return kept.posted_in if is_in_its_own else await self.open_period()

    async def _ended(
        self, shown: Shown, after: Dispute, step: KeptStep, period: str
    ) -> tuple[list[Entry], list[KeptAdjustment]]:
        """What the end of a dispute adds to the books."""
        kept, pair, amount = shown.kept, pair_of(shown.kept), Amount(shown.kept.excl_vat, shown.kept.incl_vat)
        if after.is_owed:
            return ([resolved(str(kept.id), pair, amount, period)] if kept.posted_in else []), []
        consents = (shown.steps[0].actor, step.actor)
        back = [resolved(str(kept.id), pair, amount, period)] if kept.posted_in else []
        entry = adjusted(f"dispute-{kept.id}", pair, -amount, period, consents)
        bill = await self.bill_of(kept.name)
        return [*back, entry], [_adjustment_of(shown, step, period, bill.cdr_id)]

    async def _agreement_of(self, bill: BilledCdr) -> Agreement:
        """The agreement under which a CDR was charged."""
        (received,) = await self._books.verdicts.cdrs([(bill.creditor, bill.cdr_key)])
        cdr = read_cdr(0, received.received_at, received.debtor, decode_json(received.text))
        return Agreements(await self._books.terms.active()).of(cdr)


def require_uncredited(bill: BilledCdr) -> None:
    """Raises NotNow for a CDR that is credited: nothing of it is owed."""
    if bill.credit_id is not None:
        raise NotNow(f"CDR {bill.credit_id} credits CDR {bill.cdr_id}: there is nothing left to correct")


def read_dispute(kept: KeptDispute) -> Dispute:
    """A dispute out of its row."""
    return Dispute(Stage(kept.state), kept.due_at, Side(kept.yielded) if kept.yielded else None)


def pair_of(kept: KeptDispute | KeptAdjustment | BilledCdr) -> Pair:
    """Who is owed by whom, in which currency."""
    return Pair(Party.parse(kept.creditor), Party.parse(kept.debtor), kept.currency)


def _opened(asked: DisputeAsked, *, closes_at: datetime, now: datetime, answer_within: timedelta) -> Dispute:
    """A dispute at its beginning; one that comes too late is refused."""
    if now >= closes_at:
        return Dispute(Stage.REFUSED, closes_at)
    return Dispute(Stage.DRAFT, closes_at) if asked.is_draft else Dispute(Stage.RAISED, now + answer_within)


def _kept_dispute(bill: BilledCdr, asked: DisputeAsked, amount: Amount, dispute: Dispute) -> KeptDispute:
    is_posted = dispute.stage is Stage.RAISED and State(bill.period_state) in _BEFORE_NETTING
    return KeptDispute(
        id=0,
        creditor=bill.creditor,
        debtor=bill.debtor,
        cdr_key=bill.cdr_key,
        currency=bill.currency,
        excl_vat=amount.excl_vat,
        incl_vat=amount.incl_vat,
        reason=str(asked.reason),
        state=str(dispute.stage),
        yielded="",
        statement=bill.statement,
        period=bill.period,
        posted_in=bill.period if is_posted else "",
        due_at=dispute.due_at,
        opened_at=bill.billed_at,
    )


def _disputed(kept: KeptDispute) -> Entry:
    return disputed(str(kept.id), pair_of(kept), Amount(kept.excl_vat, kept.incl_vat), kept.posted_in)


def _adjustment_of(shown: Shown, step: KeptStep, period: str, cdr_id: str) -> KeptAdjustment:
    """The adjustment that a dispute leads to which the creditor lost: in the place of a credit."""
    kept = shown.kept
    return KeptAdjustment(
        kind="adjustment",
        owner=kept.creditor,
        creditor=kept.creditor,
        debtor=kept.debtor,
        cdr_key=kept.cdr_key,
        cdr_id=cdr_id,
        currency=kept.currency,
        excl_vat=kept.excl_vat.copy_negate(),
        incl_vat=kept.incl_vat.copy_negate(),
        reason=kept.reason,
        note=f"dispute {kept.id}",
        state="agreed",
        proposed_by=shown.steps[0].actor,
        proposed_for=kept.debtor,
        proposed_at=kept.opened_at,
        answered_by=step.actor,
        answered_at=step.made_at,
        dispute=kept.id,
        period=period,
    )


def _require_other_side(steps: Sequence[KeptStep], before: Dispute, step: Step, actor: str) -> None:
    """Raises SamePerson where somebody who acted for one side acts for the other one, or decides."""
    side = acting_side(before.stage, step)
    for earlier in steps:
        acted_for = _ACTED_FOR.get(Stage(earlier.state))
        if acted_for is not None and acted_for is not side:
            require_another(actor, earlier.actor, f"{step} a dispute in which they acted for the {acted_for}")


_ACTED_FOR = {
    Stage.DRAFT: Side.DEBTOR,
    Stage.RAISED: Side.DEBTOR,
    Stage.COUNTERED: Side.CREDITOR,
    Stage.INSISTED: Side.DEBTOR,
    Stage.ARBITRATION: Side.CREDITOR,
}
"""Who made the step that led to a stage."""
