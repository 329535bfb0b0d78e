"""Whether one gets in now: opening times of OCPI 2.2.1 (mod_locations, Hours), at a moment, in the Location's own zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.navigation.entry import Schedule
from hub.navigation.location import Period, RegularHours

DAY_MINUTES = 24 * 60


def is_open(schedule: Schedule, moment: datetime) -> bool | None:
    """Whether one gets in at a moment (with zone); None where its hours or its zone cannot be read.

    Exceptional closings stand above everything, exceptional openings above the regular hours. A period holds from its begin until just
    before its end. Hours that end before they begin (22:00 to 02:00) go on after midnight; those that end as they begin last a day.
    """
    hours = schedule.hours
    if _is_in(hours.exceptional_closings, moment):
        return False
    if hours.twentyfourseven or _is_in(hours.exceptional_openings, moment):
        return True
    try:
        local = moment.astimezone(ZoneInfo(schedule.time_zone))
        return any(_holds(hours_of_day, local) for hours_of_day in hours.regular_hours)
    except (ValueError, KeyError, OSError):  # a zone that is none can be anything, even a folder
        return None


def _is_in(periods: Iterable[Period], moment: datetime) -> bool:
    return any(_utc(period.period_begin) <= moment < _utc(period.period_end) for period in periods)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _holds(hours: RegularHours, local: datetime) -> bool:
    begin, end = minutes_of(hours.period_begin), minutes_of(hours.period_end)
    now = local.hour * 60 + local.minute
    if begin < end:
        return local.isoweekday() == hours.weekday and begin <= now < end
    day_before = (local - timedelta(days=1)).isoweekday()
    return (local.isoweekday() == hours.weekday and begin <= now) or (day_before == hours.weekday and now < end)


def minutes_of(text: str) -> int:
    """Minutes since midnight of HH:MM, up to 24:00. Raises ValueError for anything else."""
    hour, _, minute = text.partition(":")
    minutes = int(hour) * 60 + int(minute)
    if not 0 <= minutes <= DAY_MINUTES or not 0 <= int(minute) < 60:
        raise ValueError(f"not a time of day: {text}")
    return minutes
