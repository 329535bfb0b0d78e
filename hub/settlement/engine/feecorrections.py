"""Corrections of fees on advised statements: proposed from what M03 found, of the amount that it lacks; never of another one.

The fees of the CDR are computed again when a correction is proposed, and once more when it is agreed to. Once it is, M03 counts it as
billed, so that the finding goes and its month can be closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub.settlement.disputes import Reason
from hub.settlement.engine.disputes import DisputeRoom, NotBilled, pair_of
from hub.settlement.engine.feelook import Compared, FeeCheck
from hub.settlement.fees import fee_in_words
from hub.settlement.netting import Amount, Pair
from hub.settlement.periods import NotNow
from hub.store.corrections import Corrections, KeptAdjustment
from hub.store.disputes import BilledCdr
from ocpi_modules.parties import Party

FEE = "fee"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeCorrectionAsked:
    """A proposal from a finding of M03 (its key): which of its fees, and the one of payee and payer for whom `actor` speaks."""

    finding: str
    payee: Party
    payer: Party
    party: Party
    note: str
    actor: str


class FeeCorrections:
    """Takes proposals that correct fees, and sees to it that they are still due when they are agreed to."""

    def __init__(self, room: DisputeRoom, corrections: Corrections, check: FeeCheck) -> None:
        self._room, self._corrections, self._check = room, corrections, check

    async def propose(self, asked: FeeCorrectionAsked) -> KeptAdjustment:
        """Keep a proposal of just what is lacking. Raises NotBilled (no such finding, no advised statement), and NotNow."""
        if asked.party not in {asked.payee, asked.payer}:
            raise NotNow(f"{asked.party} is neither {asked.payee} nor {asked.payer}")
        name = await self._check.book.told_of(asked.finding)
        if name is None:
            raise NotBilled(f"no finding {asked.finding} says that fees are wrong now")
        kept = self._proposed(asked, await self._room.bill_of(name))
        seen = await self._corrections.of_fee(kept)
        _require_none_open(kept, seen)
        compared = await self._compared(kept)
        kept = _with_amount(kept, compared, asked.note)
        number = await self._corrections.propose_fee(kept, [number for number, _ in seen])
        if number is None:
            raise NotNow("somebody else proposed to correct that fee at the same time: look again")
        return replace(kept, id=number)

    async def require_due(self, kept: KeptAdjustment) -> None:
        """Raises NotNow where another amount is due by now: an agreement changed, or the fee did."""
        due = (await self._compared(kept)).lacking(pair_of(kept))
        if due != Amount(kept.excl_vat, kept.incl_vat):
            raise NotNow(
                f"{due.excl_vat:f} {kept.currency} without VAT is due by now, not {kept.excl_vat:f}: refuse it and propose it anew"
            )

    async def look_again(self, kept: KeptAdjustment) -> None:
        """Have M03 count a correction at once."""
        period = (await self._room.bill_of(kept.name)).period
        await self._check.look_at([kept.name], period, await self._check.agreements())

    async def _compared(self, kept: KeptAdjustment) -> Compared:
        return await self._check.compared(kept.name, (await self._room.bill_of(kept.name)).period)

    def _proposed(self, asked: FeeCorrectionAsked, bill: BilledCdr) -> KeptAdjustment:
        return KeptAdjustment(
            kind=FEE,
            owner=bill.creditor,
            creditor=str(asked.payee),
            debtor=str(asked.payer),
            cdr_key=bill.cdr_key,
            cdr_id=bill.cdr_id,
            currency=bill.currency,
            excl_vat=Amount().excl_vat,
            incl_vat=Amount().incl_vat,
            reason=str(Reason.OTHER),
            note="",
            state="proposed",
            proposed_by=asked.actor,
            proposed_for=str(asked.party),
            proposed_at=self._check.clock.now(),
        )


def _require_none_open(kept: KeptAdjustment, seen: list[tuple[int, str]]) -> None:
    for number, state in seen:
        if state == "proposed":
            raise NotNow(
                f"adjustment {number} is proposed already for the fees of {kept.creditor} for CDR {kept.cdr_id}"
            )


def _with_amount(kept: KeptAdjustment, compared: Compared, note: str) -> KeptAdjustment:
    """A proposal with what is lacking, and why. Raises NotNow where nothing is."""
    pair: Pair = pair_of(kept)
    amount = compared.lacking(pair)
    if amount.is_nothing:
        raise NotNow(f"the fees of {pair.creditor} that {pair.debtor} is billed for CDR {kept.cdr_id} are as agreed")
    said = fee_in_words(pair, compared.billed.get(pair, Amount()), compared.agreed.get(pair, Amount()))
    words = f"{said}. {note}".strip()
    return replace(kept, excl_vat=amount.excl_vat, incl_vat=amount.incl_vat, note=words)
