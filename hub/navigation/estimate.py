"""What charging would cost: a session that did not happen yet, written as its CDR would be, priced by the pricer of settlement. Pure.

The car charges at an even power, then it may stay. A period ends wherever the tariff can change (`hub.pricing.boundaries`), so that
every kWh and minute is priced at its own moment. Hours are read from time stamps, as they are exact (rule D2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.tariffs import KINDS, UNKNOWN, Tariff, knows_vat, plain, quantity_of, unit_price
from hub.pricing.answer import answer
from hub.pricing.boundaries import places_in
from hub.pricing.charge import read_charge
from hub.pricing.exact import PER_ONE, half_up
from hub.pricing.moments import HOUR
from hub.pricing.physics import above_power
from hub.pricing.policy import Policy
from hub.pricing.pricer import NO_BOOK, Priced, price
from hub.pricing.result import Line, Unpriceable
from hub.pricing.tariff import EXCL_UNITS, INCL_UNITS, Component
from hub.pricing.zones import UnknownZone, zone_named
from ocpi_modules.types import encode_decoded, format_datetime

KWH_MAX = 1000
MINUTES_MAX = 14 * 24 * 60
CHECKS_MAX = 50_000
DETAIL_MAX_CHARACTERS = 300

MINUTE = 60 * PER_ONE
"""In microseconds."""

Content = dict[str, Any]

KNOWN_VAT = Policy(time_quantity="timestamps", hour_guard="off")
UNKNOWN_VAT = replace(KNOWN_VAT, missing_vat="unknown")
"""How the CDR is read, where the tariff says which VAT there is and where it does not: to the microsecond, so nothing is forgiven (S6)."""

_OF_NO_MATTER = frozenset({"IMPLAUSIBLE_DURATION", "NUMBER_PRECISION", "WRONG_TARIFF"})
"""What the pricer says of CDRs and is no news of a session that was made up by this tariff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How much somebody wants to charge, from when on (UTC): kWh, or minutes at the charger, or both; `max_kw` is what the car takes.

    What is not said follows from the power. `parked_minutes` are those that the car stays when it has been charged.
    """

    start: datetime
    kwh: Decimal | None = None
    minutes: Decimal | None = None
    parked_minutes: Decimal = Decimal(0)
    max_kw: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where somebody wants to charge."""

    location: PublicLocation
    evse: Evse
    connector: Connector


@dataclass(frozen=True, slots=True)
class Session:
    """The session that the question comes to: millionths of a kWh, microseconds."""

    start: datetime
    energy: int
    charging: int
    parked: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """Of its periods: one of charging, and one of parking where there is any."""
        return (self.charging, self.parked) if self.parked else (self.charging,)

    @property
    def kilowatts(self) -> Fraction | None:
        """Its power; None where it takes no time."""
        return Fraction(self.energy * HOUR, self.charging * PER_ONE) if self.charging else None

    @property
    def end(self) -> datetime:
        """When the car leaves."""
        return self.start + timedelta(microseconds=self.charging + self.parked)


@dataclass(eq=False)
class NoPrice(Exception):
    """Why there is no price: a code for programs, and a sentence."""

    reason: str
    detail: str


def estimate(question: Question, spot: Spot, tariff: Tariff | None) -> Content:
    """What the session would cost (`docs/reference/price-for-a-car.md`); `price` is ``"unknown"`` where nobody can tell, with a `reason`.

    Raises ValueError where the question says neither kWh nor minutes, or energy in no time.
    """
    check(question)
    try:
        if tariff is None:
            raise NoPrice("NO_TARIFF", "no tariff is known that counts at this connector then")
        session = session_of(question, spot.connector)
        priced = _priced(session, spot, tariff)
        return {
            **_priced_json(priced, tariff),
            "session": _session_json(session),
            "warnings": _warnings(priced, question, spot),
        }
    except NoPrice as exc:
        named = {} if tariff is None else _tariff_json(tariff)
        return {"price": UNKNOWN, "reason": exc.reason, "detail": exc.detail[:DETAIL_MAX_CHARACTERS], **named}


def check(question: Question) -> None:
    """Raises ValueError for a question that nobody can mean."""
    if question.kwh is None and question.minutes is None:
        raise ValueError("say kwh, or minutes, or both")
    if question.kwh and question.minutes == 0:
        raise ValueError("no energy flows in no time: leave minutes out, or say more of them")


# --- the session ------------------------------------------------------------------------------------


def session_of(question: Question, connector: Connector) -> Session:
    """The session that a question comes to. Raises NoPrice where the power is needed and nobody knows it, or where it hardly ever ends."""
    energy, charging = _given(question.kwh, PER_ONE), _given(question.minutes, MINUTE)
    if charging is None:
        charging = _length(energy or 0, question, connector)
    if energy is None:
        energy = half_up(_known_power(question, connector) * Fraction(charging * PER_ONE, HOUR), 1) if charging else 0
    if charging > MINUTES_MAX * MINUTE or energy > KWH_MAX * PER_ONE:
        raise NoPrice("SESSION_TOO_LONG", f"charging would take more than {MINUTES_MAX} minutes or {KWH_MAX} kWh")
    return Session(question.start, energy, charging, half_up(Fraction(question.parked_minutes) * MINUTE, 1))


