"""Corrections of what was billed where no credit can come: adjustment pairs that both parties agree to, the same for fees, and write-offs
with two approvals.

Nothing billed is changed: an adjustment counts in the period that is open when it is agreed to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from hub.settlement.disputes import Reason, fits
from hub.settlement.engine.disputes import CREDIT, DisputeRoom, NotBilled, pair_of, require_uncredited
from hub.settlement.engine.feecorrections import FEE, FeeCorrectionAsked, FeeCorrections
from hub.settlement.engine.feelook import FeeCheck
from hub.settlement.engine.records import entry_lines
from hub.settlement.journal import Entry, adjusted, written_off
from hub.settlement.netting import Amount
from hub.settlement.people import require_another
from hub.settlement.periods import NotNow, State
from hub.store.books import LISTED_MAX
from hub.store.corrections import (
    AdjustmentQuery,
    Correction,
    CorrectionQuery,
    Corrections,
    KeptAdjustment,
    Superseded,
)
from hub.store.disputes import BilledCdr
from hub.store.journal import EntryLines
from hub.store.verdicts import Name
from ocpi_modules.parties import Party

SUPERSEDED_BATCH_MAX = 100

_WRITABLE_OFF = frozenset({State.CUT_OFF, State.ADVISED})


class Kind(StrEnum):
    """What corrects a bill."""

    ADJUSTMENT = "adjustment"
    FEE = FEE
    WRITE_OFF = "write_off"


class Answer(StrEnum):
    """What becomes of a proposal."""

    AGREED = "agreed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionAsked:
    """A proposal. `amount` is what the debtor owes more, or what is written off; `party` the one for whom `actor` speaks."""

    kind: Kind
    name: Name
    amount: Amount
    reason: Reason
    note: str
    actor: str
    party: Party | None = None


class CorrectionDesk:
    """Takes proposals and what is answered to them."""

    def __init__(self, room: DisputeRoom, corrections: Corrections, fees: FeeCheck) -> None:
        self._room, self._corrections, self._clock = room, corrections, fees.clock
        self._fees = FeeCorrections(room, corrections, fees)

    async def propose(self, asked: CorrectionAsked) -> KeptAdjustment:
        """Keep a proposal. Raises NotBilled, and NotNow for what cannot be proposed."""
        if asked.kind is Kind.FEE:
            raise NotNow("a fee is corrected by what was found about it")
        bill = await self._room.bill_of(asked.name)
        require_uncredited(bill)
        if asked.reason is Reason.OTHER and not asked.note.strip():
            raise NotNow("the reason OTHER needs a note that says what it is")
        if asked.kind is Kind.ADJUSTMENT and str(asked.party or "") not in {bill.creditor, bill.debtor}:
            raise NotNow(f"{asked.party} is neither {bill.creditor} nor {bill.debtor}")
        _require_sense(asked, bill)
        kept = _proposed(asked, bill, self._clock.now())
        number = await self._corrections.propose(kept, lambda *taken: _has_room(asked, bill, Amount(*taken)))
        if number is None:
            raise NotNow(f"that is more than what is left of what is billed for CDR {bill.cdr_id}")
        return replace(kept, id=number)

    async def propose_fee(self, asked: FeeCorrectionAsked) -> KeptAdjustment:
        """Keep a proposal that corrects a fee, of what it lacks. Raises NotBilled, and NotNow for what cannot be proposed."""
        return await self._fees.propose(asked)

    async def answer(self, adjustment: int, answer: Answer, actor: str, party: Party | None) -> KeptAdjustment:
        """Agree to a proposal, or refuse it. Raises NotBilled (no such proposal), NotNow, SamePerson."""
        kept = await self.one(adjustment)
        if kept.state != "proposed":
            raise NotNow(f"{kept.kind} {adjustment} is {kept.state} already")
        if answer is Answer.AGREED:
            require_another(actor, kept.proposed_by, "agree to what they proposed")
            _require_other_party(kept, party)
        period = await self._period_of(kept) if answer is Answer.AGREED else None
        answered = replace(kept, state=str(answer), answered_by=actor, answered_at=self._clock.now(), period=period)
        entries = [_entry_of(answered)] if answer is Answer.AGREED else []
        if not await self._corrections.answer(answered, [*map(entry_lines, entries)], self._clock.now()):
            raise NotNow(
                f"{kept.kind} {adjustment} was answered, or its period took a step, at the same time: look again"
            )
        if kept.kind == Kind.FEE and answer is Answer.AGREED:
            await self._fees.look_again(answered)
        return answered

    async def turn_superseded(self) -> int:
        """Take corrections back where a credit came in their place, and put them back where that is held; returns how many.

        So a CDR, its credit and its replacement always come to the replacement, whatever was corrected before (invariant 4).
        """
        found = await self._corrections.superseded(SUPERSEDED_BATCH_MAX)
        period = await self._room.open_period() if found else ""
        for one in found:
            kept = _turned(one, period, self._clock.now())
            await self._corrections.turn(one, kept, partial(_turn_entry, kept), self._clock.now())
        return len(found)

    async def one(self, adjustment: int) -> KeptAdjustment:
        """One of them. Raises NotBilled."""
        kept = await self._corrections.one(adjustment)
        if kept is None:
            raise NotBilled(f"there is no adjustment {adjustment}")
        return kept

    async def page(self, query: AdjustmentQuery) -> list[KeptAdjustment]:
        """Adjustments and write-offs by number."""
        return await self._corrections.page(replace(query, most=min(query.most, LISTED_MAX)))

    async def chains(self, query: CorrectionQuery) -> list[Correction]:
        """Credits with what they credit and what replaces it."""
        return await self._corrections.chains(replace(query, most=min(query.most, LISTED_MAX)))

    async def _period_of(self, kept: KeptAdjustment) -> str:
        if kept.kind == Kind.FEE:
            await self._fees.require_due(kept)
            return await self._room.open_period()
        bill = await self._room.bill_of(kept.name)
        require_uncredited(bill)
        if kept.kind == Kind.ADJUSTMENT:
            return await self._room.open_period()
        if State(bill.period_state) not in _WRITABLE_OFF:
            raise NotNow(f"period {bill.period} is {bill.period_state}: what was netted is not written off CDR by CDR")
        return bill.period


def _proposed(asked: CorrectionAsked, bill: BilledCdr, now: datetime) -> KeptAdjustment:
    return KeptAdjustment(
        kind=str(asked.kind),
        owner=bill.creditor,
        creditor=bill.creditor,
        debtor=bill.debtor,
        cdr_key=bill.cdr_key,
        cdr_id=bill.cdr_id,
        currency=bill.currency,
        excl_vat=asked.amount.excl_vat,
        incl_vat=asked.amount.incl_vat,
        reason=str(asked.reason),
        note=asked.note,
        state="proposed",
        proposed_by=asked.actor,
        proposed_for=str(asked.party or ""),
        proposed_at=now,
    )


def _require_sense(asked: CorrectionAsked, bill: BilledCdr) -> None:
    """Raises NotNow for an amount of nothing, one with two signs, or a write-off of less than nothing."""
    excl_vat, incl_vat = asked.amount.excl_vat, asked.amount.incl_vat
    if asked.amount.is_nothing or excl_vat * incl_vat < 0:
        raise NotNow(f"an amount of {excl_vat:f} without and {incl_vat:f} with VAT corrects nothing")
    if asked.kind is Kind.WRITE_OFF and min(excl_vat, incl_vat) < 0:
        raise NotNow("what is written off is more than nothing")
    if bill.excl_vat < 0 and asked.kind is Kind.WRITE_OFF:
        raise NotNow(f"CDR {bill.cdr_id} is a credit: there is nothing to write off")


def _has_room(asked: CorrectionAsked, bill: BilledCdr, taken: Amount) -> bool:
    """Whether a proposal takes no more than is left of the bill; what the debtor owes more takes nothing."""
    wanted = asked.amount if asked.kind is Kind.WRITE_OFF else -asked.amount
    if min(wanted.excl_vat, wanted.incl_vat) < 0:
        return True
    return fits(wanted, Amount(bill.excl_vat, bill.incl_vat), taken)


def _require_other_party(kept: KeptAdjustment, party: Party | None) -> None:
    """Raises NotNow where an adjustment is agreed to by anybody but the other party; a write-off is the hub's own affair."""
    if kept.kind == Kind.WRITE_OFF:
        return
    other = kept.creditor if kept.proposed_for == kept.debtor else kept.debtor
    if str(party or "") != other:
        raise NotNow(f"it is for {other} to agree to what {kept.proposed_for} proposed")


