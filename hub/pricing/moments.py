"""What is known at the start of every period of a charge (rules E3 to E5, R1, X1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction

from msgspec import structs

from hub.pricing.charge import SECONDS_PER_HOUR, Charge, Period
from hub.pricing.exact import PER_ONE, Exact
from hub.pricing.policy import Policy
from hub.pricing.restrictions import UNKNOWN, Moment, duration_of, local_time
from hub.pricing.working import Tariffs

HOUR = SECONDS_PER_HOUR * PER_ONE
_ANY = Moment()


def moments_of(charge: Charge, tariffs: Tariffs, policy: Policy, zone: tzinfo | None) -> Sequence[Moment]:
    """The moment at the start of each period, as far as its tariff asks for it."""
    first = tariffs[0]
    if first is not None and not first.is_restricted and tariffs.count(first) == len(tariffs):
        return [_ANY] * len(tariffs)
    counted_from = session_start(charge, policy)
    moments: list[Moment] = []
    kwh: Exact = 0  # of reservations and unpriced periods too (E4)
    for index, period in enumerate(charge.periods):
        tariff, start, moment = tariffs[index], period.start, Moment(UNKNOWN, UNKNOWN, kwh)
        moments.append(moment)
        if period.energy is not None:
            kwh += period.energy
        if tariff is None:
            continue
        if start is not None and zone is not None and tariff.needs_local_time:
            local = local_time(start, zone)
            moment.minute, moment.day = local.hour * 60 + local.minute, local.toordinal()
        if start is not None and tariff.needs_duration:
            moment.duration = length_between(_counted_from(charge, period, counted_from), start)
        if tariff.needs_electric:
            moment.electric = electric(charge, index)
    return moments


def _counted_from(charge: Charge, period: Period, session: datetime | None) -> datetime | None:
    return charge.start if period.reservation is not None and period.is_reservation else session


def session_start(charge: Charge, policy: Policy) -> datetime | None:
    """From when min_duration and max_duration count (E4)."""
    had_reservation = charge.periods[0].reservation is not None and charge.periods[0].is_reservation
    if policy.duration_start == "cdr" or not (had_reservation or policy.duration_start == "first_period"):
        return charge.start
    charging = next((period for period in charge.periods if not period.is_reservation), None)
    return charge.start if charging is None else charging.start


def length_between(start: datetime | None, moment: datetime) -> timedelta | None:
    """How much later a moment is, below zero when it came first (no minimum holds then); None where the start is unknown."""
    return None if start is None else moment - start


def duration_since(start: datetime | None, moment: datetime | None) -> int | None:
    """Microseconds from one moment to the other, 0 when it came first; None where one is unknown."""
    if start is None or moment is None:
        return None
    return max(0, duration_of(moment - start))


def period_end(charge: Charge, index: int) -> datetime | None:
    """When a period ends: when the next one starts, the last one with the session (D3)."""
    return charge.periods[index + 1].start if index + 1 < len(charge.periods) else charge.end


def period_length(charge: Charge, index: int) -> int | None:
    """How long a period is in microseconds; None where its start or its end is unknown."""
    return duration_since(charge.periods[index].start, period_end(charge, index))


def electric(charge: Charge, index: int) -> dict[str, Exact] | None:
    """What is stated of current and power, and the average power of the period, in millionths (E5)."""
    period = charge.periods[index]
    length = period_length(charge, index) or period.time
    if period.energy is None or not length:
        return period.electric
    return {**(period.electric or {}), "POWER": Fraction(period.energy * HOUR, length)}


def by_timestamps(charge: Charge) -> Charge:
    """The same charge, with the length of each period as the quantity of the one time that it states (D2)."""
    periods = [_timed(period, period_length(charge, index)) for index, period in enumerate(charge.periods)]
    return structs.replace(charge, periods=periods)


def _timed(period: Period, length: int | None) -> Period:
    stated = [name for name in ("time", "parking", "reservation") if getattr(period, name) is not None]
    if length is None or len(stated) != 1:
        return period
    return structs.replace(period, **{stated[0]: length})
