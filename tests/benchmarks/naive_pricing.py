"""The pricer that everybody would write first: a dictionary of Decimals, gone through period by period.

It knows the rules that the generated CDRs need, and no others: no reservation, no current and power, no settings. It reads each Tariff
anew for each CDR, as a straightforward program does. Amounts are exact but for quotients that never end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any
from zoneinfo import ZoneInfo

UNITS_AN_HOUR, UNITS_A_KWH = Decimal(3600), Decimal(1000)
GUARD_SECONDS, GUARD_STEPS = Decimal("0.18"), Decimal("0.1")
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
MIDNIGHT = time(0, 0)

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """What is known when a period begins: local wall time, seconds since the session began, kWh so far."""

    local: datetime
    seconds: Decimal
    kwh: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """A volume (kWh, hours or pieces) at the price of a component of a Tariff."""

    dimension: str
    volume: Decimal
    component: Object
    tariff_id: str


@dataclass(slots=True)
class Bill:
    """The lines of a session, as they come up, and the Tariffs that were in force: limits bind where nothing was priced, too."""

    lines: list[Line] = field(default_factory=list)
    tariff_ids: set[str] = field(default_factory=set)

    def of(self, dimension: str) -> list[Line]:
        """The lines of a dimension."""
        return [line for line in self.lines if line.dimension == dimension]


def price(cdr: Object, tariffs: Sequence[Object], zone: str) -> tuple[Decimal, Decimal]:
    """The total of a CDR excluding and including VAT, to 28 digits. Its own Tariffs go before `tariffs`. Raises KeyError without one."""
    known = {tariff["id"].upper(): tariff for tariff in (*tariffs, *cdr.get("tariffs", ()))}
    bill = _bill(cdr, known, ZoneInfo(zone))
    _add_surplus(bill)
    totals = [_total(bill, tariff_id, known[tariff_id]) for tariff_id in bill.tariff_ids]
    sign = -1 if cdr.get("credit") else 1
    excl, incl = (sum(side, Decimal()) for side in zip(*totals, strict=True))
    return sign * excl, sign * incl


def _bill(cdr: Object, tariffs: Mapping[str, Object], zone: ZoneInfo) -> Bill:
    bill, kwh, begun = Bill(), Decimal(), _moment(cdr["start_date_time"])
    for period in sorted(cdr["charging_periods"], key=lambda one: _moment(one["start_date_time"])):
        start = _moment(period["start_date_time"])
        state = State(start.astimezone(zone), Decimal((start - begun) / timedelta(seconds=1)), kwh)
        tariff_id = (period.get("tariff_id") or cdr["tariffs"][0]["id"]).upper()
        bill.tariff_ids.add(tariff_id)
        volumes = {one["type"]: Decimal(one["volume"]) for one in period["dimensions"]}
        _add_lines(bill, tariffs[tariff_id], state, volumes)
        kwh += volumes.get("ENERGY", 0)
    return bill


def _add_lines(bill: Bill, tariff: Object, state: State, volumes: Mapping[str, Decimal]) -> None:
    for dimension in ("FLAT", "ENERGY", "TIME", "PARKING_TIME"):
        volume = Decimal(1) if dimension == "FLAT" else volumes.get(dimension)
        if volume is None or (dimension == "FLAT" and bill.of("FLAT")):
            continue
        component = _component(tariff, dimension, state)
        if component is not None:
            bill.lines.append(Line(dimension, volume, component, tariff["id"].upper()))


def _component(tariff: Object, dimension: str, state: State) -> Object | None:
    """The one of the first element that has the dimension and fits."""
    for element in tariff["elements"]:
        for component in element["price_components"]:
            if component["type"] == dimension and _fits(element.get("restrictions") or {}, state):
                found: Object = component
                return found
    return None


def _fits(restrictions: Object, state: State) -> bool:
    return (
        _in_window(restrictions, state.local)
        and _in_dates(restrictions, state.local)
        and _on_weekday(restrictions, state.local)
        and _between(restrictions.get("min_kwh"), state.kwh, restrictions.get("max_kwh"))
        and _between(restrictions.get("min_duration"), state.seconds, restrictions.get("max_duration"))
    )


def _in_window(restrictions: Object, local: datetime) -> bool:
    if "start_time" not in restrictions and "end_time" not in restrictions:
        return True
    now = local.time()
    start = time.fromisoformat(restrictions.get("start_time", "00:00"))
    end = time.fromisoformat(restrictions.get("end_time", "00:00"))
    if end == MIDNIGHT:
        return start <= now
    return start <= now < end if start < end else now >= start or now < end


def _in_dates(restrictions: Object, local: datetime) -> bool:
    first, end = restrictions.get("start_date"), restrictions.get("end_date")
    is_begun = first is None or date.fromisoformat(first) <= local.date()
    return is_begun and (end is None or local.date() < date.fromisoformat(end))


def _on_weekday(restrictions: Object, local: datetime) -> bool:
    wanted = restrictions.get("day_of_week")
    return not wanted or WEEKDAYS[local.weekday()] in wanted


def _between(least: Decimal | None, value: Decimal, most: Decimal | None) -> bool:
    return (least is None or least <= value) and (most is None or value < most)


def _add_surplus(bill: Bill) -> None:
    """What step_size adds: energy once; parking once where it is priced, else time once."""
    is_parked = bool(bill.of("PARKING_TIME"))
    for dimension in ("ENERGY", "PARKING_TIME" if is_parked else "TIME"):
        lines = [line for line in bill.of(dimension) if line.volume > 0]
        if lines:
            last = lines[-1]
            surplus = _surplus(dimension, lines, Decimal(last.component["step_size"]))
            bill.lines.append(Line(dimension, surplus, last.component, last.tariff_id))


def _surplus(dimension: str, lines: Sequence[Line], step: Decimal) -> Decimal:
    unit = UNITS_A_KWH if dimension == "ENERGY" else UNITS_AN_HOUR
    total = sum(line.volume for line in lines) * unit
    below = (total / step).to_integral_value(ROUND_FLOOR) * step
    guard = Decimal() if dimension == "ENERGY" else min(GUARD_SECONDS * len(lines), GUARD_STEPS * step)
    if total - below <= guard:
        return (below - total) / unit
    return ((total / step).to_integral_value(ROUND_CEILING) * step - total) / unit


def _total(bill: Bill, tariff_id: str, tariff: Object) -> tuple[Decimal, Decimal]:
    excl = incl = Decimal()
    for line in bill.lines:
        if line.tariff_id == tariff_id:
            cost = line.volume * Decimal(line.component["price"])
            excl += cost
            incl += cost * (1 + Decimal(line.component.get("vat", 0)) / 100)
    excl, incl = _limited(excl, incl, tariff.get("min_price"), max)
    return _limited(excl, incl, tariff.get("max_price"), min)


def _limited(excl: Decimal, incl: Decimal, limit: Object | None, bound: Any) -> tuple[Decimal, Decimal]:
    """Both amounts bounded; a limit that says nothing including VAT changes that amount in the same proportion."""
    if limit is None:
        return excl, incl
    bounded = bound(excl, Decimal(limit["excl_vat"]))
    if "incl_vat" in limit:
        return bounded, bound(incl, Decimal(limit["incl_vat"]))
    return bounded, incl * bounded / excl if excl else bounded


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