def _given(stated: Decimal | None, unit: int) -> int | None:
    return None if stated is None else half_up(Fraction(stated) * unit, 1)


def _power(question: Question, connector: Connector) -> Fraction | None:
    """What flows: the most that the connector gives and the car takes, in kW; None where nobody knows either."""
    watts, car = connector.max_electric_power, question.max_kw
    limits = [*([Fraction(watts, 1000)] if watts else []), *([Fraction(car)] if car else [])]
    return min(limits, default=None)


def _known_power(question: Question, connector: Connector) -> Fraction:
    kilowatts = _power(question, connector)
    if kilowatts is None:
        raise NoPrice("POWER_UNKNOWN", "nobody knows the power of the connector: say both kwh and minutes, or max_kw")
    return kilowatts


def _length(energy: int, question: Question, connector: Connector) -> int:
    """How long energy flows, in microseconds: at least one where there is any."""
    if not energy:
        return 0
    return max(1, half_up(Fraction(energy * HOUR, PER_ONE) / _known_power(question, connector), 1))


# --- its CDR ----------------------------------------------------------------------------------------


def cdr_of(session: Session, spot: Spot, tariff: Tariff, places: Sequence[Sequence[Fraction]] = ((), ())) -> Content:
    """The CDR of a session under one tariff, without costs; each of its periods is cut at `places`, shares of its length."""
    country_code, _, party_id = tariff.owner.partition("/")
    return {
        "country_code": country_code,
        "party_id": party_id,
        "id": "ESTIMATE",
        "start_date_time": _moment(session.start),
        "end_date_time": _moment(session.end),
        "currency": tariff.terms.currency,
        "cdr_location": _place(spot),
        "tariffs": [msgspec.Raw(tariff.text)],
        "charging_periods": [*_periods(session, spot, tariff.terms.id, places)],
        "total_energy": _decimal(session.energy),
    }


def _place(spot: Spot) -> Content:
    location = spot.location
    return {
        "id": location.id,
        "coordinates": {"latitude": f"{location.latitude:.6f}", "longitude": f"{location.longitude:.6f}"},
        "evse_uid": spot.evse.uid,
        "connector_id": spot.connector.id,
    }


def _periods(session: Session, spot: Spot, tariff_id: str, places: Sequence[Sequence[Fraction]]) -> Iterator[Content]:
    began = 0
    for number, length in enumerate(session.lengths):
        for first, last in pairwise([Fraction(0), *places[number], Fraction(1)]):
            start, end = half_up(first * length, 1), half_up(last * length, 1)
            stated = _parking(end - start) if number else _charging(session, spot.connector, (first, last))
            yield {
                "start_date_time": _moment(session.start + timedelta(microseconds=began + start)),
                "tariff_id": tariff_id,
                "dimensions": [{"type": kind, "volume": volume} for kind, volume in stated.items()],
            }
        began += length


def _charging(session: Session, connector: Connector, piece: tuple[Fraction, Fraction]) -> dict[str, Decimal]:
    """A piece of the charging. What flows at an even power is the same at every moment: minimum and maximum are equal."""
    first, last = piece
    energy = half_up(session.energy * last, 1) - half_up(session.energy * first, 1)
    stated = {"ENERGY": _decimal(energy), "TIME": _hours(half_up((last - first) * session.charging, 1))}
    kilowatts = session.kilowatts
    if kilowatts is None:
        return stated
    amperes = kilowatts * 1000 / connector.max_voltage if connector.max_voltage > 0 else None
    return {**stated, **_electric("POWER", kilowatts), **({} if amperes is None else _electric("CURRENT", amperes))}


def _parking(length: int) -> dict[str, Decimal]:
    nothing = Fraction(0)
    return {"PARKING_TIME": _hours(length), **_electric("POWER", nothing), **_electric("CURRENT", nothing)}


def _electric(name: str, value: Fraction) -> dict[str, Decimal]:
    stated = _decimal(half_up(value * PER_ONE, 1))
    return {f"MIN_{name}": stated, f"MAX_{name}": stated}


def _decimal(millionths: int) -> Decimal:
    return Decimal(millionths) / PER_ONE


def _hours(microseconds: int) -> Decimal:
    """For those who read the CDR; its time stamps are what counts."""
    return _decimal(half_up(Fraction(microseconds * PER_ONE, HOUR), 1))


def _moment(moment: datetime) -> str:
    """A moment to the microsecond."""
    return moment.replace(tzinfo=None).isoformat() + "Z"


# --- its price --------------------------------------------------------------------------------------


