"""Why a claim is not the price: the charge is priced again under other readings, and the first that gives the claim names the cause.

The readings and their order are those of the pricer (`hub.pricing.explain`); here each becomes a check. Under all of them a credit is
read as what it credits (C1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from msgspec import structs

from hub.pricing.charge import Charge
from hub.pricing.comparison import Amount, Claim
from hub.pricing.explain import Case, Guess, guesses
from hub.pricing.policy import Policy
from hub.pricing.pricer import Priced, price
from hub.pricing.tariff import NotATariff, compile_tariff
from hub.settlement.catalogue import (
    ENERGY_UNIT_ERROR,
    FLAT_COUNT_MISMATCH,
    MAX_PRICE_NOT_APPLIED,
    MIN_PRICE_NOT_APPLIED,
    PRICE_MISMATCH,
    STEP_SIZE_APPLIED_PER_PERIOD,
    STEP_SIZE_NOT_APPLIED,
    TARIFF_CONTENT_MISMATCH,
    VAT_MISMATCH,
    WRONG_TARIFF,
    WRONG_TIMEZONE,
)
from hub.settlement.claims import Price, price_of
from hub.settlement.facts import Cost
from hub.settlement.findings import Check

_CHECKS = {
    check.kind: check
    for check in (
        ENERGY_UNIT_ERROR,
        FLAT_COUNT_MISMATCH,
        MAX_PRICE_NOT_APPLIED,
        MIN_PRICE_NOT_APPLIED,
        STEP_SIZE_APPLIED_PER_PERIOD,
        STEP_SIZE_NOT_APPLIED,
        TARIFF_CONTENT_MISMATCH,
        VAT_MISMATCH,
        WRONG_TARIFF,
        WRONG_TIMEZONE,
    )
}
"""What a reading makes of a claim; any other one makes a PRICE_MISMATCH of it that says how it came about."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a charge would cost under another reading: the check that tells it, its name, the rest of "equal if …", and the price."""

    check: Check
    name: str
    equal_if: str
    price: Price


def explained(priced: Priced, claimed: Cost, is_claim: Callable[[Price], bool]) -> Reading | None:
    """The first reading under which the price is the claim; None where no reading explains it."""
    return next((reading for reading in _readings(priced, claimed) if is_claim(reading.price)), None)


def limits_ignored(priced: Priced) -> Iterator[Reading]:
    """The price without least and greatest price, where one of them made it."""
    limits = priced.total.limits
    if limits:
        check = MIN_PRICE_NOT_APPLIED if limits[0].limit == "min_price" else MAX_PRICE_NOT_APPLIED
        again = _priced_again(priced, priced.charge, priced.policy.changed("limits", "ignored"))
        if again is not None:
            yield Reading(check, "limits:ignored", f"{limits[0].limit} is not applied", price_of(again))


def as_published(priced: Priced, key: str) -> Priced | None:
    """The price with the published version of a tariff in place of the one in the CDR; None where there is none."""
    embedded = tuple(text for text in priced.charge.tariffs if _key(text, priced.policy) != key)
    return _priced_again(priced, structs.replace(priced.charge, tariffs=embedded), priced.policy)


def as_offered(priced: Priced) -> Priced | None:
    """The price with the tariff that the connector offered when the session began, whatever the CDR names; None where there is none."""
    periods = [structs.replace(period, tariff_id=None) for period in priced.charge.periods]
    return _priced_again(priced, structs.replace(priced.charge, periods=periods, tariffs=()), priced.policy)


def _readings(priced: Priced, claimed: Cost) -> Iterator[Reading]:
    charge = structs.replace(priced.charge, is_credit=False)
    plain = _priced_again(priced, charge, priced.policy)
    if plain is None:
        return
    claim = Claim(_amount(claimed), {})
    yield from map(_reading, guesses(Case(charge, claim, priced.book, priced.policy, priced.working.zone), plain))
    yield from _evenly_cut(plain)


def _reading(guess: Guess) -> Reading:
    return Reading(_CHECKS.get(guess.kind, PRICE_MISMATCH), guess.name, guess.equal_if, Price.of(guess.amount))


def _evenly_cut(plain: Priced) -> Iterator[Reading]:
    """The price with every period cut where a price changes inside it (E6)."""
    cuts = [warning.facts for warning in plain.warnings if "pro_rata_excl_vat" in warning.facts]
    changes = [Fraction(str(facts["pro_rata_excl_vat"])) - Fraction(str(facts["excl_vat"])) for facts in cuts]
    if changes:
        price = Price(plain.total_cost.excl_vat + sum(changes, Fraction()), None)
        yield Reading(PRICE_MISMATCH, "pro_rata", "every period is cut where a price changes", price)


def _priced_again(priced: Priced, charge: Charge, policy: Policy) -> Priced | None:
    try:
        result = price(charge, priced.book, policy, priced.working.zone)
    except NotATariff:
        return None
    return result if isinstance(result, Priced) else None


def _amount(cost: Cost) -> Amount:
    return Amount(Fraction(cost.excl_vat), None if cost.incl_vat is None else Fraction(cost.incl_vat))


def _key(text: bytes, policy: Policy) -> str | None:
    try:
        return compile_tariff(text, policy).key
    except NotATariff:
        return None
