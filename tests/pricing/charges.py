"""Charges that nobody chose: tariffs and CDRs for property tests, on small grids, so that thresholds are met exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Content = dict[str, Any]
Strategy = st.SearchStrategy[Content]
Choices = dict[str, st.SearchStrategy[Any]]

OWNER = {"country_code": "NL", "party_id": "EXM"}
ZONES = ["Europe/Amsterdam", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York", "UTC"]
DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
NIGHTS = ["2026-03-28", "2026-10-24", "2026-04-04", "2026-10-03", "2026-06-12", "2026-12-31"]
"""Days around which clocks move, and two ordinary ones."""

PERIODS_MAX = 5
clocks = st.sampled_from(["00:00", "01:30", "02:00", "03:00", "08:00", "17:00", "18:00", "22:00", "23:30"])
dates = st.sampled_from(["2026-03-28", "2026-03-29", "2026-06-12", "2026-06-13", "2026-10-25", "2027-01-01"])
steps = st.sampled_from([0, 1, 7, 60, 100, 300, 500, 600, 900, 1000, 1800])
vats = st.sampled_from([Decimal(text) for text in ("0", "0.0", "5.2", "10", "20", "21.0")])
energies = st.sampled_from([0, 1, 2, 5, 10, 20]) | st.decimals(0, 30, places=4)
powers = st.sampled_from([0, 7, 11, 16, 22, 32, 50])


def decimals(low: str, high: str, places: int = 4) -> st.SearchStrategy[Decimal]:
    """Decimals that are written with so many places at most."""
    return st.integers(int(Decimal(low) * 10**places), int(Decimal(high) * 10**places)).map(
        lambda units: Decimal(units).scaleb(-places)
    )


def chosen(**choices: st.SearchStrategy[Any]) -> Strategy:
    """A mapping of those choices that are not None."""
    return st.fixed_dictionaries(choices).map(lambda made: {k: v for k, v in made.items() if v is not None})


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None two times out of three; `chosen` leaves it out then."""
    return st.one_of(st.none(), st.none(), strategy)


# --- tariffs -----------------------------------------------------------------------------------


def components(kinds: list[str], prices: st.SearchStrategy[Decimal]) -> Strategy:
    """A price component of one of these dimensions."""
    return chosen(type=st.sampled_from(kinds), price=prices, vat=st.none() | vats, step_size=steps)


TIME_LIMITS: Choices = {
    "start_time": clocks,
    "end_time": clocks,
    "start_date": dates,
    "end_date": dates,
    "day_of_week": st.lists(st.sampled_from(DAYS), unique=True, max_size=5),
    "min_duration": st.sampled_from([0, 900, 1800, 3600, 7200]),
    "max_duration": st.sampled_from([900, 1800, 3600, 7200]),
}
OTHER_LIMITS: Choices = {
    "min_kwh": energies,
    "max_kwh": energies,
    "min_power": powers,
    "max_power": powers,
    "min_current": powers,
    "max_current": powers,
}
CHARGING = ["FLAT", "ENERGY", "TIME", "PARKING_TIME"]
ANY_PRICE = decimals("-0.5", "6") | decimals("0", "1", places=6)
FAIR_PRICE = decimals("0", "6") | decimals("0", "1", places=6)


@st.composite
def elements(draw: st.DrawFn, limits: Choices, prices: st.SearchStrategy[Decimal]) -> Content:
    """A tariff element; one in four prices reservations, half have one or two restrictions."""
    reservation = draw(st.sampled_from([None, None, None, None, None, None, "RESERVATION", "RESERVATION_EXPIRES"]))
    kinds = CHARGING if reservation is None else ["FLAT", "TIME"]
    made = {"price_components": draw(st.lists(components(kinds, prices), min_size=1, max_size=4))}
    names = draw(st.lists(st.sampled_from(sorted(limits)), unique=True, max_size=2)) if draw(st.booleans()) else []
    stated = {name: draw(limits[name]) for name in names}
    restrictions = {**stated, **({} if reservation is None else {"reservation": reservation})}
    return {**made, "restrictions": restrictions} if restrictions else made


def price_limits(prices: st.SearchStrategy[Decimal]) -> Strategy:
    """A min_price or max_price; with VAT it is not below that without."""
    more = sometimes(decimals("0", "2", places=2))
    return st.tuples(prices, more).map(
        lambda made: {"excl_vat": made[0], **({} if made[1] is None else {"incl_vat": made[0] + made[1]})}
    )