def _priced(session: Session, spot: Spot, tariff: Tariff) -> Priced:
    """The session, cut where the tariff can change. Raises NoPrice."""
    whole = _price(cdr_of(session, spot, tariff), spot, tariff)
    places = places_in(whole.working)
    pieces = sum(len(cuts) + 1 for cuts in places)
    if pieces * len(tariff.terms.components) > CHECKS_MAX:
        raise NoPrice(
            "NOT_PRICEABLE", f"the tariff has too many prices that change in the session: {pieces} parts of it"
        )
    return whole if pieces == len(places) else _price(cdr_of(session, spot, tariff, places), spot, tariff)


def _price(cdr: Content, spot: Spot, tariff: Tariff) -> Priced:
    result = price(read_charge(encode_decoded(cdr)), NO_BOOK, policy_of(tariff), zone_of(spot.location))
    if isinstance(result, Unpriceable):
        raise NoPrice("NOT_PRICEABLE", result.detail)
    return result


def policy_of(tariff: Tariff) -> Policy:
    """How the CDR is read: amounts with VAT are not made up."""
    return KNOWN_VAT if knows_vat(tariff.terms) else UNKNOWN_VAT


def zone_of(location: PublicLocation) -> ZoneInfo | None:
    """The zone of a Location; where it has none, the pricer looks what lies at its coordinates (E3)."""
    try:
        return zone_named(location.time_zone)
    except UnknownZone:
        return None


# --- the answer -------------------------------------------------------------------------------------


def _priced_json(priced: Priced, tariff: Tariff) -> Content:
    said = answer(priced)
    settled, currency = said["settlement_amount"], priced.charge.currency
    has_vat = settled["incl_vat"] is not None
    incl = f"{settled['incl_vat']:f}" if has_vat else UNKNOWN
    doubt = {} if has_vat else {"reason": "VAT_UNKNOWN", "detail": "the tariff does not say which VAT applies"}
    return {
        "price": {"currency": currency, "incl_vat": incl, "excl_vat": f"{settled['excl_vat']:f}"},
        **doubt,
        "components": [*_components(priced.lines, has_vat=has_vat)],
        "limits": [_limit(limit) for limit in said["limits"]],
        "rounding": priced.policy.rounding_mode,
        **_tariff_json(tariff),
    }


def _warnings(priced: Priced, question: Question, spot: Spot) -> list[Content]:
    """What the pricer is not sure of, and whether more was asked for than the connector gives."""
    kilowatts = _power(question, spot.connector)
    beyond = [] if kilowatts is None else above_power(priced.charge, kilowatts * 1000)
    found = (*priced.warnings, *beyond)
    return [{"kind": one.kind, "detail": one.detail} for one in found if one.kind not in _OF_NO_MATTER]


def _components(lines: Sequence[Line], *, has_vat: bool) -> Iterator[Content]:
    """What was priced, by kind in the order of AFIR and by unit price; what step_size added is in the quantity."""
    for kind in KINDS:
        found: dict[tuple[object, ...], list[Line]] = {}
        for line in lines:
            component = line.component
            if component.dimension == kind:
                found.setdefault((component.rate, component.rate_incl, component.vat), []).append(line)
        for own in found.values():
            yield _component(own, has_vat=has_vat)


def _component(lines: Sequence[Line], *, has_vat: bool) -> Content:
    component, quantity = lines[0].component, sum(line.quantity for line in lines)
    return {
        "component": KINDS[component.dimension],
        "quantity": plain(quantity_of(component, quantity)),
        "unit_price": _sides(component, has_vat=has_vat),
        "vat": None if component.vat is None else str(component.vat),
        "incl_vat": plain(Fraction(quantity * component.rate_incl, INCL_UNITS)) if has_vat else UNKNOWN,
        "excl_vat": plain(Fraction(quantity * component.rate, EXCL_UNITS)),
    }


def _sides(component: Component, *, has_vat: bool) -> Content:
    incl = plain(unit_price(component, has_vat=True)) if has_vat else UNKNOWN
    return {"incl_vat": incl, "excl_vat": plain(unit_price(component, has_vat=False))}


def _limit(limit: Content) -> Content:
    names = ("limit", "side")
    return {
        **{name: limit[name] for name in names},
        "from": plain(Fraction(limit["from"])),
        "to": plain(Fraction(limit["to"])),
    }


def _tariff_json(tariff: Tariff) -> Content:
    return {"tariff": tariff.ref, "tariff_version": tariff.version}


def _session_json(session: Session) -> Content:
    """The session that was priced; moments are in UTC."""
    return {
        "start": format_datetime(session.start),
        "end": format_datetime(session.end),
        "kwh": plain(Fraction(session.energy, PER_ONE)),
        "minutes": plain(Fraction(session.charging, MINUTE)),
        "parked_minutes": plain(Fraction(session.parked, MINUTE)),
        "kw": None if session.kilowatts is None else plain(session.kilowatts, 3),
    }
