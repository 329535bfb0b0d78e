"""One assumption about how a claim came about, and the price under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from msgspec import structs

from hub.pricing.charge import Charge, Period
from hub.pricing.comparison import Amount, Claim, amount_of
from hub.pricing.exact import Exact
from hub.pricing.policy import Policy
from hub.pricing.pricer import Priced, price
from hub.pricing.selection import TariffBook
from hub.pricing.tariff import NotATariff


@dataclass(frozen=True, slots=True)
class Case:
    """A charge, what it claims, and all that it is priced with."""

    charge: Charge
    claim: Claim
    book: TariffBook
    policy: Policy
    zone: tzinfo | None = None


class Guess(NamedTuple):
    """One assumption: the kind of finding that it is, a name, the rest of the sentence "equal if …", and the amount."""

    kind: str
    name: str
    equal_if: str
    amount: Amount


def priced(case: Case) -> Priced | None:
    """The price of a case; None where there is none."""
    try:
        found = price(case.charge, case.book, case.policy, case.zone)
    except NotATariff:
        return None
    return found if isinstance(found, Priced) else None


def guess(case: Case, kind: str, name: str, equal_if: str) -> Iterator[Guess]:
    """The guess that this changed case is what happened, if it has a price."""
    found = priced(case)
    if found is not None:
        yield Guess(kind, name, equal_if, amount_of(found.total_cost))


def changed(charge: Charge, change: Callable[[Period], Period]) -> Charge:
    """The same charge with every period changed."""
    return structs.replace(charge, periods=[change(period) for period in charge.periods])


def with_energy(charge: Charge, change: Callable[[Exact], Exact]) -> Charge:
    """The same charge with the energy of every period changed."""
    return changed(charge, lambda period: _energy_changed(period, change))


def _energy_changed(period: Period, change: Callable[[Exact], Exact]) -> Period:
    return period if period.energy is None else structs.replace(period, energy=change(period.energy))
