"""Where a period should have been cut: a price changes inside it (rule E6).

The price of record is the one at the start of the period; what it would have been with the period cut, its quantities spread
evenly over time, is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from msgspec import structs

from hub.pricing.exact import PER_ONE, Exact
from hub.pricing.moments import period_end, period_length
from hub.pricing.restrictions import DAY_MINUTES, Moment, duration_of, local_time
from hub.pricing.result import Warning
from hub.pricing.tariff import EXCL_UNITS, CompiledTariff, Component, Components
from hub.pricing.working import Working, active, flats, is_expired, quantities

TOLERANCE_MICROSECONDS = PER_ONE
SEARCHED_MAX_DAYS = 31

Cuts = set[Fraction]
"""Places in a period as shares of it, 0 and 1 excluded."""


class Piece(NamedTuple):
    """A piece of a period: its share of it, and the state at its start."""

    share: Fraction
    moment: Moment


def places_in(working: Working) -> list[list[Fraction]]:
    """Where in each period a restriction of its tariff can begin or cease to hold, as shares of the period in order.

    Quantities grow evenly in a period. More places do no harm: a price need not change there.
    """
    return [
        [] if tariff is None or not tariff.is_restricted else sorted(_cuts(working, index, tariff))
        for index, tariff in enumerate(working.tariffs)
    ]


def missing_boundaries(working: Working) -> Iterator[Warning]:
    """Every period inside which another component becomes active."""
    for index, tariff in enumerate(working.tariffs):
        if tariff is not None and tariff.is_restricted:
            yield from _missing(working, index, tariff)


def _missing(working: Working, index: int, tariff: CompiledTariff) -> Iterator[Warning]:
    if _straddles(working, index, tariff):
        detail = "Current or power lies on both sides of a threshold of the tariff within one period."
        yield Warning("MISSING_PERIOD_BOUNDARY", detail, index)
    cuts = _cuts(working, index, tariff)
    pieces = _pieces(working, index, cuts) if cuts else []
    if any(_prices(working, index, piece.moment) != _prices(working, index, pieces[0].moment) for piece in pieces):
        yield _warning(working, index, pieces)


def _warning(working: Working, index: int, pieces: list[Piece]) -> Warning:
    facts: dict[str, object] = {
        "excl_vat": _cost(working, index, [Piece(Fraction(1), pieces[0].moment)]),
        "pro_rata_excl_vat": _cost(working, index, pieces),
    }
    detail = "A price changes inside the period; it is priced as it began, without a cut."
    return Warning("MISSING_PERIOD_BOUNDARY", detail, index, facts)


def _straddles(working: Working, index: int, tariff: CompiledTariff) -> bool:
    """Whether current or power has values within one period that have different prices (E5)."""
    moment = working.moments[index]
    stated = working.charge.periods[index].electric or {}
    for name in ("CURRENT", "POWER"):
        ends = stated.get(f"MIN_{name}"), stated.get(f"MAX_{name}")
        if ends[0] is None or ends[1] is None or ends[0] >= ends[1]:
            continue
        inside = sorted(limit for limit in _electric_limits(tariff, name) if ends[0] < limit <= ends[1])
        prices = [_prices(working, index, _at_value(moment, name, value)) for value in (ends[0], *inside)]
        if any(other != prices[0] for other in prices):
            return True
    return False


def _electric_limits(tariff: CompiledTariff, name: str) -> set[Exact]:
    return {limit for item in tariff.restrictions for limit in (item.currents if name == "CURRENT" else item.powers)}


def _at_value(moment: Moment, name: str, value: Exact) -> Moment:
    return structs.replace(moment, electric={**(moment.electric or {}), f"MIN_{name}": value, f"MAX_{name}": value})


# --- what is active in a piece ---------------------------------------------------------------


def _priced(working: Working, index: int) -> list[tuple[Components, Exact]]:
    tariff, period = working.tariffs[index], working.charge.periods[index]
    if tariff is None:
        return []
    stated = quantities(period, tariff, is_expired(working.charge))
    return [(components, quantity) for components, quantity in stated if quantity is not None]


def _chosen(working: Working, index: int, moment: Moment) -> list[Component | None]:
    chosen = [active(components, moment) for components, _ in _priced(working, index)]
    return chosen + [active(components, moment) for components in _unpaid_flats(working, index)]


def _prices(working: Working, index: int, moment: Moment) -> list[tuple[Exact, Exact, Exact]]:
    """What a period would be priced with; components that cost the same are the same."""
    return [_terms(component) for component in _chosen(working, index, moment)]


def _terms(component: Component | None) -> tuple[Exact, Exact, Exact]:
    if component is None or not component.rate:
        return 0, 0, 0
    return component.rate, component.rate_incl, component.step


def _unpaid_flats(working: Working, index: int) -> tuple[Components, ...]:
    """The FLATs that could still become due in a period (F2)."""
    tariff, period = working.tariffs[index], working.charge.periods[index]
    paid = any(line.period <= index for line in working.lines.flat)
    return () if paid or tariff is None else flats(period, tariff, is_expired(working.charge))


def _cost(working: Working, index: int, pieces: list[Piece]) -> Fraction:
    """What the quantities of a period cost without VAT, before steps, in the currency."""
    cost: Exact = 0
    for components, quantity in _priced(working, index):
        for piece in pieces:
            component = active(components, piece.moment)
            cost += 0 if component is None else quantity * piece.share * component.rate
    return Fraction(cost, EXCL_UNITS)


# --- where it could change -------------------------------------------------------------------


def _cuts(working: Working, index: int, tariff: CompiledTariff) -> Cuts:
    cuts = _energy_cuts(working, index, tariff) if tariff.kwh_limits else set()
    if tariff.duration_limits:
        cuts |= _duration_cuts(working, index, tariff)
    return cuts | _clock_cuts(working, index, tariff) if tariff.minutes else cuts


def _energy_cuts(working: Working, index: int, tariff: CompiledTariff) -> Cuts:
    energy, before = working.charge.periods[index].energy, working.moments[index].kwh
    if not energy:
        return set()
    low, high = sorted((before, before + energy))
    return {Fraction(limit - before, energy) for limit in tariff.kwh_limits if low < limit < high}


def _duration_cuts(working: Working, index: int, tariff: CompiledTariff) -> Cuts:
    before = working.moments[index].duration
    length = None if before is None else period_length(working.charge, index)
    if before is None or not length:
        return set()
    passed = duration_of(before)
    return {cut for limit in tariff.duration_limits if (cut := _inside(limit - passed, length)) is not None}


def _inside(offset: Exact, length: int) -> Fraction | None:
    """A place in a period as a share of it; None when it is not inside by more than a second."""
    if TOLERANCE_MICROSECONDS < offset < length - TOLERANCE_MICROSECONDS:
        return Fraction(offset, length)
    return None


def _clock_cuts(working: Working, index: int, tariff: CompiledTariff) -> Cuts:
    start, end, zone = working.charge.periods[index].start, period_end(working.charge, index), working.zone
    if start is None or end is None or zone is None or end <= start or not _may_pass(zone, start, end, tariff.minutes):
        return set()
    offsets = [duration_of(moment - start) for moment in _edges(start, end, zone, tariff.minutes)]
    length = duration_of(end - start)
    return {cut for offset in offsets if (cut := _inside(offset, length)) is not None}


def _may_pass(zone: tzinfo, start: datetime, end: datetime, minutes: frozenset[int]) -> bool:
    """Whether an edge can lie between two moments: a quick look that most periods end with."""
    first, last = local_time(start, zone), local_time(end, zone)
    if first.toordinal() != last.toordinal() or last - first != end - start:
        return True
    begin, stop = first.hour * 60 + first.minute, last.hour * 60 + last.minute
    return any(begin < minute <= stop for minute in minutes)


def _edges(start: datetime, end: datetime, zone: tzinfo, minutes: frozenset[int]) -> Iterator[datetime]:
    """The moments at which the local clock shows one of these minutes, or jumps; more of them do no harm."""
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    for days in range(min((last - first).days, SEARCHED_MAX_DAYS) + 1):
        day = first + timedelta(days=days)
        yield from _jump(day, zone)
        for minute in minutes:
            for fold in (0, 1):
                yield _instant(day, minute, zone, fold)


def _instant(day: date, minute: int, zone: tzinfo, fold: int) -> datetime:
    clock = time(*divmod(minute % DAY_MINUTES, 60), tzinfo=zone, fold=fold)
    return datetime.combine(day, clock).astimezone(UTC)


def _jump(day: date, zone: tzinfo) -> Iterator[datetime]:
    """The moment of the day at which the clock is changed."""
    low = _instant(day, 0, zone, 0)
    high = _instant(day + timedelta(days=1), 0, zone, 0)
    before = _offset(low, zone)
    if before == _offset(high, zone):
        return
    while high - low > timedelta(minutes=1):
        middle = low + timedelta(minutes=(high - low) // timedelta(minutes=1) // 2)
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    yield high


def _offset(moment: datetime, zone: tzinfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


# --- pieces ----------------------------------------------------------------------------------


def _pieces(working: Working, index: int, cuts: Cuts) -> list[Piece]:
    places = [Fraction(0), *sorted(cuts), Fraction(1)]
    return [Piece(end - start, _moment_at(working, index, start)) for start, end in pairwise(places)]


def _moment_at(working: Working, index: int, place: Fraction) -> Moment:
    """The state at a place inside a period, everything growing evenly over time."""
    period, before = working.charge.periods[index], working.moments[index]
    length, kwh = period_length(working.charge, index), before.kwh + place * (period.energy or 0)
    if not place or length is None or period.start is None:
        return structs.replace(before, kwh=kwh)
    passed = timedelta(microseconds=round(length * place))
    duration = None if before.duration is None else before.duration + passed
    if working.zone is None:
        return structs.replace(before, kwh=kwh, duration=duration)
    local = local_time(period.start + passed, working.zone)
    return Moment(local.hour * 60 + local.minute, local.toordinal(), kwh, duration, before.electric)
