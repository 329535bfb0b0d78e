"""C: what a connector and a car can do (C07 is with the arithmetic of time)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from hub.pricing.charge import Charge
from hub.pricing.exact import PER_ONE, Exact, millionths, size
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    ENERGY_ABOVE_PHYSICAL_LIMIT,
    ENERGY_IMPLAUSIBLE,
    ENERGY_UNIT_ERROR,
    IMPLAUSIBLE_DURATION,
    MICRO_SESSION,
    PERIOD_ABOVE_PHYSICAL_LIMIT,
)
from hub.settlement.evidence import Place
from hub.settlement.facts import Object, key_of, number_of, objects_in
from hub.settlement.findings import Check, Finding, found, lowered_to_report, on, raised_to_hold
from hub.settlement.quantities import HOUR, SECOND, energy_of, in_hours, in_kwh, in_seconds, span, stretches

SHORT_SECONDS = 6 * 60
SHORT_EXTRA_KWH = Decimal("0.1")
CLEARLY_POSSIBLE_PART = 0.999
"""Up to this part of a limit, a limit in floats tells as surely as the exact one that it is kept."""
CAR_KWH = 150
CHARGE_MAX_KWH = 1000
WH_PER_KWH = 1000
UNIT_RATIO_PART = 1000  # the ratio is met within 0.1 %
BEYOND_ANY_MARGIN = 10
"""From how many times the physical limit on energy must be in Wh: a wrong power or time does not explain as much."""
LEAST_IN_WH = 100 * PER_ONE
"""0.1 kWh in Wh: with less, a wrong time is the likelier cause."""
MICRO_ENERGY = PER_ONE // 10  # millionths of a kWh
MICRO_SECONDS = 120
LONG = timedelta(days=1)
LONGEST = timedelta(days=7)

PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3, "DC": 1}


class Excess(NamedTuple):
    """More energy than can flow in a time: millionths of a kWh and microseconds."""

    energy: Exact
    length: int
    limit: Fraction


def c01_c02_power_of_the_connector(case: Case) -> Iterable[Finding]:
    """The whole charge first, then each period; told once. Only an upper limit: no car has to charge as fast as it might.

    Periods without length (what a meter is read for at the very end) count with the whole only.
    """
    charge, watts = case.pricing.charge, power_of(case.place)
    if charge is None or watts is None or not case.is_open:
        return
    over = _over_in_all(case, charge, watts)
    if over is not None:
        yield _above(ENERGY_ABOVE_PHYSICAL_LIMIT, case, over, watts)
        return
    parts = (_excess(case, stretch.energy or 0, stretch.length or 0, watts) for stretch in stretches(charge))
    part = next((excess for excess in parts if excess is not None and excess.length > SECOND), None)
    if part is not None:
        yield _above(PERIOD_ABOVE_PHYSICAL_LIMIT, case, part, watts)


def c03_energy_of_a_charge(case: Case) -> Iterable[Finding]:
    """Only where no connector tells what is possible: lorries and ships take more than any car, where they can."""
    charge = case.pricing.charge
    if charge is None or not case.is_open or power_of(case.place) is not None:
        return
    energy = _billed(charge)
    if energy > CAR_KWH * PER_ONE:
        sentence = f"CDR {case.cdr.id} states {in_kwh(energy)} kWh, and no connector is known that gives as much."
        finding = found(ENERGY_IMPLAUSIBLE, on(case.cdr), sentence, energy_kwh=in_kwh(energy))
        yield finding if energy > CHARGE_MAX_KWH * PER_ONE else lowered_to_report(finding)


def c04_wh_for_kwh(case: Case) -> Iterable[Finding]:
    """A factor of 1,000 between periods, total and session, else an energy far beyond the connector that Wh would explain (D4)."""
    charge = case.pricing.charge
    if charge is None or not case.is_open:
        return
    for one, other, names in _statements(case, charge):
        if _is_thousandfold(one, other) or _is_thousandfold(other, one):
            sentence = f"Energy of CDR {case.cdr.id}: {names[0]} say {in_kwh(one)}, {names[1]} {in_kwh(other)} kWh: Wh for kWh."
            details = {"stated_kwh": in_kwh(one), "other_kwh": in_kwh(other), "between": list(names)}
            yield found(ENERGY_UNIT_ERROR, on(case.cdr), sentence, **details)
            return
    yield from _far_beyond(case, charge)


def c05_micro_session(case: Case) -> Iterable[Finding]:
    """Held where the agreement says that such a charge costs nothing. Not for reservations."""
    charge, cdr = case.pricing.charge, case.cdr
    if charge is None or not case.is_open or any(period.reservation for period in charge.periods):
        return
    length = span(charge.start, charge.end)
    if length is None or not 0 <= length < MICRO_SECONDS * SECOND or _billed(charge) >= MICRO_ENERGY:
        return
    if cdr.total is not None and cdr.total.excl_vat > 0:
        sentence = (
            f"CDR {cdr.id} claims {cdr.total.excl_vat} {cdr.currency} for {in_kwh(_billed(charge))} kWh "
            f"in {in_seconds(length)} s."
        )
        finding = found(MICRO_SESSION, on(cdr), sentence, energy_kwh=in_kwh(_billed(charge)))
        yield finding if case.agreement.bills_micro_sessions else raised_to_hold(finding)


def c06_length_of_a_charge(case: Case) -> Iterable[Finding]:
    """Unknown times have no length (X1)."""
    charge = case.pricing.charge
    if charge is None or charge.start is None or charge.end is None or case.is_told_elsewhere:
        return
    length = charge.end - charge.start
    if length > LONG:
        hours = in_hours(span(charge.start, charge.end) or 0)
        sentence = f"CDR {case.cdr.id} lasts {hours:.1f} h."
        finding = found(IMPLAUSIBLE_DURATION, on(case.cdr), sentence, hours=hours)
        yield finding if length > LONGEST else lowered_to_report(finding)


# --- what is possible ----------------------------------------------------------------------------


def power_of(place: Place) -> Decimal | None:
    """The most that the connector gives, in W; that of the strongest connector of its EVSE where it is not known itself."""
    if place.connector is not None:
        return _watts(place.connector)
    connectors = objects_in(place.evse.get("connectors")) if place.evse is not None else ()
    powers = [_watts(connector) for connector in connectors]
    return max((power for power in powers if power is not None), default=None) if None not in powers else None


def _watts(connector: Object) -> Decimal | None:
    """As stated, else voltage times amperage times phases; max_voltage is that of one phase (mod_locations, Connector)."""
    stated = number_of(connector.get("max_electric_power"))
    if stated is not None and stated > 0:
        return stated
    volts, amperes = number_of(connector.get("max_voltage")), number_of(connector.get("max_amperage"))
    phases = PHASES.get(key_of(connector.get("power_type")))
    if volts is None or amperes is None or phases is None or volts <= 0 or amperes <= 0:
        return None
    return volts * amperes * phases


def _limit(case: Case, watts: Decimal, length: int) -> Fraction:
    """The most energy, in millionths of a kWh, that can flow in a time."""
    margin = 1 + Fraction(case.evidence.tolerances.physical_margin)
    extra = Fraction(SHORT_EXTRA_KWH) * PER_ONE if length < SHORT_SECONDS * SECOND else 0
    return Fraction(watts) / 1000 * PER_ONE * Fraction(length, HOUR) * margin + extra


def _over_in_all(case: Case, charge: Charge, watts: Decimal) -> Excess | None:
    """A whole charge that has too much energy; where its periods state none, that of its total."""
    length = span(charge.start, charge.end)
    return None if length is None or length < 0 else _excess(case, _billed(charge), length, watts)


def _excess(case: Case, energy: Exact, length: int, watts: Decimal) -> Excess | None:
    if _is_clearly_possible(case, energy, length, watts):
        return None
    limit = _limit(case, watts, length)
    return Excess(energy, length, limit) if energy > limit else None


def _is_clearly_possible(case: Case, energy: Exact, length: int, watts: Decimal) -> bool:
    """Whether energy is below the limit by more than floats can be wrong, which is so for nearly all charges."""
    margin = 1 + float(case.evidence.tolerances.physical_margin)
    return energy < CLEARLY_POSSIBLE_PART * float(watts) * 1000 * length / HOUR * margin


def _billed(charge: Charge) -> Exact:
    stated = energy_of(charge)
    return (charge.total_energy or 0) if stated is None else stated


def _statements(case: Case, charge: Charge) -> Iterator[tuple[Exact, Exact, tuple[str, str]]]:
    """Pairs of statements of one energy."""
    stated, total, session = energy_of(charge), charge.total_energy, case.session
    if stated is not None and total is not None:
        yield stated, total, ("its periods", "total_energy")
    if total is not None and session is not None and session.energy is not None and session.status == "COMPLETED":
        yield total, millionths(session.energy), ("its total_energy", "its session")


def _is_thousandfold(one: Exact, other: Exact) -> bool:
    return one != other != 0 and size(one - other * WH_PER_KWH) * UNIT_RATIO_PART <= size(other) * WH_PER_KWH


def _far_beyond(case: Case, charge: Charge) -> Iterable[Finding]:
    watts = power_of(case.place)
    over = None if watts is None else _over_in_all(case, charge, watts)
    if over is None or over.energy <= over.limit * BEYOND_ANY_MARGIN or over.energy < LEAST_IN_WH:
        return
    energy, limit = in_kwh(over.energy), in_kwh(over.limit)
    sentence = (
        f"CDR {case.cdr.id} states {energy} kWh where its connector gives {limit:.1f} at most; "
        f"{energy / WH_PER_KWH} kWh would fit."
    )
    yield found(ENERGY_UNIT_ERROR, on(case.cdr), sentence, stated_kwh=energy, limit_kwh=limit)


def _above(check: Check, case: Case, over: Excess, watts: Decimal) -> Finding:
    energy, limit, seconds = in_kwh(over.energy), in_kwh(over.limit), in_seconds(over.length)
    sentence = f"CDR {case.cdr.id} states {energy} kWh in {seconds} s; {watts} W give {limit:.3f} at most."
    return found(check, on(case.cdr), sentence, energy_kwh=energy, limit_kwh=limit, power_w=watts, seconds=seconds)


CASE_CHECKS: tuple[CaseCheck, ...] = (
    c01_c02_power_of_the_connector,
    c03_energy_of_a_charge,
    c04_wh_for_kwh,
    c05_micro_session,
    c06_length_of_a_charge,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
