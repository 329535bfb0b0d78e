"""B, C07: a CDR adds up. What its price has to do with it (B05, B06, B11) is with the price.

What is not stated is not zero: a CPO that prices time need not state energy by period, and one that prices energy need not state hours.
Quantities are those of `quantities`: exact, so that a tolerance is met to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from hub.pricing.charge import Charge
from hub.pricing.exact import PER_ONE, Exact, size
from hub.pricing.pricer import Priced, price
from hub.pricing.rounding import currency_exponent
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    COST_WITHOUT_VOLUME,
    ENERGY_SUM_MISMATCH,
    FREE_OF_CHARGE,
    NEGATIVE_AMOUNT,
    PARKING_LONGER_THAN_SESSION,
    PARKING_TIME_MISMATCH,
    PART_WITHOUT_VOLUME,
    PERIOD_OUTSIDE_SESSION,
    TIME_SUM_MISMATCH,
    TOTAL_TIME_MISMATCH,
)
from hub.settlement.facts import CdrFact, cost_of
from hub.settlement.findings import Finding, found, lowered_to_report, on, raised_to_hold
from hub.settlement.quantities import (
    SECOND,
    Stretch,
    energy_of,
    in_hours,
    in_kwh,
    in_seconds,
    is_beyond_notation,
    parking_of,
    span,
    stretches,
    times_of,
    within_its_time,
)

ENERGY_TOLERANCE_KWH = PER_ONE // 1000  # millionths, for each period
ENERGY_TOLERANCE_PART = 1000
FREE_ENERGY_MAX = PER_ONE // 2


def b01_periods_within_the_session(case: Case) -> Iterable[Finding]:
    """They are priced by their own start all the same (X3); their order in the list proves nothing (D3)."""
    charge = _charge(case)
    if charge is None:
        return
    outside = [index for index, period in enumerate(charge.periods) if _is_outside(charge, period.start)]
    if outside:
        sentence = (
            f"{len(outside)} of {len(charge.periods)} periods of CDR {case.cdr.id} start before or after its session."
        )
        yield found(PERIOD_OUTSIDE_SESSION, on(case.cdr), sentence, periods=outside)


def b02_energy_sum(case: Case) -> Iterable[Finding]:
    """Periods without any energy say nothing, unless energy has a price (then D1 bills none)."""
    charge = case.pricing.charge
    if charge is None or not case.is_open or charge.total_energy is None:
        return
    total, stated = charge.total_energy, energy_of(charge)
    if stated is None and not _has_energy_price(case):
        return
    tolerance = _energy_tolerance(charge, max(size(total), size(stated or 0), key=Fraction))
    if size((stated or 0) - total) > tolerance:
        sentence = (
            f"The periods of CDR {case.cdr.id} add up to {in_kwh(stated or 0)} kWh; total_energy is {in_kwh(total)}."
        )
        yield found(
            ENERGY_SUM_MISMATCH, on(case.cdr), sentence, sum_kwh=in_kwh(stated or 0), total_energy=in_kwh(total)
        )


def b03_b04_time_sum(case: Case) -> Iterable[Finding]:
    """The hours of every period against its length, else total_time against start and end (D2, D6).

    Told once, and held only where the hours that nobody had made the claim dearer. A shorter total_time is usual where time out of order is
    left out, or only charging counts.
    """
    charge = _charge(case)
    if charge is None or _parks_too_long(charge):
        return
    wrong = [stretch for stretch in stretches(charge) if _differs(stretch, charge)]
    if wrong and not any(_is_outside(charge, period.start) for period in charge.periods):
        yield _of_periods(case, charge, wrong)
        return
    length = _length(charge)
    if charge.total_time is None or length is None:
        return
    if is_beyond_notation(charge.total_time - length, charge, len(charge.periods)):
        sentence = (
            f"total_time of CDR {case.cdr.id} is {in_hours(charge.total_time)} h; from start to end "
            f"{in_seconds(length)} s passed."
        )
        details = {"total_time": in_hours(charge.total_time), "length_seconds": in_seconds(length)}
        yield found(TOTAL_TIME_MISMATCH, on(case.cdr), sentence, **details)


def b03_parking_sum(case: Case) -> Iterable[Finding]:
    """Where total_parking_time is stated."""
    charge = _charge(case)
    if charge is None or charge.total_parking_time is None or _parks_too_long(charge):
        return
    parked, total = parking_of(charge), charge.total_parking_time
    if is_beyond_notation(parked - total, charge, len(charge.periods)):
        sentence = (
            f"The periods of CDR {case.cdr.id} add up to {in_hours(parked)} h of parking; "
            f"total_parking_time is {in_hours(total)}."
        )
        details = {"sum_hours": in_hours(parked), "total_parking_time": in_hours(total)}
        yield found(PARKING_TIME_MISMATCH, on(case.cdr), sentence, **details)


def b07_negative_amount(case: Case) -> Iterable[Finding]:
    """Energy that was fed back and negative prices explain a negative claim (C3); nothing explains negative hours."""
    cdr, charge = case.cdr, case.pricing.charge
    if charge is None or cdr.is_credit or cdr.credit_of is not None or not case.relations.is_counted(cdr):
        return
    if (charge.total_time or 0) < 0 or any(time < 0 for period in charge.periods for time in times_of(period)):
        yield found(NEGATIVE_AMOUNT, on(cdr), f"CDR {cdr.id} states negative hours.")
    elif cdr.total is not None and cdr.total.excl_vat < 0 and not _may_be_negative(case, charge):
        sentence = f"CDR {cdr.id} claims {cdr.total.excl_vat} {cdr.currency} and is no credit."
        yield found(NEGATIVE_AMOUNT, on(cdr), sentence, excl_vat=cdr.total.excl_vat)


def b08_nothing_claimed(case: Case) -> Iterable[Finding]:
    """The creditor may ask for less: it settles. Told in place of a price that is not met."""
    cdr, charge, priced = case.cdr, case.pricing.charge, case.pricing.priced
    if charge is None or priced is None or cdr.total is None or case.is_told_elsewhere:
        return
    energy = energy_of(charge) or charge.total_energy or 0
    due = priced.total_cost.excl_vat
    if cdr.total.excl_vat == 0 and energy > FREE_ENERGY_MAX and due > _minor_unit(cdr):
        sentence = f"CDR {cdr.id} claims nothing for {in_kwh(energy)} kWh that its tariff has a price for."
        yield found(FREE_OF_CHARGE, on(cdr), sentence, energy_kwh=in_kwh(energy))


def b09_cost_without_volume(case: Case) -> Iterable[Finding]:
    """A flat price or a least price explains a cost without volume, so only what the tariff does not explain is held."""
    cdr, charge, priced = case.cdr, case.pricing.charge, case.pricing.priced
    if charge is None or priced is None or cdr.total is None or case.is_told_elsewhere or _has_volume(charge):
        return
    if cdr.total.excl_vat > max(Fraction(0), priced.total_cost.excl_vat) + _minor_unit(cdr):
        sentence = f"CDR {cdr.id} claims {cdr.total.excl_vat} {cdr.currency} for no energy, no time and no flat price."
        yield found(COST_WITHOUT_VOLUME, on(cdr), sentence, excl_vat=cdr.total.excl_vat)


def b10_part_without_volume(case: Case) -> Iterable[Finding]:
    """Where there is a price, a part that differs from it tells the same; this is for where there is none."""
    charge = case.pricing.charge
    if charge is None or case.pricing.priced is not None or case.is_told_elsewhere:
        return
    for part, volume in _volumes_of_parts(charge):
        cost = cost_of(case.cdr.content.get(part))
        if not volume and cost is not None and cost.excl_vat > _minor_unit(case.cdr):
            sentence = f"CDR {case.cdr.id} states {part} {cost.excl_vat} {case.cdr.currency} and no volume for it."
            yield found(PART_WITHOUT_VOLUME, on(case.cdr), sentence, part=part, excl_vat=cost.excl_vat)


def c07_parking_longer_than_session(case: Case) -> Iterable[Finding]:
    """Against start and end, for total_time once was the time of charging only (D6); held like any other time that nobody had."""
    charge = _charge(case)
    length = None if charge is None else _length(charge)
    if charge is None or length is None or not _parks_too_long(charge):
        return
    parked = max(parking_of(charge), charge.total_parking_time or 0)
    sentence = (
        f"CDR {case.cdr.id} states {in_hours(parked)} h of parking; from start to end {in_seconds(length)} s passed."
    )
    details = {"parking_hours": in_hours(parked), "length_seconds": in_seconds(length)}
    finding = found(PARKING_LONGER_THAN_SESSION, on(case.cdr), sentence, **details)
    yield finding if _costs_more_than_its_time(case, charge) else lowered_to_report(finding)


# --- of what they are made -----------------------------------------------------------------------


def _charge(case: Case) -> Charge | None:
    """The charge whose times are to be looked at here."""
    return None if case.is_told_elsewhere else case.pricing.charge


def _energy_tolerance(charge: Charge, energy: Exact) -> Fraction:
    return max(Fraction(ENERGY_TOLERANCE_KWH * len(charge.periods)), Fraction(energy, ENERGY_TOLERANCE_PART))


def _length(charge: Charge) -> int | None:
    """Microseconds from start to end; None where one is unknown or the end comes first (A08)."""
    length = span(charge.start, charge.end)
    return None if length is None or length < 0 else length


def _is_outside(charge: Charge, start: datetime | None) -> bool:
    early, late = span(start, charge.start), span(charge.end, start)
    return max(early or 0, late or 0) > SECOND and _length(charge) is not None


def _differs(stretch: Stretch, charge: Charge) -> bool:
    if stretch.length is None or stretch.length < 0 or not (hours := stretch.hours):
        return False
    return is_beyond_notation(sum(hours) - stretch.length, charge, len(hours))


def _of_periods(case: Case, charge: Charge, wrong: list[Stretch]) -> Finding:
    worst = max(wrong, key=lambda stretch: size(sum(stretch.hours) - (stretch.length or 0)))
    sentence = f"A period of CDR {case.cdr.id} states {in_hours(sum(worst.hours))} h and lasted {in_seconds(worst.length or 0)} s."
    details = {
        "stated_hours": [in_hours(sum(stretch.hours)) for stretch in wrong],
        "length_seconds": [in_seconds(stretch.length or 0) for stretch in wrong],
    }
    finding = found(TIME_SUM_MISMATCH, on(case.cdr), sentence, **details)
    return raised_to_hold(finding) if _costs_more_than_its_time(case, charge) else finding


def _costs_more_than_its_time(case: Case, charge: Charge) -> bool:
    """Whether hours that nobody had are priced and claimed, without VAT or with it; what a step_size would bill anyway is not (D2)."""
    cdr, priced = case.cdr, case.pricing.priced
    if priced is None or cdr.total is None:
        return False
    fitting = price(within_its_time(charge), case.pricing.book, case.agreement.policy, case.pricing.zone)
    if not isinstance(fitting, Priced):
        return False
    unit, stated, fits = _minor_unit(cdr), priced.total_cost, fitting.total_cost
    with_vat = (cdr.total.incl_vat, stated.incl_vat, fits.incl_vat)
    return any(
        claimed is not None
        and counted is not None
        and least is not None
        and counted - unit > least
        and claimed > least + unit
        for claimed, counted, least in ((cdr.total.excl_vat, stated.excl_vat, fits.excl_vat), with_vat)
    )


def _parks_too_long(charge: Charge) -> bool:
    parked = max(parking_of(charge), charge.total_parking_time or 0)
    length = _length(charge) if parked else None
    return length is not None and parked > length and is_beyond_notation(parked - length, charge, len(charge.periods))


def _has_energy_price(case: Case) -> bool:
    priced = case.pricing.priced
    return priced is not None and any(tariff is not None and tariff.energy for tariff in priced.working.tariffs)


def _may_be_negative(case: Case, charge: Charge) -> bool:
    priced = case.pricing.priced
    is_fed_back = any((period.energy or 0) < 0 for period in charge.periods) or (charge.total_energy or 0) < 0
    return is_fed_back or (priced is not None and priced.total_cost.excl_vat < 0)


def _has_volume(charge: Charge) -> bool:
    if charge.total_energy or charge.total_time or energy_of(charge):
        return True
    return any(time for period in charge.periods for time in times_of(period))


def _volumes_of_parts(charge: Charge) -> Iterable[tuple[str, Exact]]:
    yield "total_energy_cost", energy_of(charge) or charge.total_energy or 0
    yield "total_time_cost", sum(period.time or 0 for period in charge.periods) or charge.total_time or 0
    yield "total_parking_cost", parking_of(charge) or charge.total_parking_time or 0


def _minor_unit(cdr: CdrFact) -> Fraction:
    return Fraction(1, 10 ** currency_exponent(cdr.currency))


CASE_CHECKS: tuple[CaseCheck, ...] = (
    b01_periods_within_the_session,
    b02_energy_sum,
    b03_b04_time_sum,
    b03_parking_sum,
    b07_negative_amount,
    b08_nothing_claimed,
    b09_cost_without_volume,
    b10_part_without_volume,
    c07_parking_longer_than_session,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
