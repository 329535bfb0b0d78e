"""Who pays whom: sums of settled claims as they are stated, never rounded, per party and currency; then the fewest simple transfers.

Positions add up to exactly zero in every currency. Transfers go from the largest debtor to the largest creditor, ties by party, so that
n parties need at most n - 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from hub.settlement.amounts import EXACT
from ocpi_modules.parties import Party

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Amount:
    """Money without and with VAT; where a claim states no `incl_vat`, its `excl_vat` counts for both."""

    excl_vat: Decimal = _ZERO
    incl_vat: Decimal = _ZERO

    def __add__(self, other: Amount) -> Amount:
        return Amount(EXACT.add(self.excl_vat, other.excl_vat), EXACT.add(self.incl_vat, other.incl_vat))

    def __neg__(self) -> Amount:
        return Amount(self.excl_vat.copy_negate(), self.incl_vat.copy_negate())

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is to be paid, either way."""
        return not self.excl_vat and not self.incl_vat


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Who is owed by whom, in which currency."""

    creditor: Party
    debtor: Party
    currency: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """What one claim or fee adds to a pair; `cdrs` is 1 for a CDR and 0 for a fee."""

    pair: Pair
    amount: Amount
    cdrs: int = 1


@dataclass(frozen=True, slots=True)
class Owed:
    """All that is owed within one pair."""

    amount: Amount = Amount()
    cdrs: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """One payment. Positive."""

    payer: Party
    payee: Party
    currency: str
    amount: Amount


def owed_by_pair(obligations: Iterable[Obligation]) -> dict[Pair, Owed]:
    """The sum of every pair, in the order of pairs. The order of obligations does not matter."""
    sums: defaultdict[Pair, Owed] = defaultdict(Owed)
    for one in obligations:
        before = sums[one.pair]
        sums[one.pair] = Owed(before.amount + one.amount, before.cdrs + one.cdrs)
    return {pair: sums[pair] for pair in sorted(sums)}


def positions(owed: Mapping[Pair, Owed]) -> dict[tuple[Party, str], Amount]:
    """What each party gets (positive) or pays (negative) in each currency, in that order; of everybody who is in a pair."""
    net: defaultdict[tuple[Party, str], Amount] = defaultdict(Amount)
    for pair, sums in owed.items():
        net[pair.creditor, pair.currency] += sums.amount
        net[pair.debtor, pair.currency] += -sums.amount
    return {key: net[key] for key in sorted(net)}


def transfers(net: Mapping[tuple[Party, str], Amount]) -> list[Transfer]:
    """Payments that bring every position to zero, currency by currency.

    They are chosen by the amounts with VAT, which are what is paid. Each payment finishes one party, and carries all that is left of
    its amount without VAT too, so that both add up exactly.
    """
    return [transfer for currency in sorted({key[1] for key in net}) for transfer in _settle(net, currency)]


def _settle(net: Mapping[tuple[Party, str], Amount], currency: str) -> Iterable[Transfer]:
    open_positions = {party: amount for (party, in_currency), amount in net.items() if in_currency == currency}
    while left := {party: amount for party, amount in open_positions.items() if not amount.is_nothing}:
        payee, payer = _largest(left, 1), _largest(left, -1)
        owed, due = left[payee], -left[payer]
        amount = due if due.incl_vat <= owed.incl_vat else owed  # one of the two is done with it, and with all of it
        open_positions[payer] += amount
        open_positions[payee] += -amount
        yield Transfer(payer, payee, currency, amount)


def _largest(left: Mapping[Party, Amount], sign: int) -> Party:
    """The largest creditor (sign 1) or debtor (-1); of equal ones the first by party."""
    return min(left, key=lambda party: (-sign * left[party].incl_vat, -sign * left[party].excl_vat, party))