def tariffs(
    name: str,
    limits: Choices | None = None,
    prices: st.SearchStrategy[Decimal] = ANY_PRICE,
    bounds: st.SearchStrategy[Any] | None = None,
) -> Strategy:
    """A tariff; `limits` are the restrictions that its elements may have."""
    either = sometimes(price_limits(decimals("0", "12", places=2))) if bounds is None else bounds
    known = {**TIME_LIMITS, **OTHER_LIMITS} if limits is None else limits
    return chosen(
        **{key: st.just(value) for key, value in OWNER.items()},
        id=st.just(name),
        currency=st.just("EUR"),
        elements=st.lists(elements(known, prices), min_size=1, max_size=4),
        min_price=either,
        max_price=either,
        last_updated=st.just("2026-01-01T00:00:00Z"),
    )


# --- CDRs --------------------------------------------------------------------------------------


def dimension(kind: str, volume: Decimal | int) -> Content:
    """A stated volume."""
    return {"type": kind, "volume": volume}


def written_hours(length: timedelta, places: int = 4) -> Decimal:
    """How a length is written in hours."""
    seconds = Decimal(length // timedelta(seconds=1))
    return (seconds / 3600).quantize(Decimal(1).scaleb(-places))


@st.composite
def charging_dimensions(draw: st.DrawFn, length: timedelta, volumes: st.SearchStrategy[Any]) -> list[Content]:
    """What a period states in which somebody charges or parks."""
    kind = draw(st.sampled_from(["TIME", "TIME", "PARKING_TIME", None]))
    hours = [] if kind is None else [dimension(kind, written_hours(length))]
    energy = [dimension("ENERGY", draw(volumes))] if kind != "PARKING_TIME" or draw(st.booleans()) else []
    names = draw(st.lists(st.sampled_from(["MIN_POWER", "MAX_POWER", "MIN_CURRENT", "MAX_CURRENT"]), unique=True))
    return [*energy, *hours, *(dimension(name, draw(powers)) for name in names)]


SOME_ENERGY = decimals("0", "30") | st.sampled_from([0, 1, 5, 10])
ANY_ENERGY = SOME_ENERGY | decimals("-5", "0")

lengths = st.sampled_from([1, 2, 5, 7, 15, 30, 45, 60, 90, 120]).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def cdrs(
    draw: st.DrawFn, ids: st.SearchStrategy[Any], volumes: st.SearchStrategy[Any] = ANY_ENERGY, reserved: bool = True
) -> Content:
    """A CDR without tariffs, whose periods name what `ids` draws."""
    hour = draw(st.integers(0, 47)) * timedelta(minutes=30)
    start = datetime.fromisoformat(draw(st.sampled_from(NIGHTS))).replace(tzinfo=UTC) + hour
    spans = draw(st.lists(lengths, min_size=1, max_size=PERIODS_MAX))
    has_reservation = reserved and draw(st.sampled_from([True, False, False]))
    periods, at = [], start
    for index, span in enumerate(spans):
        stated = [dimension("RESERVATION_TIME", written_hours(span))] if index == 0 and has_reservation else None
        volumes_of = stated or draw(charging_dimensions(span, volumes))
        name = draw(ids)
        named = {} if name is None else {"tariff_id": name}
        periods.append({"start_date_time": _text(at), "dimensions": volumes_of, **named})
        at += span
    credit = {"credit": True, "credit_reference_id": "CDR-0"} if draw(st.sampled_from([True, False, False])) else {}
    return cdr(periods, start, at) | credit


def cdr(periods: list[Content], start: datetime, end: datetime) -> Content:
    """A CDR of these periods."""
    times = {"start_date_time": _text(start), "end_date_time": _text(end)}
    return {**OWNER, "id": "CDR-1", "currency": "EUR", **times, "tariffs": [], "charging_periods": periods}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@st.composite
def requests(draw: st.DrawFn) -> Content:
    """A charge under one or two tariffs, in the CDR or in the store, named or not."""
    names = draw(st.sampled_from([["DAY"], ["DAY"], ["DAY", "Night"]]))
    known = [draw(tariffs(name)) for name in names]
    upper = [name.upper() for name in names]
    named: list[list[str | None]] = [[*upper], [*upper], [*upper], [None], [None], [*names, None]]
    ids = st.sampled_from(draw(st.sampled_from(named)))
    embedded = [tariff for tariff in known if draw(st.booleans())]
    stored = [tariff for tariff in known if tariff not in embedded]
    return {
        "cdr": {**draw(cdrs(ids)), "tariffs": embedded},
        "tariffs": stored,
        "timezone": draw(st.sampled_from(ZONES)),
    }
