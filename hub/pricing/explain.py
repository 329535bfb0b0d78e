"""Why a CDR claims another amount than it should have cost: the first mistake that reproduces the claim.

A price that is not the claim is computed again under one changed assumption after the other, in a fixed order, and the first
that gives the claim within the tolerance of rounding is named. Nothing is corrected; the price of record stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from fractions import Fraction
from typing import NamedTuple

from msgspec import structs

from hub.pricing.charge import Charge, Period
from hub.pricing.comparison import Amount, Claim, Scale, amount_of, has_same_vat, reproduces
from hub.pricing.exact import PER_ONE, millionths, to_decimal
from hub.pricing.guess import Case, Guess, changed, guess, with_energy
from hub.pricing.other_tariffs import mixed_tariffs, other_tariffs, other_versions
from hub.pricing.policy import settings
from hub.pricing.pricer import Priced, price, zone_of
from hub.pricing.readings import EQUAL_IF, rounding_words, times_words
from hub.pricing.relevance import Plain
from hub.pricing.result import Line, Unpriceable, Warning
from hub.pricing.rounding import currency_exponent
from hub.pricing.tariff import CompiledTariff, Component
from hub.pricing.units import priced_in_kwh, unit_guesses

__all__ = ["Case", "Explanation", "Guess", "explain", "guesses"]

FLATS_LEAST_MAX = 3
CLOCK_SHIFTS_MINUTES = (60, -60, 120, -120)
VAT_FINENESS = (1, 2, 10)  # whole, half and tenth percent
VAT_MAX_PERCENT = 27


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a claim came about: amounts are exact, `difference` is the claim less the settled price, without VAT.

    `kind` is EXACT or a kind of finding; `counterfactual` names what was assumed, None where nothing explains the claim or
    nothing has to; `reproduced` is the amount under it. `also` are findings beside this one.
    """

    kind: str
    sentence: str
    claimed: Amount
    computed: Amount | None = None
    difference: Fraction | None = None
    counterfactual: str | None = None
    reproduced: Amount | None = None
    also: tuple[Warning, ...] = ()


def explain(case: Case) -> Explanation:
    """The first explanation of the claim. Raises tariff.NotATariff for the text of a tariff that cannot be read."""
    plain = price(case.charge, case.book, case.policy, case.zone)
    if isinstance(plain, Unpriceable):
        return Explanation(plain.kind, f"There is no price to compare with: {plain.detail}", case.claim.total)
    scale = Scale.of(case.charge.currency, case.policy, len(plain.parts))
    found = _explained(case, plain, scale)
    return replace(found, also=tuple(_part_findings(case, plain, scale)))


def _explained(case: Case, plain: Priced, scale: Scale) -> Explanation:
    claimed, computed = case.claim.total, amount_of(plain.total_cost)
    difference = claimed.excl_vat - scale.settled(computed.excl_vat)
    in_kwh = priced_in_kwh(case)
    if in_kwh is not None and in_kwh.total_cost != plain.total_cost:
        return _wrong_unit(claimed, plain, amount_of(in_kwh.total_cost), scale)
    if _is_exact(claimed, computed, scale):
        return Explanation("EXACT", "The claim is the price, to the cent.", claimed, computed, difference)
    if reproduces(claimed, computed, scale):
        return _rounding_difference(case, plain, scale, difference)
    for one in guesses(case, plain):
        if one.amount != computed and reproduces(claimed, one.amount, scale):
            sentence = f"The claim is equal if {one.equal_if}."
            return Explanation(one.kind, sentence, claimed, computed, difference, one.name, reproduced=one.amount)
    return _unexplained(claimed, computed, scale, difference)


def _wrong_unit(claimed: Amount, plain: Priced, in_kwh: Amount, scale: Scale) -> Explanation:
    """Periods whose energy is a thousand times the total: whatever is claimed, that comes first (D4)."""
    computed, due = amount_of(plain.total_cost), _in_words(scale.settled(in_kwh.excl_vat), scale)
    what = "The energy of the periods is in Wh, not in kWh"
    if reproduces(claimed, in_kwh, scale):
        sentence = "The claim is equal if the energy of the periods is in Wh, not in kWh."
    elif reproduces(claimed, computed, scale):
        sentence = f"{what}, and every Wh is claimed at the price of a kWh; in kWh the price is {due}."
    else:
        sentence = f"{what}; in kWh the price is {due}, which the claim is not either."
    difference = claimed.excl_vat - scale.settled(computed.excl_vat)
    return Explanation("ENERGY_UNIT_ERROR", sentence, claimed, computed, difference, "energy_in_wh", in_kwh)


