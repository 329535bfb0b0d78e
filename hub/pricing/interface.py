"""The pricer as JSON: one request in, one answer out, for the command line and the HTTP route.

A request is `{"cdr": CDR, "tariffs": [Tariff …], "timezone": IANA name, "location": Location, "charging_preference": …,
"policy": {setting: value}, "explain": true}`; only `cdr` is required. The answer to what cannot be read is
`{"error": sentence}`. With `explain` an `explanation` of what the CDR claims is added, null where it claims nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.pricing.answer import Content, answer, explanation, warning_content
from hub.pricing.charge import CdrPlace, Charge, NotACharge, read_charge
from hub.pricing.comparison import NoClaim, read_claim
from hub.pricing.explain import Case, explain
from hub.pricing.physics import above_power
from hub.pricing.policy import DEFAULT, Policy, UnknownSetting
from hub.pricing.pricer import price
from hub.pricing.selection import TariffBook
from hub.pricing.tariff import NotATariff
from hub.pricing.zones import UnknownZone, zone_named
from ocpi_modules.types import NotJsonText, decode_json, encode_decoded, fold, same


class ConnectorText(msgspec.Struct, gc=False):
    """A Connector as far as it names tariffs and tells its power."""

    id: str
    tariff_ids: list[str] | None = None
    power_type: str | None = None
    max_voltage: Any = None
    max_amperage: Any = None
    max_electric_power: Any = None


class EvseText(msgspec.Struct, gc=False):
    """An EVSE as far as its connectors bear on a price."""

    uid: str
    connectors: list[ConnectorText] = []


class LocationText(msgspec.Struct, gc=False):
    """A Location as far as it bears on a price."""

    time_zone: str | None = None
    evses: list[EvseText] | None = None


class RequestText(msgspec.Struct, gc=False):
    """A request for a price."""

    cdr: msgspec.Raw
    tariffs: list[msgspec.Raw] | None = None
    timezone: str | None = None
    location: LocationText | None = None
    charging_preference: str | None = None
    policy: dict[str, Any] | None = None
    explain: bool | None = None


PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3, "DC": 1}
BEYOND_ALL_CONNECTORS = 10**9  # V, A and W
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PREFERENCES = ("CHEAP", "FAST", "GREEN", "REGULAR")

_REQUEST = msgspec.json.Decoder(RequestText)


class UnknownPreference(ValueError):
    """This is no charging preference of OCPI; the message is a sentence."""


_REFUSALS = (
    UnknownPreference,
    NotACharge,
    NotATariff,
    NotJsonText,
    UnknownSetting,
    UnknownZone,
    msgspec.DecodeError,
    UnicodeError,
    RecursionError,
    OverflowError,  # a moment too near to the end of all days
)


def price_line(line: bytes) -> bytes:
    """The answer to the JSON text of a request, as JSON text without a line break."""
    return encode_decoded(_answer_to(line.removeprefix(BYTE_ORDER_MARK)))


def price_object(request: Mapping[str, Any]) -> Content:
    """The answer to a request as `ocpi_modules.types.decode_json` makes it; numbers in it are ints and Decimals."""
    content: Content = decode_json(encode_decoded(_answer_to(encode_decoded(dict(request)))))
    return content


def _answer_to(text: bytes) -> Content:
    try:
        request = _REQUEST.decode(text)
        policy = DEFAULT if not request.policy else Policy.read(request.policy)
        charge = read_charge(request.cdr)
        book, zone = book_of(request, charge), zone_of(request)
        content = answer(price(charge, book, policy, zone))
        if request.location is not None:
            content["warnings"] += _power_warnings(request.location, charge)
        if request.explain:
            content["explanation"] = _explained(bytes(request.cdr), charge, book, policy, zone)
        return content
    except _REFUSALS as exc:
        return {"error": _sentence(exc)}


def _power_warnings(location: LocationText, charge: Charge) -> list[Content]:
    connector = connector_at(location, charge.place)
    watts = None if connector is None else power_of(connector)
    return [] if watts is None else [warning_content(warning) for warning in above_power(charge, watts)]


def _explained(cdr: bytes, charge: Charge, book: TariffBook, policy: Policy, zone: ZoneInfo | None) -> Content | None:
    try:
        claim = read_claim(cdr)
    except NoClaim as exc:
        return {"error": str(exc)}
    return None if claim is None else explanation(explain(Case(charge, claim, book, policy, zone)))


def _sentence(refusal: Exception) -> str:
    if isinstance(refusal, msgspec.ValidationError):
        return f"the request cannot be read: {refusal}"
    if isinstance(refusal, OverflowError):
        return f"a moment of the CDR is beyond all reason: {refusal}"
    return f"it is not JSON: {refusal}" if isinstance(refusal, msgspec.DecodeError | UnicodeError) else str(refusal)


def book_of(request: RequestText, charge: Charge) -> TariffBook:
    """What the request knows of tariffs beside the CDR."""
    texts = tuple(map(bytes, request.tariffs)) if request.tariffs else ()
    return TariffBook(texts, offered_at(request.location, charge.place), _preference(request.charging_preference))


def _preference(stated: str | None) -> str | None:
    if stated is not None and stated.upper() not in PREFERENCES:
        raise UnknownPreference(f"charging_preference: {stated[:60]!r} is not one of {', '.join(PREFERENCES)}")
    return stated


def offered_at(location: LocationText | None, place: CdrPlace | None) -> frozenset[str] | None:
    """The folded ids of the tariffs that the connector of a charge refers to; None where nobody knows it (T3)."""
    connector = connector_at(location, place)
    return None if connector is None else frozenset(map(fold, connector.tariff_ids or []))


def connector_at(location: LocationText | None, place: CdrPlace | None) -> ConnectorText | None:
    """The connector of a charge; None where nobody knows it."""
    if location is None or place is None or place.evse_uid is None or place.connector_id is None:
        return None
    for evse in location.evses or []:
        for connector in evse.connectors:
            if same(evse.uid, place.evse_uid) and same(connector.id, place.connector_id):
                return connector
    return None


def power_of(connector: ConnectorText) -> Fraction | None:
    """The most that a connector gives, in W: as stated, else voltage (of one phase) times amperage times phases."""
    stated = _positive(connector.max_electric_power)
    if stated is not None:
        return stated
    volts, amperes = _positive(connector.max_voltage), _positive(connector.max_amperage)
    phases = PHASES.get(connector.power_type or "")
    return None if volts is None or amperes is None or phases is None else volts * amperes * phases


def _positive(stated: Any) -> Fraction | None:
    return Fraction(stated) if type(stated) in (int, float) and 0 < stated < BEYOND_ALL_CONNECTORS else None


def zone_of(request: RequestText) -> ZoneInfo | None:
    """The zone that the request states, else that of its Location (E3)."""
    stated = request.timezone
    if stated is None and request.location is not None:
        stated = request.location.time_zone
    return None if stated is None else zone_named(stated)
