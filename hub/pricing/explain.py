"""Why a CDR claims another amount than it should have cost: the first mistake that reproduces the claim.

A price that is not the claim is computed again under one changed assumption after the other, in a fixed order, and the first
that gives the claim within the tolerance of rounding is named. Nothing is corrected; the price of record stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from fractions import Fraction
from typing import NamedTuple

from msgspec import structs

from hub.pricing.charge import Charge, Period
from hub.pricing.comparison import Amount, Claim, Scale, amount_of, has_same_vat, reproduces
from hub.pricing.exact import Exact, to_decimal
from hub.pricing.findings import WH_PER_KWH
from hub.pricing.policy import Policy, settings
from hub.pricing.pricer import Priced, price, zone_of
from hub.pricing.result import Line, Unpriceable, Warning
from hub.pricing.rounding import currency_exponent
from hub.pricing.selection import TariffBook
from hub.pricing.tariff import CompiledTariff, Component, compile_tariff

OTHER_TARIFFS_MAX = 200
FLATS_LEAST_MAX = 3
CLOCK_SHIFTS_MINUTES = (60, -60, 120, -120)
VAT_STEPS_PER_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A charge, what it claims, and all that it is priced with."""

    charge: Charge
    claim: Claim
    book: TariffBook
    policy: Policy
    zone: tzinfo | None = None


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


class Guess(NamedTuple):
    """One assumption: the kind of finding that it is, a name, the rest of the sentence "equal if …", and the amount."""

    kind: str
    name: str
    equal_if: str
    amount: Amount


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
    if _is_exact(claimed, computed, scale):
        return Explanation("EXACT", "The claim is the price, to the cent.", claimed, computed, difference)
    if reproduces(claimed, computed, scale):
        return _rounding_difference(case, plain, scale, difference)
    for guess in guesses(case, plain):
        if guess.amount != computed and reproduces(claimed, guess.amount, scale):
            sentence = f"The claim is equal if {guess.equal_if}."
            return Explanation(guess.kind, sentence, claimed, computed, difference, guess.name, reproduced=guess.amount)
    return _unexplained(claimed, computed, scale, difference)


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
    way = next((guess for guess in _other_roundings(case, plain) if _is_same(claimed, guess.amount)), None)
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
    sentence = (
        f"The claim is {to_decimal(abs(difference)):f} {scale.currency} {more} than the price, and nothing explains it."
    )
    return Explanation("PRICE_MISMATCH", sentence, claimed, computed, difference)


# --- what may have happened, in the order in which it is tried -------------------------------


def guesses(case: Case, plain: Priced) -> Iterator[Guess]:
    """Every assumption under which there is a price, the most telling first."""
    yield from _units(case)
    yield from _other_versions(case, plain)
    yield from _other_tariffs(case, plain)
    yield from _other_clocks(case)
    yield from _by_policy(case, "STEP_SIZE_NOT_APPLIED", "step_size", "none", "no step_size is applied")
    yield from _by_policy(
        case, "STEP_SIZE_APPLIED_PER_PERIOD", "step_size", "period", "step_size is rounded in every period"
    )
    yield from _no_limits(case, plain)
    yield from _other_vat(case, plain)
    yield from _other_flats(case, plain)
    yield from _totals_instead_of_periods(case)
    yield from _other_readings(case)
    yield from _other_roundings(case, plain)
    yield from _shifted_clocks(case)
    yield from _other_sign(plain)


def _guess(case: Case, kind: str, name: str, equal_if: str) -> Iterator[Guess]:
    """The guess that this changed case is what happened, if it has a price."""
    found = price(case.charge, case.book, case.policy, case.zone)
    if isinstance(found, Priced):
        yield Guess(kind, name, equal_if, amount_of(found.total_cost))


def _with_energy(case: Case, change: Callable[[Exact], Exact]) -> Case:
    return replace(case, charge=_changed(case.charge, lambda period: _energy_changed(period, change)))


def _changed(charge: Charge, change: Callable[[Period], Period]) -> Charge:
    return structs.replace(charge, periods=[change(period) for period in charge.periods])


def _energy_changed(period: Period, change: Callable[[Exact], Exact]) -> Period:
    return period if period.energy is None else structs.replace(period, energy=change(period.energy))


