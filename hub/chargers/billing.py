"""The OCPI Session and the CDR of a charge, priced by the hub's own pricer. Pure.

Periods begin wherever a price of the tariff may change: on the clock, after a time, after an energy, at a power; and where a car
ceases to ask for energy. Their volumes add up to the difference of the register, exactly. Money in the currency of the tariff, energy in
kWh, hours with four decimals. Source: mod_cdrs "CDR object", mod_sessions "Session object"; rules D1 to D6, E2 to E6, R1.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hub.chargers.places import Place
from hub.chargers.readings import BEGIN, END
from hub.chargers.settling import Curve, Knot, place_of, whole_second
from hub.chargers.tariffing import (
    Stretch,
    clock_cuts,
    duration_cuts,
    electric_limits,
    energy_cuts,
    has_reservation_prices,
    taken_at,
)
from hub.metering import glance
from hub.pricing.interface import price_object
from hub.store.charges import Charge, ChargeState, Reading
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, format_datetime, same

Content = dict[str, Any]

PERIODS_MAX = 1_000
SIGNED_VALUE_MAX_CHARACTERS = 5_000
SIGNED_KEY_MAX_CHARACTERS = 512
ENCODING_MAX_CHARACTERS = 36
NO_EVSE_ID = "#NA"
FOUR_DECIMALS = Decimal("0.0001")
DEFAULT_CURRENCY = "EUR"
HARMLESS = frozenset({"NUMBER_PRECISION", "TARIFF_INVALID"})
"""What a tariff is to blame for and what changes no price."""

_NAMESPACE = uuid.UUID("6f8a3f0e-6c1b-4a86-9a51-0d4c7f2e9b11")
_PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3, "DC": 1}
_SESSION_STATES = {
    ChargeState.ACTIVE: "ACTIVE",
    ChargeState.ENDED: "ACTIVE",
    ChargeState.QUARANTINED: "ACTIVE",
    ChargeState.COMPLETED: "COMPLETED",
    ChargeState.INVALID: "INVALID",
}


class TooManyPeriods(ValueError):
    """A charge whose prices changed so often that no CDR can say it."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A charge that is to be billed or shown: what it is, how it went, and its readings; `is_unused`: a reservation and no more (R1)."""

    charge: Charge
    curve: Curve
    readings: Sequence[Reading] = ()
    is_unused: bool = False

    @property
    def tariff(self) -> Content | None:
        """The tariff that counted when it began."""
        tariffs = decode_json(self.charge.tariffs.encode()) if self.charge.tariffs else []
        return tariffs[0] if tariffs else None

    @property
    def place(self) -> Content:
        """What is kept of its connector."""
        return place_of(self.charge)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of its Location."""
        return ZoneInfo(self.place.get("time_zone") or "UTC")

    @property
    def reserved_at(self) -> datetime | None:
        """Since when its place was kept for it, where that has a price."""
        at, tariff = self.charge.reserved_at, self.tariff
        if at is None or tariff is None or not has_reservation_prices(tariff) or at >= self.curve.start:
            return None
        return whole_second(at)

    @property
    def start(self) -> datetime:
        """When it began; with the reservation, where there was one."""
        return self.reserved_at or self.curve.start


# --- what is kept when a charge begins ---


def new_session_id() -> str:
    """The id of the Session of a new charge: it stays when a driver is forgotten, so that nothing of them can be worked out from it."""
    return str(uuid.uuid4())


def cdr_id(charge: Charge) -> str:
    """The id of the CDR of a charge."""
    return str(uuid.uuid5(_NAMESPACE, f"cdr\n{charge.identity}\n{charge.session_id}"))


def kept_place(place: Place) -> Content:
    """What a CDR says of a connector, as it is now: kept with a charge, whatever becomes of the site."""
    location, evse, connector = place.site.location, place.evse, place.connector
    kept = {name: location[name] for name in _OF_LOCATION if location.get(name) is not None}
    return {
        "time_zone": location.get("time_zone"),
        "power_w": power_of(connector),
        "voltage_v": connector.get("max_voltage"),
        "cdr_location": {
            "id": place.site.id,
            **kept,
            "evse_uid": evse["uid"],
            "evse_id": evse.get("evse_id") or NO_EVSE_ID,
            "connector_id": connector["id"],
            "connector_standard": connector["standard"],
            "connector_format": connector["format"],
            "connector_power_type": connector["power_type"],
        },
        "connector": {name: connector[name] for name in _OF_CONNECTOR if connector.get(name) is not None},
    }


_OF_LOCATION = ("name", "address", "city", "postal_code", "state", "country", "coordinates")
_OF_CONNECTOR = ("id", "power_type", "max_voltage", "max_amperage", "max_electric_power", "tariff_ids")


def power_of(connector: Mapping[str, Any]) -> int | None:
    """The most that a connector gives, in W: as stated, else voltage times amperage times phases."""
    if connector.get("max_electric_power"):
        return int(connector["max_electric_power"])
    volts, amperes = connector.get("max_voltage"), connector.get("max_amperage")
    phases = _PHASES.get(str(connector.get("power_type")))
    return int(volts) * int(amperes) * phases if volts and amperes and phases else None


def kept_tariff(tariff: Mapping[str, Any], party: Party, at: datetime) -> Content:
    """A tariff as a CDR holds it: with its owner, and with a date where it has none."""
    owner = {"country_code": party.country_code, "party_id": party.party_id}
    return {**owner, "last_updated": format_datetime(whole_second(at)), **tariff}


# --- periods ---


def periods_of(bill: Bill) -> list[Content]:
    """The charging periods of a charge. Raises TooManyPeriods."""
    named = {} if bill.tariff is None else {"tariff_id": bill.tariff["id"]}
    made = [*_reserved(bill), *(() if bill.is_unused else _charged(bill))]
    if len(made) > PERIODS_MAX:
        raise TooManyPeriods(f"{len(made)} periods")
    return [{"start_date_time": format_datetime(at), "dimensions": dimensions, **named} for at, dimensions in made]


Made = tuple[datetime, list[Content]]


def _reserved(bill: Bill) -> list[Made]:
    if bill.reserved_at is None or bill.tariff is None:
        return []
    stretch = Stretch(bill.reserved_at, bill.curve.start, bill.zone)
    cuts = clock_cuts(bill.tariff, stretch) | duration_cuts(bill.tariff, stretch)
    moments = [stretch.start, *sorted(cuts), stretch.end]
    return [(one, [_dimension("RESERVATION_TIME", hours(other - one))]) for one, other in pairwise(moments)]


def _charged(bill: Bill) -> list[Made]:
    starts = _starts(bill)
    ends = [*starts[1:], bill.curve.knots[-1]]
    return [(one.at, _dimensions(bill, one, other)) for one, other in zip(starts, ends, strict=True)]


def _starts(bill: Bill) -> list[Knot]:
    """Where periods begin: at the begin, and wherever a price may change."""
    curve, tariff = bill.curve, bill.tariff or {}
    stretch = Stretch(curve.start, curve.end, bill.zone)
    moments = clock_cuts(tariff, stretch) | duration_cuts(tariff, stretch) | _parking_cuts(curve) | _electric_cuts(bill)
    timed = [Knot(at, taken_at(curve.knots, at)) for at in moments]
    counted = [knot for knot in energy_cuts(tariff, curve.knots) if knot.tenths < curve.tenths]
    ordered = sorted({curve.knots[0], *timed, *counted}, key=lambda knot: (knot.at, knot.tenths))
    return _in_order(ordered)


def _in_order(knots: Sequence[Knot]) -> list[Knot]:
    """Knots whose energies grow with their times: what is cut off below a tenth of a Wh must not turn them round."""
    found, most = list[Knot](), 0
    for knot in knots:
        most = max(most, knot.tenths)
        found.append(Knot(knot.at, most))
    return list(dict.fromkeys(found))


def _parking_cuts(curve: Curve) -> set[datetime]:
    return {at for at, _ in curve.parking if curve.start < at < curve.end}


def _is_parked(curve: Curve, at: datetime) -> bool:
    return next((parks for moment, parks in reversed(curve.parking) if moment <= at), False)


def _dimensions(bill: Bill, one: Knot, other: Knot) -> list[Content]:
    length, tenths = other.at - one.at, other.tenths - one.tenths
    is_parked = _is_parked(bill.curve, one.at)
    energy = [] if is_parked and not tenths else [_dimension("ENERGY", kwh(tenths))]
    time = _dimension("PARKING_TIME" if is_parked else "TIME", hours(length))
    return [*energy, time, *_electric(bill, one, other)]


def _dimension(kind: str, volume: Decimal) -> Content:
    return {"type": kind, "volume": volume}


def kwh(tenths: int) -> Decimal:
    """Tenths of a Wh in kWh."""
    return Decimal(tenths).scaleb(-4)


def hours(length: timedelta) -> Decimal:
    """A length of time in hours with four decimals."""
    seconds = Decimal(length // timedelta(seconds=1))
    return (seconds / 3600).quantize(FOUR_DECIMALS, ROUND_HALF_UP)


# --- power and current ---


def _electric_cuts(bill: Bill) -> set[datetime]:
    """Where power or current cross a limit of the tariff."""
    found, tariff = set[datetime](), bill.tariff or {}
    for what in ("power", "current"):
        limits = electric_limits(tariff, what)
        if limits:
            found |= _crossings(bill, what, limits)
    return found


def _crossings(bill: Bill, what: str, limits: Sequence[Decimal]) -> set[datetime]:
    """The knots at which a value comes to lie between two other limits."""
    values = [
        (one.at, _value(bill, one, other, what)) for one, other in pairwise(bill.curve.knots) if one.at < other.at
    ]
    classes = [(at, sum(limit <= value for limit in limits)) for at, value in values if value is not None]
    return {other[0] for one, other in pairwise(classes) if one[1] != other[1]}


def _electric(bill: Bill, start: Knot, end: Knot) -> list[Content]:
    """The least and the greatest power of a period; current only where the tariff asks for it."""
    wants_current = bool(electric_limits(bill.tariff or {}, "current"))
    parts = [
        (one, other)
        for one, other in pairwise(bill.curve.knots)
        if one.at < other.at and one.at < max(end.at, start.at + timedelta(seconds=1)) and other.at > start.at
    ]
    found: list[Content] = []
    for what in ("power", "current") if wants_current else ("power",):
        values = [value for one, other in parts if (value := _value(bill, one, other, what)) is not None]
        if values:
            found += [_dimension(f"MIN_{what.upper()}", min(values)), _dimension(f"MAX_{what.upper()}", max(values))]
    return found


def _value(bill: Bill, one: Knot, other: Knot, what: str) -> Decimal | None:
    """The mean power (kW) between two knots, or the current (A, sum of the phases): as measured last, else by the voltage."""
    seconds = (other.at - one.at) // timedelta(seconds=1)
    kilowatts = kwh(other.tenths - one.tenths) * 3600 / seconds
    if what == "power":
        return kilowatts.quantize(FOUR_DECIMALS, ROUND_HALF_UP)
    measured = [amperes for at, amperes in bill.curve.currents if one.at < at <= other.at]
    if measured:
        return measured[-1].quantize(FOUR_DECIMALS, ROUND_HALF_UP)
    volts = bill.place.get("voltage_v")
    return (kilowatts * 1000 / Decimal(volts)).quantize(FOUR_DECIMALS, ROUND_HALF_UP) if volts else None


# --- the Session ---


def session_of(bill: Bill, party: Party, now: datetime) -> Content:
    """The OCPI Session of a charge as it stands (mod_sessions); it begins when charging does, also after a reservation (SE-13)."""
    charge, place = bill.charge, bill.place["cdr_location"]
    is_over = charge.state in {ChargeState.COMPLETED, ChargeState.INVALID}
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": charge.session_id,
        "start_date_time": format_datetime(bill.curve.start),
        **({"end_date_time": format_datetime(bill.curve.end)} if is_over else {}),
        "kwh": kwh(bill.curve.tenths),
        **_paid_by(charge),
        "location_id": place["id"],
        "evse_uid": place["evse_uid"],
        "connector_id": place["connector_id"],
        "currency": (bill.tariff or {}).get("currency", DEFAULT_CURRENCY),
        "charging_periods": periods_of(bill),
        **_session_cost(bill, party),
        "status": _SESSION_STATES[ChargeState(charge.state)],
        "last_updated": format_datetime(now),
    }


def session_of_cdr(charge: Charge, cdr: Mapping[str, Any], now: datetime) -> Content:
    """The Session of a charge that was billed: what its CDR says, but for the begin, which is that of charging where anybody charged."""
    same_fields = ("country_code", "party_id", "end_date_time", "cdr_token", "auth_method")
    more = ("authorization_reference", "meter_id", "currency", "charging_periods", "total_cost")
    place = cdr["cdr_location"]
    return {
        "id": charge.session_id,
        "start_date_time": next(
            (period["start_date_time"] for period in cdr["charging_periods"] if not is_reserved(period)),
            cdr["start_date_time"],
        ),
        **{name: cdr[name] for name in (*same_fields, *more) if name in cdr},
        "kwh": cdr["total_energy"],
        "location_id": place["id"],
        "evse_uid": place["evse_uid"],
        "connector_id": place["connector_id"],
        "status": "COMPLETED",
        "last_updated": format_datetime(now),
    }


def is_reserved(period: Mapping[str, Any]) -> bool:
    """Whether a charging period is of a reservation (R1)."""
    return all(one["type"] == "RESERVATION_TIME" for one in period["dimensions"])


def session_update(session: Mapping[str, Any]) -> Content:
    """What a PATCH says of a Session that goes on: no periods, for what is patched is added to them, and would be there twice."""
    names = ("kwh", "total_cost", "status", "last_updated")
    return {name: session[name] for name in names if name in session}


def _paid_by(charge: Charge) -> Content:
    reference = {} if charge.reference is None else {"authorization_reference": charge.reference}
    return {
        "cdr_token": decode_json(charge.token.encode()),
        "auth_method": charge.auth_method or "WHITELIST",
        **reference,
    }


def _session_cost(bill: Bill, party: Party) -> Content:
    if bill.tariff is None:
        return {}
    answer = price_of(bill, _priced_part(bill, party))
    return {} if "total_cost" not in answer else {"total_cost": _amount(answer["settlement_amount"])}


# --- the CDR ---


def cdr_of(bill: Bill, party: Party, now: datetime) -> Content:
    """The CDR of a charge (mod_cdrs), priced. Raises TooManyPeriods, and Unpriced where the pricer finds anything odd about it."""
    priced = _priced_part(bill, party)
    answer = price_of(bill, priced)
    kinds = {warning["kind"] for warning in answer.get("warnings", ())} - HARMLESS
    if "total_cost" not in answer or kinds:
        raise Unpriced(", ".join(sorted(kinds)) or str(answer.get("unpriceable") or answer.get("error")))
    charge = bill.charge
    return {
        **priced,
        "session_id": charge.session_id,
        **_paid_by(charge),
        **_signed(bill),
        "tariffs": [bill.tariff],
        "total_cost": _amount(answer["settlement_amount"]),
        **_parts(answer),
        "last_updated": format_datetime(now),
    }


class Unpriced(ValueError):
    """The pricer finds something odd about a CDR; the message names it."""


def _priced_part(bill: Bill, party: Party) -> Content:
    periods = periods_of(bill)
    volumes = [(one["type"], one["volume"]) for period in periods for one in period["dimensions"]]
    parked = sum((volume for kind, volume in volumes if kind == "PARKING_TIME"), Decimal(0))
    is_parking = any(kind == "PARKING_TIME" for kind, _ in volumes)
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": cdr_id(bill.charge),
        "start_date_time": format_datetime(bill.start),
        "end_date_time": format_datetime(bill.curve.end),
        "cdr_location": bill.place.get("cdr_location"),
        "currency": (bill.tariff or {}).get("currency", DEFAULT_CURRENCY),
        "charging_periods": periods,
        "total_energy": kwh(bill.curve.tenths),
        "total_time": hours(bill.curve.end - bill.start),
        **({"total_parking_time": parked} if is_parking else {}),
    }


def price_of(bill: Bill, cdr: Content) -> Content:
    """The answer of the pricer for what a CDR is priced by."""
    request = {"cdr": {**cdr, "tariffs": [bill.tariff]}, "timezone": bill.zone.key, "location": _location(bill.place)}
    return price_object(request)


def _location(place: Content) -> Content:
    connector = place.get("connector")
    if connector is None:
        return {}
    return {"evses": [{"uid": place["cdr_location"]["evse_uid"], "connectors": [connector]}]}


def _parts(answer: Content) -> Content:
    names = (f"total_{part}_cost" for part in ("fixed", "energy", "time", "parking", "reservation"))
    return {name: _amount(answer[name], FOUR_DECIMALS) for name in names if name in answer}


def _amount(price: Mapping[str, Any], unit: Decimal | None = None) -> Content:
    known = {side: Decimal(price[side]) for side in ("excl_vat", "incl_vat") if price.get(side) is not None}
    return {side: amount if unit is None else amount.quantize(unit, ROUND_HALF_UP) for side, amount in known.items()}


# --- signed data ---


def _signed(bill: Bill) -> Content:
    signed = signed_data(bill.readings)
    if signed is None:
        return {}
    meter = glance(signed).meter
    return {"signed_data": signed, **({"meter_id": meter[:255]} if meter else {})}


def signed_data(readings: Iterable[Reading]) -> Content | None:
    """The signed readings of begin and end as a CDR holds them; None where there is no end, for a begin alone proves nothing."""
    signed = sorted((one for one in readings if one.signed), key=lambda one: (one.at, one.key))
    end = next((one for one in reversed(signed) if one.context == END), None)
    begin = next((one for one in signed if one.context == BEGIN), None)
    if end is None or len(end.signed) > SIGNED_VALUE_MAX_CHARACTERS:
        return None
    kept = [] if begin is None or not _belong_together(begin, end) else [_signed_value("Start", begin)]
    key = end.public_key if 0 < len(end.public_key) <= SIGNED_KEY_MAX_CHARACTERS else ""
    return {
        "encoding_method": (end.encoding or "OCMF")[:ENCODING_MAX_CHARACTERS],
        **({"public_key": key} if key else {}),
        "signed_values": [*kept, _signed_value("End", end)],
    }


def _belong_together(begin: Reading, end: Reading) -> bool:
    is_short = len(begin.signed) <= SIGNED_VALUE_MAX_CHARACTERS
    return is_short and begin.signed != end.signed and same(begin.encoding, end.encoding)


def _signed_value(nature: str, reading: Reading) -> Content:
    return {"nature": nature, "plain_data": _plain(reading.signed), "signed_data": reading.signed}


def _plain(text: str) -> str:
    """What was signed, without the signature: the middle part of an OCMF record."""
    parts = text.split("|")
    return parts[1] if len(parts) >= 3 and parts[0] == "OCMF" else text
