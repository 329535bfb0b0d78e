"""What a CDR says in numbers: what its charging periods hold, how long they last, and how exactly its hours are written.

Works on the charge as the pricer reads it: energy in millionths of a kWh, time in microseconds, both exact. Details of findings are in kWh
and hours. Source: mod_cdrs, ChargingPeriod and CDR object; rules D2, D3 and X1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from msgspec import structs

from hub.pricing.charge import SECONDS_PER_HOUR, Charge, Period
from hub.pricing.exact import PER_ONE, Exact, simplest, size, to_decimal

HOUR = SECONDS_PER_HOUR * PER_ONE
SECOND = PER_ONE
HOURS_MIN_DECIMALS = 2
"""Zeros at the end are often left out, so hours are taken to be written with two decimals at least."""
HOURS_MAX_DECIMALS = 7

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Charging periods that begin at one moment, until the next ones begin or the session ends.

    `length` in microseconds is None where a time is unknown, and negative where the end comes first.
    """

    start: datetime | None
    length: int | None
    periods: tuple[Period, ...]

    @property
    def energy(self) -> Exact | None:
        """The energy of its periods; None where none states any."""
        return added(period.energy for period in self.periods)

    @property
    def hours(self) -> tuple[Exact, ...]:
        """The times that its periods state: charging, parking, reserved."""
        return tuple(time for period in self.periods for time in times_of(period))


def times_of(period: Period) -> list[Exact]:
    """The times that a period states: charging, parking, reserved."""
    return [time for time in (period.time, period.parking, period.reservation) if time is not None]


def stretches(charge: Charge) -> list[Stretch]:
    """The charging periods in time order (D3), those with one start together; what is split by dimension is one stretch."""
    groups = [(start, tuple(group)) for start, group in groupby(charge.periods, key=_start)]
    ends = [start for start, _ in groups[1:]] + [charge.end]
    return [Stretch(start, span(start, end), group) for (start, group), end in zip(groups, ends, strict=True)]


def _start(period: Period) -> datetime | None:
    return period.start


def span(start: datetime | None, end: datetime | None) -> int | None:
    """Microseconds from one moment to another; None where one is unknown."""
    return None if start is None or end is None else (end - start) // _MICROSECOND


def added(quantities: Iterable[Exact | None]) -> Exact | None:
    """The sum of what is stated; None where nothing is."""
    stated = [quantity for quantity in quantities if quantity is not None]
    return sum(stated) if stated else None


def energy_of(charge: Charge) -> Exact | None:
    """The energy of all periods; None where none states any."""
    return added(period.energy for period in charge.periods)


def parking_of(charge: Charge) -> Exact:
    """The parking time of all periods."""
    return added(period.parking for period in charge.periods) or 0


def is_beyond_notation(difference: Exact, charge: Charge, numbers: int) -> bool:
    """Whether so many rounded numbers of hours, and a second, do not explain a difference in microseconds."""
    # most differences are less than the second, and the decimals need not be counted
    return size(difference) > SECOND and size(difference) > notation_error(charge) * numbers + SECOND


def notation_error(charge: Charge) -> Fraction:
    """Half a unit of the last decimal with which a CDR writes hours, in microseconds (D2): 0.18 s for four decimals."""
    stated = [time for period in charge.periods for time in times_of(period)]
    decimals = max(map(_decimals, [*stated, charge.total_time, charge.total_parking_time]))
    return Fraction(HOUR, 2 * 10 ** max(decimals, HOURS_MIN_DECIMALS))


def _decimals(time: Exact | None) -> int:
    """The decimals of a time in hours."""
    hours = Fraction(time or 0, HOUR)
    return next((n for n in range(HOURS_MAX_DECIMALS) if (hours * 10**n).denominator == 1), HOURS_MAX_DECIMALS)


def within_its_time(charge: Charge) -> Charge:
    """The same charge with no more hours in a period than it lasted; those too many are in the periods that have room for them.

    So hours that are only told in the wrong period stay, and hours that nobody had do not.
    """
    found = stretches(charge)
    surplus = {kind: sum((_too_many(stretch, kind) for stretch in found), Fraction(0)) for kind in _KINDS}
    fitting = {
        id(old): new for stretch in found for old, new in zip(stretch.periods, _filled(stretch, surplus), strict=True)
    }
    return structs.replace(charge, periods=[fitting[id(period)] for period in charge.periods])


_KINDS = ("time", "parking", "reservation")


def _share(stretch: Stretch) -> Fraction:
    """Which part of the hours of a stretch fits into it."""
    stated = sum(stretch.hours)
    is_too_much = stretch.length is not None and stated > max(0, stretch.length)
    return Fraction(max(0, stretch.length or 0)) / stated if is_too_much else Fraction(1)


def _too_many(stretch: Stretch, kind: str) -> Fraction:
    return (1 - _share(stretch)) * sum(getattr(period, kind) or 0 for period in stretch.periods)


def _filled(stretch: Stretch, surplus: dict[str, Fraction]) -> Iterable[Period]:
    """The periods of a stretch cut to its length, or with as much of the surplus, which is used up, as there is room for."""
    share = _share(stretch)
    room = Fraction(0) if stretch.length is None else max(Fraction(0), stretch.length - share * sum(stretch.hours))
    for period in stretch.periods:
        times = {kind: None if (time := getattr(period, kind)) is None else time * share for kind in _KINDS}
        for kind in _KINDS:
            added_time = min(room, surplus[kind])
            room, surplus[kind] = room - added_time, surplus[kind] - added_time
            times[kind] = (times[kind] or 0) + added_time if added_time else times[kind]
        yield structs.replace(
            period, **{kind: None if time is None else simplest(time) for kind, time in times.items()}
        )


def in_kwh(energy: Exact) -> Decimal:
    """Energy for people and for details."""
    return to_decimal(Fraction(energy, PER_ONE))


def in_hours(time: Exact) -> Decimal:
    """A time for details."""
    return to_decimal(Fraction(time, HOUR))


def in_seconds(time: Exact) -> Decimal:
    """A time for people."""
    return to_decimal(Fraction(time, SECOND))
