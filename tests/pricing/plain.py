"""A second pricer, as plain as the rules are told: fractions, dictionaries, no speed, no settings.

It reads the same request as `hub.pricing.interface` and shares no line with it, so where both agree on charges that nobody
chose, a mistake would have to be made twice. Times have to be known; a zone has to be stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Content = dict[str, Any]
Amounts = tuple[Fraction, Fraction]  # without and with VAT

CHARGING = ("ENERGY", "TIME", "PARKING_TIME")
PART_OF = {"FLAT": "fixed", "ENERGY": "energy", "TIME": "time", "PARKING_TIME": "parking"}
BILLED = {"ENERGY": "energy_kwh", "TIME": "time_s", "PARKING_TIME": "parking_s", "RESERVATION_TIME": "reservation_s"}
GUARD = Fraction(18, 100)  # seconds: half a unit of the fourth decimal of an hour


@dataclass
class Line:
    """A quantity in kWh, seconds or 1, and the price component under which it falls."""

    part: str
    dimension: str
    quantity: Fraction
    component: Content
    tariff: Content

    def cost(self) -> Amounts:
        hours = self.dimension in ("TIME", "PARKING_TIME", "RESERVATION_TIME")
        excl = self.quantity * Fraction(self.component["price"]) / (3600 if hours else 1)
        return excl, excl * (1 + Fraction(self.component.get("vat") or 0) / 100)  # V1, V2


def plain_price(request: Content) -> Content:
    """Amounts by name, each without and with VAT, and what is billed; or `{"unpriceable": kind}`."""
    cdr = request["cdr"]
    periods = sorted(cdr["charging_periods"], key=lambda period: moment(period["start_date_time"]))  # D3
    tariffs = [tariff_of(period, request, periods) for period in periods]
    named = [tariff for tariff, period in zip(tariffs, periods, strict=True) if "tariff_id" in period]
    if None in named or not any(tariffs):
        return {"unpriceable": "MISSING_TARIFF"}  # T7
    if any(tariff and tariff["currency"] != cdr["currency"] for tariff in tariffs):
        return {"unpriceable": "CURRENCY_MISMATCH"}  # T8
    states = list(states_of(cdr, periods, ZoneInfo(request["timezone"])))
    lines = list(lines_of(periods, tariffs, states))
    lines += [line for group in rounded_groups(lines) for line in surplus(group)]
    used = [tariff for index, tariff in enumerate(tariffs) if tariff and tariff not in tariffs[:index]]
    shares = [limited(tariff, lines, binds_min(tariff, tariffs, periods)) for tariff in used]
    sign = -1 if cdr.get("credit") else 1  # C1
    parts = {f"total_{line.part}_cost": total(each for each in lines if each.part == line.part) for line in lines}
    billed = {name: sum(each.quantity for each in lines if each.dimension == kind) for kind, name in BILLED.items()}
    total_cost = sign * sum(excl for excl, _ in shares), sign * sum(incl for _, incl in shares)
    return {"total_cost": total_cost, **parts, "billed": billed}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def total(lines: Iterable[Line]) -> Amounts:
    costs = [line.cost() for line in lines]
    return sum((excl for excl, _ in costs), Fraction(0)), sum((incl for _, incl in costs), Fraction(0))


# --- T: which tariff ---------------------------------------------------------------------------


def tariff_of(period: Content, request: Content, periods: list[Content]) -> Content | None:
    cdr = request["cdr"]
    owner = (cdr["country_code"], cdr["party_id"])
    pushed = [tariff for tariff in request["tariffs"] if (tariff["country_code"], tariff["party_id"]) == owner]
    if "tariff_id" in period:
        both = [*cdr["tariffs"], *pushed]  # T1
        return next((one for one in both if one["id"].lower() == period["tariff_id"].lower()), None)
    if any("tariff_id" in other for other in periods):
        return None  # T2
    valid = [tariff for tariff in cdr["tariffs"] or pushed if is_fallback(tariff, moment(cdr["start_date_time"]))]
    return max(valid, key=lambda tariff: tariff.get("start_date_time", ""), default=None)  # T3


def is_fallback(tariff: Content, start: datetime) -> bool:
    begins, ends = tariff.get("start_date_time"), tariff.get("end_date_time")
    in_time = (begins is None or moment(begins) <= start) and (ends is None or start <= moment(ends))
    return in_time and tariff.get("type", "REGULAR") == "REGULAR"  # T3, T4


# --- E: which component ------------------------------------------------------------------------


def states_of(cdr: Content, periods: list[Content], zone: ZoneInfo) -> Iterator[Content]:
    """What is known at the start of each period (E2 to E5)."""
    starts = [moment(period["start_date_time"]) for period in periods]
    ends = [*starts[1:], moment(cdr["end_date_time"])]
    charging = [start for start, period in zip(starts, periods, strict=True) if not is_reservation(period)]
    whole = moment(cdr["start_date_time"])
    session = charging[0] if charging and is_reservation(periods[0]) else whole  # E4
    kwh = Fraction(0)
    for period, start, end in zip(periods, starts, ends, strict=True):
        volumes, hours = volumes_of(period), Fraction((end - start) // timedelta(seconds=1), 3600)
        local, since = start.astimezone(zone), whole if is_reservation(period) else session
        power = volumes["ENERGY"] / hours if "ENERGY" in volumes and hours else None
        yield {
            "clock": local.strftime("%H:%M"),
            "date": local.date().isoformat(),
            "weekday": local.strftime("%A").upper(),
            "kwh": kwh,
            "duration": max(0, (start - since) // timedelta(seconds=1)),
            **{f"min_{kind}": volumes.get(f"MIN_{kind.upper()}") for kind in ("current", "power")},
            **{f"max_{kind}": volumes.get(f"MAX_{kind.upper()}") for kind in ("current", "power")},
            "average": power,
        }
        kwh += volumes.get("ENERGY", Fraction(0))


def matches(limits: Content, state: Content) -> bool:
    start, end = limits.get("start_time", "00:00"), limits.get("end_time", "00:00")
    inside = start <= state["clock"] < (end if end != "00:00" else "24:00")
    if end < start and end != "00:00":
        inside = state["clock"] >= start or state["clock"] < end  # over midnight
    in_time = inside or start == end
    in_days = limits.get("start_date", "") <= state["date"] < limits.get("end_date", "9999")
    on_day = not limits.get("day_of_week") or state["weekday"] in limits["day_of_week"]
    counted = all(within(limits, kind, state[kind], state[kind]) for kind in ("kwh", "duration"))
    return in_time and in_days and on_day and counted and all(electric(limits, state, k) for k in ("current", "power"))


def within(limits: Content, kind: str, for_min: Fraction | None, for_max: Fraction | None) -> bool:
    low, high = limits.get(f"min_{kind}"), limits.get(f"max_{kind}")
    above = low is None or (for_min is not None and Fraction(low) <= for_min)
    return above and (high is None or (for_max is not None and for_max < Fraction(high)))


def electric(limits: Content, state: Content, kind: str) -> bool:
    """One value is evidence enough: MIN for a minimum, else MAX, and the other way round, else the average power (E5)."""
    low, high, average = state[f"min_{kind}"], state[f"max_{kind}"], state["average"] if kind == "power" else None
    low, high = (low if low is not None else high), (high if high is not None else low)
    return within(limits, kind, average if low is None else low, average if high is None else high)


def volumes_of(period: Content) -> dict[str, Fraction]:
    return {dimension["type"]: Fraction(dimension["volume"]) for dimension in period["dimensions"]}


def is_reservation(period: Content) -> bool:
    stated = volumes_of(period)
    return "RESERVATION_TIME" in stated and not any(stated.get(kind) for kind in CHARGING)  # R1


def lines_of(periods: list[Content], tariffs: list[Content | None], states: list[Content]) -> Iterator[Line]:
    flat_is_paid = {True: False, False: False}
    expired = all(map(is_reservation, periods))
    for period, tariff, state in zip(periods, tariffs, states, strict=True):
        reserved, volumes = is_reservation(period), volumes_of(period)
        wanted = ("FLAT", "RESERVATION_TIME") if reserved else ("FLAT", *CHARGING)
        for dimension in wanted if tariff else ():
            assert tariff is not None
            is_due = dimension in volumes or (dimension == "FLAT" and not flat_is_paid[reserved])  # D1, F1, R4
            found = find(dimension, elements_for(tariff, reserved, expired), state) if is_due else None
            if found is None:
                continue
            element, component = found
            flat_is_paid[reserved] |= dimension == "FLAT"
            others = {other["type"] for other in element["price_components"]} - {"FLAT"}
            part = "parking" if others == {"PARKING_TIME"} else PART_OF.get(dimension, "reservation")  # F3
            quantity = volumes.get(dimension, Fraction(1)) * (1 if dimension in ("FLAT", "ENERGY") else 3600)
            yield Line("reservation" if reserved else part, dimension, quantity, component, tariff)  # R6


def elements_for(tariff: Content, reserved: bool, expired: bool) -> list[Content]:
    """R2 and R3"""
    kinds = (["RESERVATION_EXPIRES"] * expired + ["RESERVATION"]) if reserved else [None]
    return [e for kind in kinds for e in tariff["elements"] if e.get("restrictions", {}).get("reservation") == kind]


def find(dimension: str, elements: list[Content], state: Content) -> tuple[Content, Content] | None:
    """The first element that has the dimension and matches (E1)."""
    wanted = "TIME" if dimension == "RESERVATION_TIME" else dimension
    for element in elements:
        for component in element["price_components"]:
            if component["type"] == wanted and matches(element.get("restrictions", {}), state):
                return element, component
    return None


# --- S: steps, M: limits -----------------------------------------------------------------------


def rounded_groups(lines: list[Line]) -> list[list[Line]]:
    energy, time, parking, reserved = ([line for line in lines if line.dimension == kind] for kind in BILLED)
    return [energy, parking if any(line.quantity > 0 for line in parking) else time, reserved]  # S4, R5


def surplus(lines: list[Line]) -> Iterator[Line]:
    last = next((line for line in reversed(lines) if line.quantity > 0), None)  # S3
    amount = sum((line.quantity for line in lines), Fraction(0))  # S2
    if last is None or amount <= 0 or not last.component.get("step_size"):  # S7
        return
    step = Fraction(last.component["step_size"]) / (1000 if last.dimension == "ENERGY" else 1)
    over = amount % step
    guard = min(GUARD * sum(line.quantity != 0 for line in lines), step / 10) if last.dimension != "ENERGY" else 0
    added = -over if over <= guard else step - over  # S1, S6, S8
    if added:
        yield Line(last.part, last.dimension, added, last.component, last.tariff)


def binds_min(tariff: Content, tariffs: list[Content | None], periods: list[Content]) -> bool:
    """Somebody charged under the tariff (M4)."""
    return any(one == tariff and not is_reservation(period) for one, period in zip(tariffs, periods, strict=True))


def limited(tariff: Content, lines: list[Line], is_bound: bool) -> Amounts:
    excl, incl = total(line for line in lines if line.tariff == tariff)  # M3
    for limit, clamp in (("min_price", max), ("max_price", min)):
        if limit in tariff and (is_bound or limit == "max_price"):
            raw, excl = excl, clamp(excl, Fraction(tariff[limit]["excl_vat"]))
            if "incl_vat" in tariff[limit]:
                incl = clamp(incl, Fraction(tariff[limit]["incl_vat"]))  # M1
            elif excl != raw:
                incl = incl * excl / raw if raw else excl  # M2
    return excl, incl