def _is_exact(claimed: Amount, computed: Amount, scale: Scale) -> bool:
    """Whether the claim is the exact price, or what it is settled as."""
    if claimed == computed:
        return True
    pairs = [(claimed.excl_vat, computed.excl_vat)]
    if claimed.incl_vat is not None and computed.incl_vat is not None:
        pairs.append((claimed.incl_vat, computed.incl_vat))
    return all(one in (other, scale.settled(other)) for one, other in pairs)


def _rounding_difference(case: Case, plain: Priced, scale: Scale, difference: Fraction) -> Explanation:
    """A claim that differs by no more than rounding explains, and the way of rounding that gives it, if there is one."""
    claimed, computed = case.claim.total, amount_of(plain.total_cost)
    way = next((one for one in _other_roundings(case, plain) if _is_same(claimed, one.amount)), None)
    sentence = "The claim differs from the price by no more than rounding explains"
    if way is None:
        return Explanation("ROUNDING_DIFFERENCE", f"{sentence}.", claimed, computed, difference)
    sentence = f"{sentence}; it is equal if {way.equal_if}."
    return Explanation("ROUNDING_DIFFERENCE", sentence, claimed, computed, difference, way.name, way.amount)


def _is_same(claimed: Amount, amount: Amount) -> bool:
    return claimed.excl_vat == amount.excl_vat and claimed.incl_vat in (None, amount.incl_vat)


def _unexplained(claimed: Amount, computed: Amount, scale: Scale, difference: Fraction) -> Explanation:
    if scale.is_near(claimed.excl_vat, computed.excl_vat) and not has_same_vat(claimed, computed, scale):
        sentence = "The amount without VAT is right, the one with VAT is not, and nothing explains it."
        return Explanation("VAT_MISMATCH", sentence, claimed, computed, difference)
    more = "more" if difference > 0 else "less"
    sentence = f"The claim is {_in_words(abs(difference), scale)} {more} than the price, and nothing explains it."
    return Explanation("PRICE_MISMATCH", sentence, claimed, computed, difference)


def _in_words(amount: Fraction, scale: Scale) -> str:
    """An amount with its currency, and with the decimals of that at least."""
    decimals = currency_exponent(scale.currency)
    shown = to_decimal(amount)
    is_whole = shown == round(shown, decimals)
    return f"{round(shown, decimals) if is_whole else shown:f} {scale.currency}"


# --- what may have happened, in the order in which it is tried -------------------------------


def guesses(case: Case, plain: Priced) -> Iterator[Guess]:
    """Every assumption under which there is a price, the most telling first."""
    about = _About(case, Plain(plain))
    yield from unit_guesses(case, plain)
    yield from other_versions(case, plain)
    yield from other_tariffs(case, plain)
    yield from _other_clocks(about)
    yield from _by_policy(about, "STEP_SIZE_NOT_APPLIED", ("step_size", "none"))
    yield from _by_policy(about, "STEP_SIZE_APPLIED_PER_PERIOD", ("step_size", "period"))
    yield from _no_limits(about)
    yield from _limits_without_vat(about)
    yield from _other_vat(case, plain)
    yield from _other_flats(case, plain)
    yield from mixed_tariffs(case, plain)  # there are so many of them that whatever is simpler goes first
    yield from _totals_instead_of_periods(case)
    yield from _other_readings(about)
    yield from _other_roundings(case, plain)
    yield from _shifted_clocks(case)
    yield from _other_sign(plain)


class _About(NamedTuple):
    """A case, and its price."""

    case: Case
    plain: Plain


# --- clocks ----------------------------------------------------------------------------------