def _entry_of(kept: KeptAdjustment) -> Entry:
    pair, amount, people = pair_of(kept), Amount(kept.excl_vat, kept.incl_vat), (kept.proposed_by, kept.answered_by)
    assert kept.period is not None, "what is agreed to counts in a period"
    if kept.kind == Kind.WRITE_OFF:
        return written_off(f"write-off-{kept.id}", pair, amount, kept.period, people, kept.reason)
    return adjusted(f"adjustment-{kept.id}", pair, amount, kept.period, people)


def _turned(found: Superseded, period: str, now: datetime) -> KeptAdjustment:
    """What takes a correction back, or puts it back: an adjustment in the open period."""
    kept = found.kept
    owed = (
        Amount(kept.excl_vat, kept.incl_vat) if kept.kind == Kind.ADJUSTMENT else -Amount(kept.excl_vat, kept.incl_vat)
    )
    amount = -owed if found.is_credited else owed
    said = f"CDR {found.credit_id} credits CDR {kept.cdr_id}" if found.is_credited else f"CDR {found.credit_id} is held"
    return replace(
        kept,
        id=None,
        kind=str(Kind.ADJUSTMENT),
        excl_vat=amount.excl_vat,
        incl_vat=amount.incl_vat,
        note=f"{said}: in the place of {kept.kind} {kept.id}",
        proposed_by=CREDIT,
        proposed_for=kept.creditor,
        proposed_at=now,
        answered_by=CREDIT,
        answered_at=now,
        dispute=None,
        period=period,
        statement=None,
        reverses=kept.id,
    )


def _turn_entry(kept: KeptAdjustment, number: int) -> EntryLines:
    assert kept.period is not None, "what is taken back counts in a period"
    amount = Amount(kept.excl_vat, kept.incl_vat)
    return entry_lines(adjusted(f"reversal-{number}", pair_of(kept), amount, kept.period, (CREDIT, kept.note)))