def _units(case: Case) -> Iterator[Guess]:
    """Wh where kWh is meant, or the other way round (D4)."""
    in_wh = _with_energy(case, lambda energy: Fraction(energy, WH_PER_KWH))
    yield from _guess(in_wh, "ENERGY_UNIT_ERROR", "energy_in_wh", "the energy of the periods is in Wh, not in kWh")
    in_kwh = _with_energy(case, lambda energy: energy * WH_PER_KWH)
    yield from _guess(in_kwh, "ENERGY_UNIT_ERROR", "energy_priced_as_wh", "every kWh is priced as 1000 kWh")


# --- tariffs ---------------------------------------------------------------------------------


def _texts(case: Case) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((*case.charge.tariffs, *case.book.texts)))[:OTHER_TARIFFS_MAX]


def _known(case: Case) -> Iterator[tuple[bytes, CompiledTariff]]:
    """The tariffs that may have priced the charge: of the same owner and currency."""
    for text in _texts(case):
        tariff = compile_tariff(text, case.policy)
        if tariff.currency == case.charge.currency and tariff.owner in (None, case.charge.owner):
            yield text, tariff


def _used(plain: Priced) -> dict[str, CompiledTariff]:
    return {tariff.key: tariff for tariff in plain.working.tariffs if tariff is not None}


def _other_versions(case: Case, plain: Priced) -> Iterator[Guess]:
    """The same tariff with other prices (T6)."""
    used = _used(plain)
    for text, tariff in _known(case):
        if tariff.key in used and tariff.terms != used[tariff.key].terms:
            others = [other for other, known in _known(case) if known.key != tariff.key]
            charge = structs.replace(case.charge, tariffs=(text, *others))
            updated = f", last updated {tariff.last_updated:%Y-%m-%d %H:%M} UTC," if tariff.last_updated else ""
            yield from _guess(
                replace(case, charge=charge),
                "TARIFF_CONTENT_MISMATCH",
                "other_tariff_version",
                f"another version of the tariff {tariff.id}{updated} is used",
            )


def _other_tariffs(case: Case, plain: Priced) -> Iterator[Guess]:
    used = _used(plain)
    for text, tariff in _known(case):
        if tariff.key not in used:
            named = _changed(case.charge, lambda period, key=tariff.key: structs.replace(period, tariff_id=key))  # type: ignore[misc]
            charge = structs.replace(named, tariffs=(text,))
            yield from _guess(
                replace(case, charge=charge), "WRONG_TARIFF", f"tariff:{tariff.id}", f"the tariff {tariff.id} is used"
            )


# --- clocks ----------------------------------------------------------------------------------


def _other_clocks(case: Case) -> Iterator[Guess]:
    """Windows in UTC, or without daylight saving (E3)."""
    yield from _guess(
        replace(case, zone=UTC), "WRONG_TIMEZONE", "windows_in_utc", "times of the tariff are taken in UTC"
    )
    zone = case.zone or zone_of(case.charge)
    for offset in _offsets(case.charge.start, zone):
        equal_if = f"times of the tariff are taken at a fixed {_signed(offset)} from UTC"
        fixed = replace(case, zone=timezone(offset))
        yield from _guess(fixed, "WRONG_TIMEZONE", f"fixed_offset:{_signed(offset)}", equal_if)


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
        yield from _guess(
            replace(case, charge=_shifted(case.charge, timedelta(minutes=minutes))),
            "WRONG_TIMEZONE",
            f"clock_shift_minutes:{minutes}",
            f"everything happened {abs(minutes)} minutes {direction}",
        )


def _shifted(charge: Charge, by: timedelta) -> Charge:
    moved = _changed(charge, lambda period: structs.replace(period, start=_later(period.start, by)))
    return structs.replace(moved, start=_later(charge.start, by), end=_later(charge.end, by))


def _later(moment: datetime | None, by: timedelta) -> datetime | None:
    return None if moment is None else moment + by


# --- steps, limits, VAT, FLATs ---------------------------------------------------------------


def _by_policy(case: Case, kind: str, name: str, value: str, equal_if: str) -> Iterator[Guess]:
    if getattr(case.policy, name) != value:
        policy = Policy.read({**case.policy.as_content(), name: value})
        yield from _guess(replace(case, policy=policy), kind, f"{name}:{value}", equal_if)


