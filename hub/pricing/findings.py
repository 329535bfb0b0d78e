"""What is odd about a charge, as far as the pricer alone can see it: quantities, times, evidence (rules D, E, X, C2, N1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from fractions import Fraction

from msgspec import structs

from hub.pricing.boundaries import missing_boundaries
from hub.pricing.charge import FOUR_DECIMALS, NAME_MAX_CHARACTERS, SECONDS_PER_HOUR, Charge, Period
from hub.pricing.currencies import CURRENCIES
from hub.pricing.exact import PER_ONE, Exact, size
from hub.pricing.moments import HOUR, duration_since, period_length
from hub.pricing.restrictions import Moment, Restrictions, evidence
from hub.pricing.result import Warning
from hub.pricing.tariff import Components
from hub.pricing.working import Working, active, is_expired, quantities

TOLERANCE_MICROSECONDS = PER_ONE
SESSION_MAX_DAYS = 7
ENERGY_TOLERANCE = PER_ONE // 1000  # millionths of a kWh, for each period
ENERGY_TOLERANCE_SHARE = Fraction(1, 1000)
WH_PER_KWH = 1000
HOURS_MIN_DECIMALS = 2
HOURS_MAX_DECIMALS = 7  # half of the last unit is a whole number of microseconds still
"""Zeros at the end are often left out, so a number of hours is trusted to two decimals at least."""


def findings(working: Working) -> Iterator[Warning]:
    """All findings, those about the whole before those about periods."""
    yield from _of_the_whole(working)
    yield from _credit(working.stated)
    yield from _precision(working)
    yield from _energy(working.stated)
    yield from _hours(working.stated)
    yield from _outside(working.stated)
    yield from _of_periods(working)


def uncertainties(working: Working) -> Iterator[Warning]:
    """The same without what the text of the charge alone shows: what is left tells how sure the price is."""
    yield from _of_the_whole(working)
    yield from _of_periods(working)


def _of_the_whole(working: Working) -> Iterator[Warning]:
    yield from _times(working)
    yield from _currency(working.stated)


def _of_periods(working: Working) -> Iterator[Warning]:
    yield from _unknown_dimensions(working.stated)
    yield from _missing_time(working)
    yield from _evidence(working)
    yield from missing_boundaries(working)


# --- times -----------------------------------------------------------------------------------


def _times(working: Working) -> Iterator[Warning]:
    charge = working.charge
    if charge.start is None or charge.end is None or any(period.start is None for period in charge.periods):
        yield Warning("UNVERIFIABLE_TIME", "A start or an end is stated as unknown.")
    if working.zone is None and any(tariff is not None and tariff.needs_local_time for tariff in working.tariffs):
        yield Warning("UNVERIFIABLE_TIME", "Nobody knows the time zone, so no restriction on local time holds.")
    if charge.has_offsets:
        yield Warning("UNVERIFIABLE_TIME", "A moment is written with an offset, where OCPI wants UTC.")
    if charge.start is not None and charge.end is not None:
        yield from _duration(charge.end - charge.start)


def _duration(length: timedelta) -> Iterator[Warning]:
    if length < timedelta():
        yield Warning("NEGATIVE_DURATION", "The session ends before it starts.")
    if length > timedelta(days=SESSION_MAX_DAYS):
        yield Warning("IMPLAUSIBLE_DURATION", f"The session is longer than {SESSION_MAX_DAYS} days.")


def _outside(charge: Charge) -> Iterator[Warning]:
    for index, period in enumerate(charge.periods):
        early = duration_since(period.start, charge.start) or 0
        late = duration_since(charge.end, period.start) or 0
        if max(early, late) > TOLERANCE_MICROSECONDS:
            yield Warning("PERIOD_OUTSIDE_SESSION", "The period starts outside of the session.", index)


# --- quantities ------------------------------------------------------------------------------


def _currency(charge: Charge) -> Iterator[Warning]:
    if charge.currency not in CURRENCIES:
        shown = charge.currency[:NAME_MAX_CHARACTERS]
        detail = f"The currency {shown!r} is not one of ISO 4217; its amounts are settled with two decimals."
        yield Warning("TARIFF_INVALID", detail, facts={"currency": shown})


def _unknown_dimensions(charge: Charge) -> Iterator[Warning]:
    for index, period in enumerate(charge.periods):
        for name in period.unknown or ():
            detail = f"The period states {name!r}, which is no dimension of OCPI; nothing is billed for it."
            yield Warning("DIMENSION_MISSING", detail, index, {"dimension": name})


def _credit(charge: Charge) -> Iterator[Warning]:
    if charge.is_credit and charge.credit_reference_id is None:
        yield Warning("CREDIT_FLAG_INCONSISTENT", "A Credit CDR does not say what it credits.")
    if not charge.is_credit and charge.credit_reference_id is not None:
        yield Warning("CREDIT_FLAG_INCONSISTENT", "A CDR names what it credits, and is no Credit CDR.")


def _precision(working: Working) -> Iterator[Warning]:
    if working.policy.number_reading != "exact":
        return
    if any(map(_is_fine, working.stated.periods)):
        yield Warning("NUMBER_PRECISION", "A quantity has more than four decimals; all of them count.")
    tariffs = dict.fromkeys(tariff for tariff in working.tariffs if tariff is not None)
    for tariff in tariffs:
        if tariff.has_fine_prices:
            detail = f"A price of the tariff {tariff.id} has more than four decimals; all of them count."
            yield Warning("NUMBER_PRECISION", detail, facts={"tariff_id": tariff.id})


def _is_fine(period: Period) -> bool:
    hours = [hour for hour in (period.time, period.parking, period.reservation) if hour is not None]
    return bool(
        (period.energy or 0) % FOUR_DECIMALS or any(hour % (FOUR_DECIMALS * SECONDS_PER_HOUR) for hour in hours)
    )


def _energy(charge: Charge) -> Iterator[Warning]:
    stated, total = [period.energy for period in charge.periods if period.energy is not None], charge.total_energy
    if total is None or (not stated and not total):
        return
    added = sum(stated)
    if added == total:
        return
    facts: dict[str, object] = {"sum_kwh": Fraction(added, PER_ONE), "total_energy": Fraction(total, PER_ONE)}
    if has_periods_in_wh(charge) or has_total_in_wh(charge):
        detail = "The energy of the periods and the total differ by a factor of 1000."
        yield Warning("ENERGY_UNIT_ERROR", detail, facts=facts)
    elif size(added - total) > _energy_tolerance(charge, total):
        yield Warning("ENERGY_SUM_MISMATCH", "The energy of the periods does not add up to the total.", facts=facts)


def _energy_tolerance(charge: Charge, total: Exact) -> Fraction:
    return max(Fraction(ENERGY_TOLERANCE * len(charge.periods)), size(total) * ENERGY_TOLERANCE_SHARE)


def _is_about(number: Exact, other: Exact) -> bool:
    return bool(other) and size(number - other) <= size(other) * ENERGY_TOLERANCE_SHARE


def in_kwh(charge: Charge) -> Charge | None:
    """The same charge, if the energy of its periods is in Wh where kWh is meant (D4); else None."""
    return _divided(charge) if has_periods_in_wh(charge) else None


def has_periods_in_wh(charge: Charge) -> bool:
    """Whether the energy of the periods is 1000 times the total, within 0.1 %."""
    return charge.total_energy is not None and _is_about(_stated_energy(charge), charge.total_energy * WH_PER_KWH)


def has_total_in_wh(charge: Charge) -> bool:
    """Whether the total is 1000 times the energy of the periods, within 0.1 %."""
    return charge.total_energy is not None and _is_about(charge.total_energy, _stated_energy(charge) * WH_PER_KWH)


def _stated_energy(charge: Charge) -> Exact:
    return sum(period.energy or 0 for period in charge.periods)


def _divided(charge: Charge) -> Charge:
    periods = [
        structs.replace(period, energy=None if period.energy is None else Fraction(period.energy, WH_PER_KWH))
        for period in charge.periods
    ]
    return structs.replace(charge, periods=periods)


def _hours(charge: Charge) -> Iterator[Warning]:
    if not _hours_differ(charge):
        return
    error = _notation_error(charge)
    for index, period in enumerate(charge.periods):
        stated = _stated_hours(period)
        length = period_length(charge, index)
        if stated and length is not None and _differ(sum(stated), length, error * len(stated)):
            yield _time_mismatch("The hours of the period differ from its length.", sum(stated), length, index)
    whole = duration_since(charge.start, charge.end)
    tolerance = error * len(charge.periods)
    if charge.total_time is not None and whole is not None and _differ(charge.total_time, whole, tolerance):
        yield _time_mismatch("total_time differs from the time between start and end.", charge.total_time, whole)
    yield from _parking(charge, tolerance)


def _hours_differ(charge: Charge) -> bool:
    """Whether hours differ at all by more than a second: a quick look that most charges end with."""
    whole = duration_since(charge.start, charge.end)
    if charge.total_time is not None and whole is not None and _differ(charge.total_time, whole, 0):
        return True
    if charge.total_parking_time is not None:
        return True
    for index, period in enumerate(charge.periods):
        stated, length = _stated_hours(period), period_length(charge, index)
        if stated and length is not None and _differ(sum(stated), length, 0):
            return True
    return False


def _parking(charge: Charge, tolerance: int) -> Iterator[Warning]:
    parked = sum(period.parking or 0 for period in charge.periods)
    total = charge.total_parking_time
    if total is not None and _differ(parked, total, tolerance):
        facts: dict[str, object] = {"sum_s": Fraction(parked, PER_ONE), "total_s": Fraction(total, PER_ONE)}
        detail = "The parking time of the periods does not add up to the total."
        yield Warning("PARKING_TIME_MISMATCH", detail, facts=facts)


def _time_mismatch(detail: str, stated: Exact, length: Exact, period: int | None = None) -> Warning:
    facts: dict[str, object] = {"stated_s": Fraction(stated, PER_ONE), "length_s": Fraction(length, PER_ONE)}
    return Warning("TIME_SUM_MISMATCH", detail, period, facts)


def _differ(one: Exact, other: Exact, tolerance: Exact) -> bool:
    return size(one - other) > tolerance + TOLERANCE_MICROSECONDS


def _stated_hours(period: Period) -> list[Exact]:
    hours = [period.reservation] if period.is_reservation else [period.time, period.parking]
    return [hour for hour in hours if hour is not None]


def _notation_error(charge: Charge) -> int:
    """Half a unit of the last decimal with which the charge states hours, in microseconds (D2)."""
    stated = [hour for period in charge.periods for hour in _stated_hours(period)]
    totals = [total for total in (charge.total_time, charge.total_parking_time) if total is not None]
    decimals = max((_decimals(hour) for hour in stated + totals), default=HOURS_MIN_DECIMALS)
    units_an_hour: int = 10 ** max(decimals, HOURS_MIN_DECIMALS)
    return HOUR // (2 * units_an_hour)


def _decimals(microseconds: Exact) -> int:
    return next(
        (places for places in range(HOURS_MAX_DECIMALS) if microseconds * 10**places % HOUR == 0), HOURS_MAX_DECIMALS
    )


# --- evidence --------------------------------------------------------------------------------


def _missing_time(working: Working) -> Iterator[Warning]:
    """Periods without TIME although time is priced: nothing is billed for it (D1)."""
    if not any(tariff is not None and tariff.time for tariff in working.tariffs):
        return
    for index, (period, tariff) in enumerate(zip(working.charge.periods, working.tariffs, strict=True)):
        is_stated = period.time is not None or period.parking is not None or period.is_reservation
        if tariff is None or is_stated or _is_instant(working.charge, index):
            continue
        if active(tariff.time, working.moments[index]) is not None:
            yield Warning("DIMENSION_MISSING", "Time is priced, and the period does not state it.", index)


def _is_instant(charge: Charge, index: int) -> bool:
    length = period_length(charge, index)
    return length is not None and length <= TOLERANCE_MICROSECONDS


def _evidence(working: Working) -> Iterator[Warning]:
    """Periods in which nobody can tell whether a restriction of current or power holds (E5)."""
    needs_electric = any(tariff is not None and tariff.needs_electric for tariff in working.tariffs)
    if not needs_electric or working.policy.electrical_evidence == "same_name":
        return
    for index, (period, tariff) in enumerate(zip(working.charge.periods, working.tariffs, strict=True)):
        if tariff is None or not tariff.needs_electric:
            continue
        stated = quantities(period, tariff, is_expired(working.charge))
        lists = [components for components, quantity in stated if quantity is not None]
        if any(_is_unproven(item, working.moments[index]) for item in _asked(lists, working.moments[index])):
            yield Warning("INSUFFICIENT_DATA", "Nothing proves a restriction of current or power.", index)


def _asked(lists: Iterable[Components], moment: Moment) -> Iterator[Restrictions]:
    """The restrictions that are looked at until one holds."""
    for components in lists:
        for component in components:
            yield component.restrictions
            if component.restrictions.hold(moment):
                break


def _is_unproven(restrictions: Restrictions, moment: Moment) -> bool:
    if not all(check(moment) for check in restrictions.checks):
        return False
    return any(evidence(moment, sources) is None for sources in restrictions.sources)
