"""When a Tariff Element applies: restrictions compiled to questions about one moment.

Everything is asked at the start of a period and has to hold together (mod_tariffs, TariffRestrictions; rules E2 to E5, TF-05).
Minima are inclusive, maxima and ends exclusive. What nobody knows proves nothing.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

import msgspec

from hub.pricing.exact import PER_ONE, Exact, Number, millionths
from hub.pricing.policy import TariffPolicy

DAY_MINUTES = 1440
UNKNOWN = -1
OFFSETS_KEPT_MAX = 65536  # zones times days
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


class RestrictionsText(msgspec.Struct, gc=False):
    """Restrictions as they are written: local times and days, kWh, A, kW, seconds."""

    start_time: str | None = None
    end_time: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_current: Number | None = None
    max_current: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Number | None = None
    max_duration: Number | None = None
    day_of_week: list[str] | None = None
    reservation: str | None = None


class Moment(msgspec.Struct, gc=False):
    """What is known at one moment of a session.

    `minute` of the local day and local `day` as an ordinal, each -1 where the local time is unknown; `kwh` charged so far in
    millionths, `duration` of the session so far, None where unknown; `electric` as in `charge.Period`, with the average
    power in millionths of a kW under ``POWER``.
    """

    minute: int = UNKNOWN
    day: int = UNKNOWN
    kwh: Exact = 0
    duration: timedelta | None = None
    electric: dict[str, Exact] | None = None


Check = Callable[[Moment], bool]


class Restrictions(msgspec.Struct, gc=False):
    """Compiled restrictions, and at which values their answer can change."""

    checks: tuple[Check, ...] = ()
    electric: tuple[Check, ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()
    stated: dict[str, object] = {}
    reservation: str | None = None
    minutes: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    has_weekdays: bool = False
    kwh: tuple[Exact, ...] = ()
    durations: tuple[Exact, ...] = ()
    currents: tuple[Exact, ...] = ()
    powers: tuple[Exact, ...] = ()

    def hold(self, moment: Moment) -> bool:
        """Whether all of them match at this moment."""
        for check in self.checks:
            if not check(moment):
                return False
        return all(check(moment) for check in self.electric) if self.electric else True

    @property
    def all_minutes(self) -> tuple[int, ...]:
        """The minutes of the local day at which the answer can change, midnight among them where days count."""
        return (*self.minutes, 0) if self.days or self.has_weekdays else self.minutes

    @property
    def need_local_time(self) -> bool:
        """Whether the answer depends on the clock at the Location."""
        return bool(self.minutes or self.days or self.has_weekdays)


NO_RESTRICTIONS = Restrictions()


def compile_restrictions(text: RestrictionsText | None, policy: TariffPolicy) -> Restrictions:
    """What the text restricts. Raises ValueError for times and days that do not exist."""
    if text is None:
        return NO_RESTRICTIONS
    window = _window(text)
    days = tuple(_ordinal(day) for day in (text.start_date, text.end_date) if day is not None)
    return Restrictions(
        checks=tuple(_checks(text, policy)),
        electric=tuple(_electric_check(name, limit, policy) for name, limit in _electric_limits(text)),
        sources=tuple(_sources(name, policy) for name, _ in _electric_limits(text)),
        stated=_stated(text),
        reservation=text.reservation,
        minutes=_edges(window),
        days=days,
        has_weekdays=bool(text.day_of_week),
        kwh=_thresholds(text.min_kwh, text.max_kwh),
        durations=_thresholds(text.min_duration, text.max_duration),
        currents=_thresholds(text.min_current, text.max_current),
        powers=_thresholds(text.min_power, text.max_power),
    )


def _stated(text: RestrictionsText) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(text).items() if value not in (None, [])}


def _thresholds(*values: Number | None) -> tuple[Exact, ...]:
    return tuple(millionths(value) for value in values if value is not None)


def _checks(text: RestrictionsText, policy: TariffPolicy) -> Iterator[Check]:
    window = _window(text)
    if window is not None:
        yield _in_window(window, policy)
    if text.day_of_week:
        yield _on_weekdays(frozenset(map(_weekday, text.day_of_week)), _opens_the_day_before(window, policy))
    if text.start_date is not None:
        yield _from_day(_ordinal(text.start_date))
    if text.end_date is not None:
        yield _until_day(_ordinal(text.end_date))
    if text.min_kwh is not None:
        yield _from_kwh(millionths(text.min_kwh))
    if text.max_kwh is not None:
        yield _until_kwh(millionths(text.max_kwh))
    if text.min_duration is not None:
        yield _from_duration(_length(text.min_duration))
    if text.max_duration is not None:
        yield _until_duration(_length(text.max_duration))


# --- the clock and the calendar --------------------------------------------------------------

Window = tuple[int, int]
"""First minute of the local day and the one after the last; the second may be the smaller one."""


def _window(text: RestrictionsText) -> Window | None:
    if text.start_time is None and text.end_time is None:
        return None
    start = 0 if text.start_time is None else _minute(text.start_time)
    end = DAY_MINUTES if text.end_time is None else _minute(text.end_time) or DAY_MINUTES
    return start, end


def _minute(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not (colon and len(hours) == len(minutes) == 2 and set(hours + minutes) <= set(string.digits)):
        raise ValueError(f"{text[:20]!r} is not a time of day written HH:MM")
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"{text!r} is not a time of day")
    return int(hours) * 60 + int(minutes)


def _in_window(window: Window, policy: TariffPolicy) -> Check:
    start, end = window
    if start == end:
        is_open = policy.equal_times == "whole_day"
        return lambda moment: is_open and moment.minute >= 0
    if start < end:
        return lambda moment: start <= moment.minute < end
    return lambda moment: moment.minute >= start or 0 <= moment.minute < end


def _edges(window: Window | None) -> tuple[int, ...]:
    """The minutes of the day at which the window opens or closes."""
    if window is None:
        return ()
    return tuple(sorted({edge % DAY_MINUTES for edge in window}))


def _opens_the_day_before(window: Window | None, policy: TariffPolicy) -> int:
    """Until which minute the window of yesterday is open, where the weekday is the one on which it opened."""
    if window is None or window[0] <= window[1] or policy.weekday_anchor == "instant":
        return 0
    return window[1]


def _on_weekdays(weekdays: frozenset[int], until_minute: int) -> Check:
    # day 1 was a Monday
    if not until_minute:
        return lambda moment: moment.day > 0 and (moment.day - 1) % 7 in weekdays
    return lambda moment: moment.day > 0 and (moment.day - 1 - (moment.minute < until_minute)) % 7 in weekdays


def _weekday(name: str) -> int:
    try:
        return WEEKDAYS.index(name.upper())
    except ValueError:
        raise ValueError(f"{name[:20]!r} is not a day of the week") from None


def _ordinal(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _from_day(first: int) -> Check:
    return lambda moment: moment.day >= first


def _until_day(end: int) -> Check:
    return lambda moment: 0 <= moment.day < end


def local_time(moment: datetime, zone: tzinfo) -> datetime:
    """A moment in UTC as the clock and the calendar at the Location show it; only its wall time counts (E3)."""
    offset = _offset_of_day(zone, moment.toordinal())
    return moment.astimezone(zone) if offset is None else moment + offset


@lru_cache(maxsize=OFFSETS_KEPT_MAX)
def _offset_of_day(zone: tzinfo, day: int) -> timedelta | None:
    """How far the clock is from UTC all through a day of UTC; None on a day on which that changes."""
    midnight = datetime.fromordinal(day).replace(tzinfo=UTC)
    hours = [(midnight + timedelta(hours=hour)).astimezone(zone).utcoffset() for hour in range(25)]
    return hours[0] if hours.count(hours[0]) == len(hours) else None


# --- what has been charged -------------------------------------------------------------------


def _from_kwh(least: Exact) -> Check:
    return lambda moment: moment.kwh >= least


def _until_kwh(end: Exact) -> Check:
    return lambda moment: moment.kwh < end


def _from_duration(least: timedelta) -> Check:
    return lambda moment: moment.duration is not None and moment.duration >= least


def _until_duration(end: timedelta) -> Check:
    return lambda moment: moment.duration is not None and moment.duration < end


def _length(seconds: Number) -> timedelta:
    return timedelta(microseconds=round(millionths(seconds)))


def duration_of(length: timedelta) -> int:
    """A length of time in microseconds."""
    return (length.days * 86400 + length.seconds) * PER_ONE + length.microseconds


# --- current and power -----------------------------------------------------------------------


def _electric_limits(text: RestrictionsText) -> list[tuple[str, Exact]]:
    limits = {
        "MIN_CURRENT": text.min_current,
        "MAX_CURRENT": text.max_current,
        "MIN_POWER": text.min_power,
        "MAX_POWER": text.max_power,
    }
    return [(name, millionths(limit)) for name, limit in limits.items() if limit is not None]


def _electric_check(name: str, limit: Exact, policy: TariffPolicy) -> Check:
    sources, if_unknown = _sources(name, policy), policy.electrical_evidence == "same_name"
    is_minimum = name.startswith("MIN_")

    def check(moment: Moment) -> bool:
        value = evidence(moment, sources)
        if value is None:
            return if_unknown
        return value >= limit if is_minimum else value < limit

    return check


def _sources(name: str, policy: TariffPolicy) -> tuple[str, ...]:
    """Which stated values prove a restriction, best first (E5)."""
    if policy.electrical_evidence != "either":
        return (name,)
    other = {"MIN": "MAX", "MAX": "MIN"}[name[:3]] + name[3:]
    return (name, other, "POWER") if name.endswith("POWER") else (name, other)


def evidence(moment: Moment, sources: tuple[str, ...]) -> Exact | None:
    """The first stated value of several; None where none is."""
    stated = moment.electric or {}
    return next((stated[source] for source in sources if source in stated), None)
