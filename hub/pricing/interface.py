"""The pricer as JSON: one request in, one answer out, for the command line and the HTTP route.

A request is `{"cdr": CDR, "tariffs": [Tariff …], "timezone": IANA name, "location": Location, "charging_preference": …,
"policy": {setting: value}, "explain": true}`; only `cdr` is required. The answer to what cannot be read is
`{"error": sentence}`. With `explain` an `explanation` of what the CDR claims is added, null where it claims nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.pricing.answer import Content, answer, explanation
from hub.pricing.charge import CdrPlace, Charge, NotACharge, read_charge
from hub.pricing.comparison import NoClaim, read_claim
from hub.pricing.explain import Case, explain
from hub.pricing.policy import DEFAULT, Policy, UnknownSetting
from hub.pricing.pricer import price
from hub.pricing.selection import TariffBook
from hub.pricing.tariff import NotATariff
from hub.pricing.zones import UnknownZone, zone_named
from ocpi_modules.types import NotJsonText, decode_json, encode_decoded, fold, same


class ConnectorText(msgspec.Struct, gc=False):
    """A Connector as far as it names tariffs."""

    id: str
    tariff_ids: list[str] | None = None


class EvseText(msgspec.Struct, gc=False):
    """An EVSE as far as its connectors name tariffs."""

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


_REQUEST = msgspec.json.Decoder(RequestText)
_REFUSALS = (
    NoClaim,
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
    return encode_decoded(_answer_to(line))


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
        if request.explain:
            claim = read_claim(bytes(request.cdr))
            content["explanation"] = (
                None if claim is None else explanation(explain(Case(charge, claim, book, policy, zone)))
            )
        return content
    except _REFUSALS as exc:
        return {"error": _sentence(exc)}


def _sentence(refusal: Exception) -> str:
    is_no_json = isinstance(refusal, msgspec.DecodeError | UnicodeError) and not isinstance(
        refusal, msgspec.ValidationError
    )
    return f"it is not JSON: {refusal}" if is_no_json else str(refusal)


def book_of(request: RequestText, charge: Charge) -> TariffBook:
    """What the request knows of tariffs beside the CDR."""
    texts = tuple(map(bytes, request.tariffs)) if request.tariffs else ()
    return TariffBook(texts, offered_at(request.location, charge.place), request.charging_preference)


def offered_at(location: LocationText | None, place: CdrPlace | None) -> frozenset[str] | None:
    """The folded ids of the tariffs that the connector of a charge refers to; None where nobody knows it (T3)."""
    if location is None or place is None or place.evse_uid is None or place.connector_id is None:
        return None
    for evse in location.evses or []:
        for connector in evse.connectors:
            if same(evse.uid, place.evse_uid) and same(connector.id, place.connector_id):
                return frozenset(map(fold, connector.tariff_ids or []))
    return None


def zone_of(request: RequestText) -> ZoneInfo | None:
    """The zone that the request states, else that of its Location (E3)."""
    stated = request.timezone or (request.location.time_zone if request.location is not None else None)
    return None if stated is None else zone_named(stated)
