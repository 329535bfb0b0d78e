"""Which tariff counts at a connector when a charge begins, and where in the charge its prices may change. Pure.

Source: mod_tariffs, "Tariff object", "TariffRestrictions class"; rules T3, T4 and E2 to E6 of the pricer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hub.chargers.settling import TENTHS_PER_WH, Knot
from ocpi_modules.types import lenient_datetime

Object = Mapping[str, Any]

WH_PER_KWH = 1000
MIDNIGHT = "00:00"
SEARCHED_MAX_DAYS = 8

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def tariff_at(tariffs: Iterable[Object], at: datetime) -> Object | None:
    """The tariff for everybody that is valid at a moment (T3, T4): of several the one that began last; None where there is none."""
    valid = [one for one in tariffs if _is_for_everybody(one) and _is_valid(one, at)]
    return max(valid, key=lambda one: _moment(one, "start_date_time") or _LONG_AGO, default=None)


def _is_for_everybody(tariff: Object) -> bool:
    return str(tariff.get("type") or "REGULAR").upper() == "REGULAR"


def _is_valid(tariff: Object, at: datetime) -> bool:
    begin, end = _moment(tariff, "start_date_time"), _moment(tariff, "end_date_time")
    return (begin is None or begin <= at) and (end is None or at <= end)


def _moment(tariff: Object, name: str) -> datetime | None:
    return lenient_datetime(tariff[name]) if tariff.get(name) else None


def has_reservation_prices(tariff: Object, kind: str | None = None) -> bool:
    """Whether the time for which a place was kept has a price; of a ReservationRestrictionType, where one is named."""
    kinds = [one["reservation"] for one in _restrictions(tariff) if "reservation" in one]
    return bool(kinds) if kind is None else kind in kinds


def has_electric_limits(tariff: Object, what: str) -> bool:
    """Whether prices depend on ``power`` or on ``current``."""
    return bool(electric_limits(tariff, what))


def electric_limits(tariff: Object, what: str) -> list[Decimal]:
    """Where prices change with ``power`` (kW) or ``current`` (A), in order."""
    names = (f"min_{what}", f"max_{what}")
    return sorted({Decimal(one[name]) for one in _restrictions(tariff) for name in names if one.get(name) is not None})


def _restrictions(tariff: Object) -> list[Object]:
    return [one.get("restrictions") or {} for one in tariff.get("elements", ())]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a charge in time, in a time zone."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    def has_inside(self, moment: datetime) -> bool:
        """Whether a moment is between its ends."""
        return self.start < moment < self.end


def clock_cuts(tariff: Object, stretch: Stretch) -> set[datetime]:
    """The moments at which the local clock or calendar may change a price, and those at which the clock itself jumps."""
    clocks = _clocks(tariff)
    if not clocks:
        return set()
    first = stretch.start.astimezone(stretch.zone).date()
    days = min((stretch.end - stretch.start).days + 2, SEARCHED_MAX_DAYS)
    found = {
        _instant(first + timedelta(days=day), clock, stretch.zone, fold)
        for day in range(days + 1)
        for clock in clocks
        for fold in (0, 1)
    }
    return {moment for moment in (*found, *_jumps(stretch)) if stretch.has_inside(moment)}


def _clocks(tariff: Object) -> set[str]:
    clocks = set[str]()
    for one in _restrictions(tariff):
        times = {one[name] for name in ("start_time", "end_time") if one.get(name)}
        counts_days = any(one.get(name) for name in ("day_of_week", "start_date", "end_date"))
        clocks |= times | ({MIDNIGHT} if counts_days or times else set())
    return clocks


def _instant(day: date, clock: str, zone: ZoneInfo, fold: int) -> datetime:
    hour, minute = clock.split(":")
    return datetime.combine(day, time(int(hour), int(minute), tzinfo=zone, fold=fold)).astimezone(UTC)


def _jumps(stretch: Stretch) -> Iterator[datetime]:
    hours = int((stretch.end - stretch.start).total_seconds() // 3600) + 1
    moments = [stretch.start + timedelta(hours=hour) for hour in range(hours + 1)]
    for low, high in pairwise(moments):
        if _offset(low, stretch.zone) != _offset(high, stretch.zone):
            yield _jump(low, high, stretch.zone)


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def duration_cuts(tariff: Object, stretch: Stretch) -> set[datetime]:
    """The moments at which the time that has passed since the start of a stretch may change a price."""
    names = ("min_duration", "max_duration")
    limits = {int(one[name]) for one in _restrictions(tariff) for name in names if one.get(name) is not None}
    return {moment for limit in limits if stretch.has_inside(moment := stretch.start + timedelta(seconds=limit))}


def energy_cuts(tariff: Object, knots: Sequence[Knot]) -> list[Knot]:
    """The knots at which what was taken so far may change a price."""
    names = ("min_kwh", "max_kwh")
    limits = {Decimal(one[name]) for one in _restrictions(tariff) for name in names if one.get(name) is not None}
    found = (_crossing(knots, int(limit * WH_PER_KWH * TENTHS_PER_WH)) for limit in sorted(limits))
    return [knot for knot in found if knot is not None]


def _crossing(knots: Sequence[Knot], tenths: int) -> Knot | None:
    """When so much had been taken: in the second in which it was; None where that is not inside of a charge."""
    for one, other in pairwise(knots):
        if one.tenths < tenths <= other.tenths:
            return Knot(one.at + timedelta(seconds=_seconds_until(one, other, tenths)), tenths)
    return None


def _seconds_until(one: Knot, other: Knot, tenths: int) -> int:
    share = Fraction(tenths - one.tenths, other.tenths - one.tenths)
    return int(share * ((other.at - one.at) // timedelta(seconds=1)))


def taken_at(knots: Sequence[Knot], at: datetime) -> int:
    """How much had been taken at a moment of a charge, in tenths of a Wh."""
    for one, other in pairwise(knots):
        if one.at <= at < other.at:
            share = Fraction((at - one.at) // timedelta(seconds=1), (other.at - one.at) // timedelta(seconds=1))
            return one.tenths + int(share * (other.tenths - one.tenths))
    return knots[-1].tenths