def _no_limits(case: Case, plain: Priced) -> Iterator[Guess]:
    for limit in plain.total.limits[:1]:
        kind = f"{limit.limit.upper()}_NOT_APPLIED"
        yield from _by_policy(case, kind, "limits", "ignored", f"{limit.limit} is not applied")


def _other_vat(case: Case, plain: Priced) -> Iterator[Guess]:
    """One rate of VAT on everything: the one that the claim implies."""
    claimed, computed = case.claim.total, amount_of(plain.total_cost)
    if claimed.incl_vat is None or not claimed.excl_vat:
        return
    percent = Fraction(
        round((claimed.incl_vat / claimed.excl_vat - 1) * 100 * VAT_STEPS_PER_PERCENT), VAT_STEPS_PER_PERCENT
    )
    if percent < 0:
        return
    amount = Amount(computed.excl_vat, computed.excl_vat * (1 + percent / 100))
    yield Guess(
        "VAT_MISMATCH", f"vat:{to_decimal(percent):f}", f"VAT is {to_decimal(percent):f} % on everything", amount
    )


def _other_flats(case: Case, plain: Priced) -> Iterator[Guess]:
    """A fixed fee that is charged more often, once a period at most (three times in any case), or not at all (F1)."""
    most = max(FLATS_LEAST_MAX, len(plain.charge.periods))
    claimed, computed = case.claim.total, amount_of(plain.total_cost)
    for component in _flats(plain):
        fee = amount_of(plain.cost_of([Line(0, component, 1)]))
        due = sum(1 for line in plain.working.lines.flat if line.component is component)
        more = round((claimed.excl_vat - computed.excl_vat) / fee.excl_vat) if fee.excl_vat else 0
        if more and 0 <= due + more <= most:
            amount = Amount(computed.excl_vat + more * fee.excl_vat, _plus(computed.incl_vat, fee.incl_vat, more))
            counted = f"the fee of {component.price} is due {due + more} times instead of {due}"
            yield Guess("FLAT_COUNT_MISMATCH", f"flat_count:{due + more}", counted, amount)


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
        scaled = _with_energy(case, lambda each: each * share)
        yield from _guess(scaled, "ENERGY_SUM_MISMATCH", "total_energy", equal_if)
    time = sum(period.time or 0 for period in charge.periods)
    if charge.total_time is not None and time and time != charge.total_time:
        part = Fraction(charge.total_time, time)
        timed = _changed(charge, lambda period: _time_changed(period, part))
        equal_if = "total_time is priced instead of the charging time of the periods"
        yield from _guess(replace(case, charge=timed), "TIME_SUM_MISMATCH", "total_time", equal_if)


def _time_changed(period: Period, share: Fraction) -> Period:
    return period if period.time is None else structs.replace(period, time=period.time * share)


_TOLD = frozenset({"rounding_mode", "rounding_exponent", "limits"})
"""Settings that change no price, or that were tried under their own name."""

_READINGS = {"flat": "FLAT_COUNT_MISMATCH", "time_quantity": "TIME_SUM_MISMATCH"}


def _other_readings(case: Case) -> Iterator[Guess]:
    """The specification read otherwise, one setting after the other."""
    for setting in settings():
        for value in setting.values if setting.name not in _TOLD else ():
            kind = _READINGS.get(setting.name, "PRICE_MISMATCH")
            equal_if = f"{setting.name} is read as {value} (rule {setting.rule})"
            yield from _by_policy(case, kind, setting.name, value, equal_if)


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
        scale = Scale.of(case.charge.currency, Policy.read({**case.policy.as_content(), "rounding_mode": mode}), 1)
        words = mode.replace("_", " ")
        yield Guess("ROUNDING_DIFFERENCE", f"rounding_mode:{mode}", f"it is rounded {words}", _rounded(total, scale))


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
    for name, stated in case.claim.parts.items():
        part = computed.get(name, Amount(Fraction(0), Fraction(0)))
        is_split = name in _SHARE_FLATS and _is_flat_split(case.claim, computed, unit)
        if not is_split and not unit.is_near(stated.excl_vat, part.excl_vat):
            yield Warning("PART_MISMATCH", f"total_{name}_cost is not what it should be.", facts={"part": name})
    if plain.total.limits or not set(computed) <= set(case.claim.parts):
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