def _other_clocks(about: _About) -> Iterator[Guess]:
    """Windows in UTC, or without daylight saving (E3)."""
    (case, plain), kind = about, "WRONG_TIMEZONE"
    yield Guess(kind, "windows_in_utc", "times of the tariff are taken in UTC", plain.in_zone(UTC))
    zone = case.zone or zone_of(case.charge)
    for offset in _offsets(case.charge.start, zone):
        equal_if = f"times of the tariff are taken at a fixed {_signed(offset)} from UTC"
        yield Guess(kind, f"fixed_offset:{_signed(offset)}", equal_if, plain.in_zone(timezone(offset)))


def _offsets(start: datetime | None, zone: tzinfo | None) -> list[timedelta]:
    """The offsets of winter and summer in the year of the charge."""
    if start is None or zone is None:
        return []
    moments = [start.replace(month=month, day=1).astimezone(zone) for month in (1, 7)]
    offsets = [moment.utcoffset() for moment in moments]
    return list(dict.fromkeys(offset for offset in offsets if offset is not None))


def _signed(offset: timedelta) -> str:
    minutes = offset // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _shifted_clocks(case: Case) -> Iterator[Guess]:
    """A charge point whose clock is an hour or two wrong."""
    for minutes in CLOCK_SHIFTS_MINUTES:
        direction = "later" if minutes > 0 else "earlier"
        yield from guess(
            replace(case, charge=_shifted(case.charge, timedelta(minutes=minutes))),
            "WRONG_TIMEZONE",
            f"clock_shift_minutes:{minutes}",
            f"everything happened {abs(minutes)} minutes {direction}",
        )


def _shifted(charge: Charge, by: timedelta) -> Charge:
    moved = changed(charge, lambda period: structs.replace(period, start=_later(period.start, by)))
    return structs.replace(moved, start=_later(charge.start, by), end=_later(charge.end, by))


def _later(moment: datetime | None, by: timedelta) -> datetime | None:
    try:
        return None if moment is None else moment + by
    except OverflowError:  # at an end of the calendar: stated, but nobody's clock
        return moment


# --- steps, limits, VAT, FLATs ---------------------------------------------------------------


def _by_policy(about: _About, kind: str, setting: tuple[str, str], equal_if: str | None = None) -> Iterator[Guess]:
    (case, plain), (name, value) = about, setting
    if getattr(case.policy, name) == value:
        return
    said, words = f"{name}:{value}", equal_if or EQUAL_IF[name][value]
    amount = plain.under_setting(name, value, case.zone)
    if amount is not None:
        yield Guess(kind, said, words, amount)
    else:
        yield from guess(replace(case, policy=case.policy.changed(name, value)), kind, said, words)


def _no_limits(about: _About) -> Iterator[Guess]:
    for limit in about.plain.priced.total.limits[:1]:
        kind = f"{limit.limit.upper()}_NOT_APPLIED"
        yield from _by_policy(about, kind, ("limits", "ignored"), f"{limit.limit} is not applied")


def _limits_without_vat(about: _About) -> Iterator[Guess]:
    """What a limit that is stated without VAT does to the amount with VAT (M2)."""
    for value in EQUAL_IF["limit_without_incl"] if about.plain.priced.total.limits else ():
        yield from _by_policy(about, "VAT_MISMATCH", ("limit_without_incl", value))


def _other_vat(case: Case, plain: Priced) -> Iterator[Guess]:
    """One rate of VAT on everything: one of the tariffs, else the one that the claim implies if there may be such a rate."""
    computed = amount_of(plain.total_cost)
    for percent in _vat_percents(case, plain):
        amount = Amount(computed.excl_vat, computed.excl_vat * (1 + percent / 100))
        words = f"{to_decimal(percent):f}"
        yield Guess("VAT_MISMATCH", f"vat:{words}", f"VAT is {words} % on everything", amount)


def _vat_percents(case: Case, plain: Priced) -> list[Fraction]:
    claimed = case.claim.total
    if claimed.incl_vat is None or not claimed.excl_vat:
        return []
    implied = (claimed.incl_vat / claimed.excl_vat - 1) * 100
    rounded = [Fraction(round(implied * parts), parts) for parts in VAT_FINENESS]
    return list(dict.fromkeys([*_stated_percents(plain), *(one for one in rounded if 0 <= one <= VAT_MAX_PERCENT)]))


