"""How much a charge took, and when: from what its station said, whatever that is worth. Pure.

Billed is the difference of one register between begin and end. What cannot be, or says two things, is kept back for an operator
(QUARANTINED) and never billed silently. Energies are counted in tenths of a Wh, for OCPI has four decimals of a kWh; what a register
shows beyond them is cut off, at its begin as at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hub.chargers.charging import (
    NOT_PERMITTED,
    OFFLINE_NOT_PERMITTED,
    START_UNTOLD,
    STATION_LOST,
    has_flag,
    is_parking,
    is_whole,
)
from hub.chargers.readings import BEGIN, END, INLET, INTERVAL, OUTLET
from hub.store.charges import Charge, ChargeState, Reading
from ocpi_modules.types import decode_json

TENTHS_PER_WH = 10
NEVER_DELIVERED_MAX_SECONDS = 60
CHARGE_MAX_DAYS = 7
MARGIN = Fraction(105, 100)
SHORT_SECONDS = 360
SHORT_EXTRA_WH = 100
JITTER_WH = 10
UNLIKE_TIMES = 3
COMPARED_MIN_SECONDS = 300
COMPARED_MIN_WH = 500
THOUSAND_TOLERANCE = Fraction(1, 4)
HUNDREDS_TIMES = 200
"""A voltage is known to a factor of five: of a register in another unit the current tells between 200 and 5,000 times as much."""
LIFETIME_MIN_WH = 200_000
"""A register that showed so much counts for good, and does not begin anew with each charge or boot."""
BATTERY_MIN_WH = 5_000
SOC_MIN_PERCENT = 10

NO_REGISTER = "NO_REGISTER"
NO_TOKEN = "NO_TOKEN"
NO_PLACE = "NO_PLACE"
NO_TARIFF = "NO_TARIFF"
NEVER_DELIVERED = "NEVER_DELIVERED"
WENT_BACK = "REGISTER_WENT_BACK"
ABOVE_POWER = "ENERGY_ABOVE_POWER"
UNLIKE_POWER = "ENERGY_UNLIKE_POWER"
IN_KWH = "REGISTER_IN_ANOTHER_UNIT"
SAMPLES_UNLIKE = "SAMPLES_OF_ANOTHER_REGISTER"
START_FROM_SAMPLE = "START_FROM_SAMPLE"
END_FROM_SAMPLE = "END_FROM_SAMPLE"
FROM_INTERVALS = "FROM_INTERVALS"
FROM_INLET = "FROM_INLET"
ENDS_BEFORE_START = "ENDS_BEFORE_START"
TOO_LONG = "TOO_LONG"
EVENTS_MISSING = "EVENTS_MISSING"

_NOTHING_TO_BILL = frozenset({NO_REGISTER, NO_TARIFF, NO_PLACE, OFFLINE_NOT_PERMITTED})
"""What is no reason to ask an operator about a charge that was over at once and took nothing."""


@dataclass(frozen=True, slots=True)
class Knot:
    """How much had been taken at a moment (UTC, whole seconds): in tenths of a Wh since the begin."""

    at: datetime
    tenths: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A charge over time: between two knots energy flows evenly. `parking`: from when on the car asked for energy, or did not.

    `currents` are amperes as measured (sum of the phases), each up to its moment.
    """

    knots: tuple[Knot, ...]
    parking: tuple[tuple[datetime, bool], ...] = ()
    currents: tuple[tuple[datetime, Decimal], ...] = ()

    @property
    def start(self) -> datetime:
        """When it began."""
        return self.knots[0].at

    @property
    def end(self) -> datetime:
        """When it ended."""
        return self.knots[-1].at

    @property
    def tenths(self) -> int:
        """All that was taken."""
        return self.knots[-1].tenths


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a charge that is over: its state (ENDED where it is to be billed), why, and how it went."""

    state: ChargeState
    flags: tuple[str, ...]
    curve: Curve
    proposed_wh: Decimal


@dataclass(frozen=True, slots=True)
class Register:
    """What one register showed: begin, end, and between them; in Wh."""

    begin: Decimal | None
    end: Decimal | None
    samples: tuple[tuple[datetime, Decimal], ...]
    flags: tuple[str, ...] = ()

    @property
    def whole(self) -> list[Decimal]:
        """Everything that it showed, in order."""
        shown = [self.begin, *(wh for _, wh in self.samples), self.end]
        return [wh for wh in shown if wh is not None]


def settle(charge: Charge, readings: Sequence[Reading], before_wh: Decimal | None = None) -> Settled:
    """What becomes of a charge that is over, from all that its station said; in whatever order it said so.

    `before_wh`: what the register of the connector showed at the end of the last charge that nobody doubts.
    """
    start, end = span(charge, readings)
    register = register_of(charge, readings)
    found = [*_doubts(charge, start, end), *_register_doubts(charge, readings, register, (start, end))]
    if any(is_another_unit(charge, readings, register, before_wh)):
        found.append(IN_KWH)
    doubts = list(dict.fromkeys(found))
    proposed = _proposed(charge, register, end - start)
    total = charge.corrected_wh if charge.released_by and charge.corrected_wh is not None else _difference(register)
    curve = curve_of(charge, readings, max(total, Decimal(0)) if total is not None else Decimal(0))
    state, why = _verdict(charge, curve, tuple(doubts))
    return Settled(state, (*register.flags, *_notes(charge), *doubts, *why), curve, proposed)


def _notes(charge: Charge) -> Iterable[str]:
    if not is_whole(charge) and not has_flag(charge, START_UNTOLD):
        yield EVENTS_MISSING


def _verdict(charge: Charge, curve: Curve, doubts: tuple[str, ...]) -> tuple[ChargeState, tuple[str, ...]]:
    if not charge.token:
        return ChargeState.INVALID, (NO_TOKEN,)
    if has_flag(charge, NOT_PERMITTED) and not charge.released_by:
        return ChargeState.INVALID, ()
    is_short = curve.end - curve.start < timedelta(seconds=NEVER_DELIVERED_MAX_SECONDS)
    if not curve.tenths and is_short and not set(doubts) - _NOTHING_TO_BILL:
        return ChargeState.INVALID, (NEVER_DELIVERED,)
    if charge.released_by:
        can_be = charge.place and charge.tariffs and not {ENDS_BEFORE_START, TOO_LONG} & set(doubts)
        return (ChargeState.ENDED if can_be else ChargeState.QUARANTINED), ()
    return (ChargeState.QUARANTINED if doubts else ChargeState.ENDED), ()


def span(charge: Charge, readings: Sequence[Reading]) -> tuple[datetime, datetime]:
    """When a charge began and ended, in whole seconds; one whose begin nobody told began with its first reading."""
    times = [one.at for one in readings]
    start = min([charge.started_at, *times]) if has_flag(charge, START_UNTOLD) else charge.started_at
    end = charge.ended_at or max([start, *times])
    return whole_second(start), whole_second(end)


def whole_second(moment: datetime) -> datetime:
    """A moment without its parts of a second."""
    return moment.replace(microsecond=0)


def place_of(charge: Charge) -> dict[str, Any]:
    """What is kept of the connector of a charge; empty where nobody knew it."""
    place: dict[str, Any] = decode_json(charge.place.encode()) if charge.place else {}
    return place


# --- which register --------------------------------------------------------------------------


def register_of(charge: Charge, readings: Sequence[Reading]) -> Register:
    """The register that a charge is billed by: the one at the outlet where it shows anything, never two of them mixed."""
    own = [one for one in readings if one.kind == OUTLET and one.register_wh is not None]
    if own or (charge.meter_start_wh is not None and charge.meter_end_wh is not None):
        return _ends((charge.meter_start_wh, charge.meter_end_wh), own)
    inlet = [one for one in readings if one.kind == INLET and one.register_wh is not None]
    if inlet:
        return _with_flag(_ends((None, None), inlet), FROM_INLET)
    intervals = [one for one in readings if one.kind == INTERVAL and one.register_wh is not None]
    return _added_up(intervals) if intervals else Register(charge.meter_start_wh, charge.meter_end_wh, ())


def _with_flag(register: Register, flag: str) -> Register:
    return replace(register, flags=(*register.flags, flag))


def _ends(told: tuple[Decimal | None, Decimal | None], readings: Sequence[Reading]) -> Register:
    """A register from its begin to its end; one reading alone is not both of them, however long the charge was."""
    first, last = _shown_but(readings, END), _shown_but(readings, BEGIN)
    begin = told[0] if told[0] is not None else _stated(readings, BEGIN)
    end = told[1] if told[1] is not None else _stated(readings, END)
    if begin is None and end is None and first[:1] == last[-1:]:
        last = []
    flags = ((START_FROM_SAMPLE,) if begin is None and first else ()) + (
        (END_FROM_SAMPLE,) if end is None and last else ()
    )
    begin = first[0][1] if begin is None and first else begin
    end = last[-1][1] if end is None and last else end
    between = [one for one in readings if one.context not in {BEGIN, END}]
    return Register(begin, end, tuple(_shown_but(between, "")), flags)


def _shown_but(readings: Sequence[Reading], context: str) -> list[tuple[datetime, Decimal]]:
    """What a register showed, in order, without what it showed at one end of the charge."""
    fitting = (one for one in readings if one.context != context or not context)
    return sorted((one.at, one.register_wh) for one in fitting if one.register_wh is not None)


def _stated(readings: Sequence[Reading], context: str) -> Decimal | None:
    found = sorted(
        (one.at, one.register_wh) for one in readings if one.context == context and one.register_wh is not None
    )
    return None if not found else found[0][1] if context == BEGIN else found[-1][1]


def _added_up(intervals: Sequence[Reading]) -> Register:
    """A register of what was taken in intervals, each of which counts once."""
    by_time = {one.at: one.register_wh for one in sorted(intervals, key=lambda one: (one.at, one.key))}
    samples, total = list[tuple[datetime, Decimal]](), Decimal(0)
    for at, wh in sorted(by_time.items()):
        total += wh or Decimal(0)
        samples.append((at, total))
    return Register(Decimal(0), total, tuple(samples), (FROM_INTERVALS,))


def _difference(register: Register) -> Decimal | None:
    if register.begin is None or register.end is None:
        return None
    return _cut(register.end) - _cut(register.begin)


def _cut(wh: Decimal) -> Decimal:
    return wh.quantize(Decimal("0.1"), rounding=ROUND_FLOOR)


# --- what is doubtful ------------------------------------------------------------------------


def _doubts(charge: Charge, start: datetime, end: datetime) -> Iterable[str]:
    if has_flag(charge, START_UNTOLD):
        yield START_UNTOLD
    if has_flag(charge, OFFLINE_NOT_PERMITTED):
        yield OFFLINE_NOT_PERMITTED
    if has_flag(charge, STATION_LOST):
        yield STATION_LOST
    if not charge.place:
        yield NO_PLACE
    elif not charge.tariffs:
        yield NO_TARIFF
    if end < start:
        yield ENDS_BEFORE_START
    if end - start > timedelta(days=CHARGE_MAX_DAYS):
        yield TOO_LONG


def _register_doubts(
    charge: Charge, readings: Sequence[Reading], register: Register, ends: tuple[datetime, datetime]
) -> Iterable[str]:
    energy, length = _difference(register), ends[1] - ends[0]
    if energy is None:
        yield NO_REGISTER
        return
    if energy < 0 or not _only_grows(register.samples):
        yield WENT_BACK
    elif not _is_like(register, energy):
        yield SAMPLES_UNLIKE
    if energy > most_wh(charge, length):
        yield ABOVE_POWER
    yield from _power_doubts(readings, register)


def most_wh(charge: Charge, length: timedelta) -> Decimal | Fraction:
    """The most that the connector of a charge can have given in a time, in Wh: its power, and a margin of five percent."""
    watts = place_of(charge).get("power_w")
    if watts is None:
        return Decimal("Infinity")
    seconds = max(0, length // timedelta(seconds=1))
    return Fraction(watts) * seconds / 3600 * MARGIN + (SHORT_EXTRA_WH if seconds < SHORT_SECONDS else 0)


def _only_grows(samples: Sequence[tuple[datetime, Decimal]]) -> bool:
    most = Decimal(0)
    for _, wh in samples:
        if wh < most - JITTER_WH:
            return False
        most = max(most, wh)
    return True


def _is_like(register: Register, energy: Decimal) -> bool:
    """Whether the samples are of the register of begin and end, or of another one that counted no more than that."""
    inside = [_is_between(wh, register) for _, wh in register.samples]
    if all(inside):
        return True
    counted = register.samples[-1][1] - register.samples[0][1]
    return not any(inside) and counted <= energy + energy / 10 + JITTER_WH


def _is_between(wh: Decimal, register: Register) -> bool:
    assert register.begin is not None
    assert register.end is not None
    return register.begin - JITTER_WH <= wh <= register.end + JITTER_WH


def _power_doubts(readings: Sequence[Reading], register: Register) -> Iterable[str]:
    """Whether registers and powers tell of two different charges (a register in kWh that says to be in Wh)."""
    both = sorted(
        (one.at, one.power_w, one.register_wh)
        for one in readings
        if one.kind == OUTLET and one.power_w is not None and one.register_wh is not None
    )
    if len(both) < 2 or (both[-1][0] - both[0][0]).total_seconds() < COMPARED_MIN_SECONDS:
        return
    by_power = sum((_flowed(one[:2], other[:2]) for one, other in pairwise(both)), Fraction(0))
    by_register = Fraction(both[-1][2]) - Fraction(both[0][2])
    if max(by_power, by_register) < COMPARED_MIN_WH or by_register < 0:
        return
    low, high = sorted((by_power, by_register))
    if high <= low * UNLIKE_TIMES:
        return
    yield IN_KWH if _is_thousand(low, high) else UNLIKE_POWER


def is_another_unit(
    charge: Charge, readings: Sequence[Reading], register: Register, before_wh: Decimal | None
) -> Iterable[bool]:
    """Whether a register counts in another unit than it says, also where no power is told: by what it showed before, by the current, and by
    how full the battery became. A car that takes nothing shows none of the three.
    """
    yield _has_jumped(register, before_wh)
    yield _is_below_current(place_of(charge), readings)
    yield _is_below_battery(readings)


def _has_jumped(register: Register, before_wh: Decimal | None) -> bool:
    """Whether a register that counts for good shows a thousandth, or a thousand times, of what it showed after the charge before."""
    begin = register.begin
    if begin is None or before_wh is None or begin <= 0 or max(begin, before_wh) < LIFETIME_MIN_WH:
        return False
    return _is_thousand(Fraction(begin), Fraction(before_wh))


def _is_thousand(one: Fraction, other: Fraction) -> bool:
    low, high = sorted((one, other))
    return low > 0 and abs(high / low / 1000 - 1) <= THOUSAND_TOLERANCE


def _is_below_current(place: Mapping[str, Any], readings: Sequence[Reading]) -> bool:
    """Whether the currents that were told would have given hundreds of times of what the register counted."""
    both = sorted(
        (one.at, power, one.register_wh)
        for one in readings
        if one.kind == OUTLET and one.register_wh is not None and (power := _by_current(one, place)) is not None
    )
    if len(both) < 2 or (both[-1][0] - both[0][0]).total_seconds() < COMPARED_MIN_SECONDS:
        return False
    flowed = sum((_flowed(one[:2], other[:2]) for one, other in pairwise(both)), Fraction(0))
    counted = Fraction(both[-1][2]) - Fraction(both[0][2])
    return flowed >= COMPARED_MIN_WH and 0 < counted * HUNDREDS_TIMES <= flowed


def _by_current(reading: Reading, place: Mapping[str, Any]) -> Decimal | None:
    """A power (W) by current and voltage; None where one of them is not known, or where it is more than the connector can give."""
    volts, most = reading.voltage_v or place.get("voltage_v"), place.get("power_w")
    if reading.current_a is None or not volts:
        return None
    power = reading.current_a * Decimal(volts)
    return power if most is None or power <= Decimal(most) * 2 else None


def _is_below_battery(readings: Sequence[Reading]) -> bool:
    """Whether a battery became fuller by more than hundreds of times of what the register counted, however small it is."""
    told = sorted(
        (one.at, one.soc_percent, one.register_wh)
        for one in readings
        if one.kind == OUTLET and one.soc_percent is not None and one.register_wh is not None
    )
    if not told:
        return False
    gained, counted = told[-1][1] - told[0][1], told[-1][2] - told[0][2]
    return gained >= SOC_MIN_PERCENT and 0 < counted * HUNDREDS_TIMES <= gained * BATTERY_MIN_WH / 100


def _flowed(one: tuple[datetime, Decimal], other: tuple[datetime, Decimal]) -> Fraction:
    seconds = Fraction((other[0] - one[0]) // timedelta(milliseconds=1), 1000)
    return (Fraction(one[1]) + Fraction(other[1])) / 2 * seconds / 3600


def _proposed(charge: Charge, register: Register, length: timedelta) -> Decimal:
    """What an operator is proposed to bill: what the register counted wherever it went on plausibly."""
    most = most_wh(charge, length)
    steps = (_cut(high) - _cut(low) for low, high in pairwise(register.whole))
    return sum((step for step in steps if 0 <= step <= most), Decimal(0))


# --- how it went -----------------------------------------------------------------------------


def curve_of(charge: Charge, readings: Sequence[Reading], total_wh: Decimal) -> Curve:
    """A charge that took so much over time: by its samples as far as they can be, else evenly."""
    start, end = span(charge, readings)
    end = max(start, end)
    register = register_of(charge, readings)
    own = _difference(register)
    knots = [Knot(start, 0), *_between(register, (start, end))] if own is not None and own >= 0 else [Knot(start, 0)]
    tenths = int(total_wh * TENTHS_PER_WH)
    if own is not None and own > 0 and own != total_wh:
        knots = [Knot(knot.at, int(knot.tenths * total_wh / own)) for knot in knots]
    limit = _tenths_per_second(charge)
    return Curve(
        tuple(_plausible([*knots, Knot(end, tenths)], limit)), _parking(readings, (start, end)), _currents(readings)
    )


def _between(register: Register, ends: tuple[datetime, datetime]) -> Iterable[Knot]:
    """The samples between begin and end, never less than the one before, never more than the end; the last one of a second counts."""
    assert register.begin is not None
    assert register.end is not None
    begin, found, most = _cut(register.begin), dict[datetime, int](), 0
    for at, wh in register.samples:
        moment = whole_second(at)
        if ends[0] < moment < ends[1] and register.begin <= wh <= register.end:
            most = max(most, int((_cut(wh) - begin) * TENTHS_PER_WH))
            found[moment] = most
    return [Knot(at, tenths) for at, tenths in found.items()]


def _tenths_per_second(charge: Charge) -> Fraction | None:
    watts = place_of(charge).get("power_w")
    return None if watts is None else Fraction(watts) * TENTHS_PER_WH / 3600


def _plausible(knots: Sequence[Knot], limit: Fraction | None) -> list[Knot]:
    """Knots without those between which more would have flowed than can: what a sample lags behind is spread over what is around it."""
    first, last = knots[0], knots[-1]
    kept = [first]
    for knot in knots[1:]:
        while len(kept) > 1 and not _can_flow(kept[-1], knot, limit):
            kept.pop()
        if knot is last or _can_flow(kept[-1], knot, limit):
            kept.append(knot)
    return kept


def _can_flow(one: Knot, other: Knot, limit: Fraction | None) -> bool:
    seconds = (other.at - one.at) // timedelta(seconds=1)
    return limit is None or other.tenths - one.tenths <= limit * seconds


def _parking(readings: Sequence[Reading], ends: tuple[datetime, datetime]) -> tuple[tuple[datetime, bool], ...]:
    """From when on a car asked for no energy, or asked again; within the charge."""
    found, has_charged = list[tuple[datetime, bool]](), False
    states = sorted((one.at, one.charging_state, one.key) for one in readings if one.charging_state)
    for at, state, _ in states:
        has_charged = has_charged or state == "Charging"
        moment = min(max(whole_second(at), ends[0]), ends[1])
        found.append((moment, is_parking(state, has_charged)))
    last = dict(found)
    steps = [(moment, last[moment]) for moment in sorted(last)]
    return tuple(step for index, step in enumerate(steps) if step[1] != (steps[index - 1][1] if index else False))


def _currents(readings: Sequence[Reading]) -> tuple[tuple[datetime, Decimal], ...]:
    return tuple(sorted((one.at, one.current_a) for one in readings if one.current_a is not None))