def _stated_percents(plain: Priced) -> list[Fraction]:
    """The rates of the tariffs that were used."""
    rates = {component.vat for tariff in _used(plain).values() for component in tariff.components}
    return sorted(Fraction(millionths(rate), PER_ONE) for rate in rates if rate is not None)


def _other_flats(case: Case, plain: Priced) -> Iterator[Guess]:
    """A fixed fee that is charged more often, once a period at most (three times in any case), or not at all (F1)."""
    most = max(FLATS_LEAST_MAX, len(plain.charge.periods))
    claimed, computed = case.claim.total, amount_of(plain.total_cost)
    scale = Scale.of(case.charge.currency, case.policy, len(plain.parts))
    for component in _flats(plain):
        fee = amount_of(plain.cost_of([Line(0, component, 1)]))
        due = sum(1 for line in plain.working.lines.flat if line.component is component)
        more = round((claimed.excl_vat - computed.excl_vat) / fee.excl_vat) if fee.excl_vat else 0
        if more and 0 <= due + more <= most:
            amount = Amount(computed.excl_vat + more * fee.excl_vat, _plus(computed.incl_vat, fee.incl_vat, more))
            counted = f"the fee of {_in_words(fee.excl_vat, scale)} is charged {times_words(due + more)} instead of {times_words(due)}"
            yield Guess("FLAT_COUNT_MISMATCH", f"flat_count:{due + more}", counted, amount)


def _used(plain: Priced) -> dict[str, CompiledTariff]:
    return {tariff.key: tariff for tariff in plain.working.tariffs if tariff is not None}


def _flats(plain: Priced) -> list[Component]:
    tariffs = _used(plain).values()
    return [
        component for tariff in tariffs for component in (*tariff.flat, *tariff.reserved_flat, *tariff.expired_flats[0])
    ]


def _plus(amount: Fraction | None, fee: Fraction | None, times: int) -> Fraction | None:
    return None if amount is None or fee is None else amount + times * fee


# --- quantities and readings -----------------------------------------------------------------


def _totals_instead_of_periods(case: Case) -> Iterator[Guess]:
    """total_energy and total_time priced, where the periods say something else."""
    charge = case.charge
    energy = sum(period.energy or 0 for period in charge.periods)
    if charge.total_energy is not None and energy and energy != charge.total_energy:
        share = Fraction(charge.total_energy, energy)
        equal_if = "total_energy is priced instead of the energy of the periods"
        scaled = with_energy(charge, lambda each: each * share)
        yield from guess(replace(case, charge=scaled), "ENERGY_SUM_MISMATCH", "total_energy", equal_if)
    time = sum(period.time or 0 for period in charge.periods)
    if charge.total_time is not None and time and time != charge.total_time:
        part = Fraction(charge.total_time, time)
        timed = changed(charge, lambda period: _time_changed(period, part))
        equal_if = "total_time is priced instead of the charging time of the periods"
        yield from guess(replace(case, charge=timed), "TIME_SUM_MISMATCH", "total_time", equal_if)


def _time_changed(period: Period, share: Fraction) -> Period:
    return period if period.time is None else structs.replace(period, time=period.time * share)


_TOLD = frozenset({"limits", "limit_without_incl"})
"""Settings that were tried under their own name."""

_READINGS = {"flat": "FLAT_COUNT_MISMATCH", "time_quantity": "TIME_SUM_MISMATCH"}


def _other_readings(about: _About) -> Iterator[Guess]:
    """The specification read otherwise, one setting after the other."""
    for setting in settings():
        for value in EQUAL_IF.get(setting.name, ()) if setting.name not in _TOLD else ():
            kind = _READINGS.get(setting.name, "PRICE_MISMATCH")
            yield from _by_policy(about, kind, (setting.name, value))


# --- rounding --------------------------------------------------------------------------------


def _other_roundings(case: Case, plain: Priced) -> Iterator[Guess]:
    """Other places and ways of rounding (N2)."""
    if plain.total.limits or plain.charge.is_credit:
        groups: dict[str, list[Amount]] = {}
    else:
        lines = [amount_of(plain.cost_of([line])) for line in plain.lines]
        groups = {"line": lines, "part": [amount_of(money) for money in plain.parts.values()]}
    for name, amounts in groups.items():
        yield Guess("ROUNDING_DIFFERENCE", f"rounded_each_{name}", f"each {name} is rounded", _sum(case, amounts))
    total = amount_of(plain.total_cost)
    yield from _vat_on_rounded(case, total)
    for mode in ("half_even", "half_towards_zero", "away_from_zero", "towards_zero"):
        scale = Scale.of(case.charge.currency, case.policy.changed("rounding_mode", mode), 1)
        words = rounding_words(mode, currency_exponent(case.charge.currency))
        yield Guess("ROUNDING_DIFFERENCE", f"rounding_mode:{mode}", words, _rounded(total, scale))


def _vat_on_rounded(case: Case, total: Amount) -> Iterator[Guess]:
    if total.incl_vat is not None and total.excl_vat:
        scale = Scale.of(case.charge.currency, case.policy, 1)
        excl = scale.settled(total.excl_vat)
        amount = _rounded(Amount(excl, excl * total.incl_vat / total.excl_vat), scale)
        yield Guess("ROUNDING_DIFFERENCE", "vat_on_rounded", "VAT is computed on the rounded amount", amount)


def _sum(case: Case, amounts: list[Amount]) -> Amount:
    scale = Scale.of(case.charge.currency, case.policy, 1)
    rounded = [_rounded(amount, scale) for amount in amounts]
    incl = [amount.incl_vat for amount in rounded if amount.incl_vat is not None]
    excl = sum((amount.excl_vat for amount in rounded), Fraction(0))
    return Amount(excl, sum(incl, Fraction(0)) if len(incl) == len(rounded) else None)


def _rounded(amount: Amount, scale: Scale) -> Amount:
    incl = None if amount.incl_vat is None else scale.settled(amount.incl_vat)
    return Amount(scale.settled(amount.excl_vat), incl)


def _other_sign(plain: Priced) -> Iterator[Guess]:
    """A credit that is not negative, or a charge that is (C1)."""
    total = amount_of(plain.total_cost)
    amount = Amount(-total.excl_vat, None if total.incl_vat is None else -total.incl_vat)
    yield Guess("CREDIT_AMOUNT_MISMATCH", "other_sign", "its sign is turned round", amount)


# --- parts -----------------------------------------------------------------------------------


def _part_findings(case: Case, plain: Priced, scale: Scale) -> Iterator[Warning]:
    """Stated parts that differ from what they should be, and a total that is not their sum."""
    unit = replace(scale, tolerance=Fraction(1, 10 ** currency_exponent(case.charge.currency)))
    computed = {name: amount_of(money) for name, money in plain.parts.items()}
    is_total_right = reproduces(case.claim.total, amount_of(plain.total_cost), scale)
    for name, stated in case.claim.parts.items() if is_total_right else ():
        part = computed.get(name, Amount(Fraction(0), Fraction(0)))
        is_split = name in _SHARE_FLATS and _is_flat_split(case.claim, computed, unit)
        if not is_split and not unit.is_near(stated.excl_vat, part.excl_vat):
            yield Warning("PART_MISMATCH", f"total_{name}_cost is not what it should be.", facts={"part": name})
    if plain.total.limits or not computed or not set(computed) <= set(case.claim.parts):
        return
    added = sum((stated.excl_vat for stated in case.claim.parts.values()), Fraction(0))
    if abs(abs(case.claim.total.excl_vat) - abs(added)) > unit.tolerance * len(case.claim.parts):
        yield Warning("TOTAL_NOT_SUM_OF_PARTS", "total_cost is not the sum of its parts.", facts={"sum": added})


_SHARE_FLATS = ("fixed", "parking")


def _is_flat_split(claim: Claim, computed: dict[str, Amount], unit: Scale) -> bool:
    """Whether fixed and parking cost differ only by which of them a FLAT belongs to (F3)."""
    stated, due = (
        sum((parts[name].excl_vat for name in _SHARE_FLATS if name in parts), Fraction(0))
        for parts in (claim.parts, computed)
    )
    return unit.is_near(stated, due)
