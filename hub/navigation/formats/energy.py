"""What DATEX II has to say about a Location, in DATEX II's own words, whatever it is written in.

The words are those of the energy infrastructure model for AFIR (version 3.7 of DATEX II, packages AfirEnergyInfrastructure and
AfirFacilities; the German profile 01-00-00 is an earlier state of the same). A Location is a site, an EVSE is a station with one electric
charging point, a Connector is a connector. `hub.navigation.formats.datex2` writes it as XML and `hub.navigation.formats.afir` as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from hub.navigation.formats.publishing import AdHocPrice, Prices, Publisher, adhoc_price, in_words
from hub.navigation.location import Business, Connector, Evse, Hours, PublicLocation, RegularHours, Text
from ocpi_modules.locations import Status

TEXT_MAX_CHARACTERS = 1024
ZONES_KEPT_MAX = 1024
OPEN_SINCE = datetime(2000, 1, 1, tzinfo=UTC)
"""Opening times must begin at some time, and nobody says when: before anybody asks."""

TABLE_ID = "locations"
_ESCAPED_IN_IDS = re.compile(r"[^ -~]|[/%#]")
_PLAIN_IN_IDS = "".join(set(map(chr, range(0x20, 0x7F))) - set("/%#"))
_LANGUAGE = re.compile("[a-z]{2}")
_UNPRINTABLE = dict.fromkeys((*range(0x20), 0x7F, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)) | dict.fromkeys(
    (9, 10, 13), " "
)


class NothingToPublish(ValueError):
    """There is no Location with an EVSE that can be published, and a table without a site is no table."""


# --- words -----------------------------------------------------------------------------------

STATUS_WORDS = {
    Status.AVAILABLE: "available",
    Status.BLOCKED: "blocked",
    Status.CHARGING: "charging",
    Status.INOPERATIVE: "inoperative",
    Status.OUTOFORDER: "outOfOrder",
    Status.PLANNED: "planned",
    Status.REMOVED: "removed",
    Status.RESERVED: "reserved",
    Status.UNKNOWN: "unknown",
}

CONNECTOR_WORDS = {
    "CHADEMO": "chademo",
    **{f"DOMESTIC_{letter}": f"domestic{letter}" for letter in "ABCDEFGHIJKLMNO"},
    "IEC_60309_2_single_16": "iec60309x2single16",
    "IEC_60309_2_three_16": "iec60309x2three16",
    "IEC_60309_2_three_32": "iec60309x2three32",
    "IEC_60309_2_three_64": "iec60309x2three64",
    "IEC_62196_T1": "iec62196T1",
    "IEC_62196_T1_COMBO": "iec62196T1COMBO",
    "IEC_62196_T2": "iec62196T2",
    "IEC_62196_T2_COMBO": "iec62196T2COMBO",
    "IEC_62196_T3A": "iec62196T3A",
    "IEC_62196_T3C": "iec62196T3C",
    "MCS": "mcs",
    "PANTOGRAPH_BOTTOM_UP": "pantographBottomUp",
    "PANTOGRAPH_TOP_DOWN": "pantographTopDown",
    "SAE_J3400": "teslaConnectorAmerica",
    "TESLA_R": "teslaR",
    "TESLA_S": "teslaS",
}
"""OCPI's standards that have a word of their own; any other is ``other``, with OCPI's word beside it."""

METHOD_WORDS = {
    "RFID_READER": "rfid",
    "CREDIT_CARD_PAYABLE": "creditCard",
    "DEBIT_CARD_PAYABLE": "debitCard",
    "CONTACTLESS_CARD_SUPPORT": "nfc",
    "PED_TERMINAL": "pinpad",
    "REMOTE_START_STOP_CAPABLE": "apps",
}

PAYMENT_WORDS = {
    "CREDIT_CARD_PAYABLE": "paymentCreditCard",
    "DEBIT_CARD_PAYABLE": "paymentDebitCard",
    "CONTACTLESS_CARD_SUPPORT": "nfc",
    "CHIP_CARD_SUPPORT": "emv",
}

SITE_WORDS = {
    "ALONG_MOTORWAY": "openSpace",
    "PARKING_GARAGE": "inBuilding",
    "PARKING_LOT": "openSpace",
    "ON_DRIVEWAY": "other",
    "ON_STREET": "onstreet",
    "UNDERGROUND_GARAGE": "inBuilding",
}

SOURCE_WORDS = {
    "NUCLEAR": "nuclear",
    "GENERAL_FOSSIL": "generalFossil",
    "COAL": "coal",
    "GAS": "gas",
    "GENERAL_GREEN": "generalGreen",
    "SOLAR": "solar",
    "WIND": "wind",
    "WATER": "water",
}

DAY_WORDS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

VERSION_DIGEST_BYTES = 6

# --- shapes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edition:
    """One publication: who publishes, when (UTC), and the version of the table, another one whenever anything in the table changes."""

    publisher: Publisher
    published_at: datetime
    table_version: str


Texts = tuple[tuple[str, str], ...]
"""One text in several languages: (ISO 639-1, text)."""


@dataclass(frozen=True, slots=True)
class Plug:
    """A connector: watt, volt and ampere; `other` is OCPI's word where `type` is ``other``."""

    type: str
    other: str | None
    format: str
    watts: int
    volts: int | None
    amperes: int | None


@dataclass(frozen=True, slots=True)
class PricePart:
    """One part of a price, VAT included: DATEX II's word for its kind, and the amount."""

    type: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """What charging costs ad hoc; `words` says it for people, `means` are the words for what one can pay with."""

    id: str
    updated_at: datetime
    currency: str
    parts: tuple[PricePart, ...]
    means: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Mix:
    """Where the energy comes from: shares in percent, gram per kWh; None and empty where nobody says."""

    is_green: bool | None
    product: str | None
    shares: tuple[tuple[str, Decimal], ...]
    carbon_dioxide: Decimal | None
    nuclear_waste: Decimal | None


@dataclass(frozen=True, slots=True)
class Station:
    """An EVSE: a station with one electric charging point, which is `point_id`."""

    id: str
    point_id: str
    evse: Evse
    methods: tuple[str, ...]
    accessibility: tuple[str, ...]
    usage: str
    current: str
    mode: str | None
    is_reservable: bool
    services: tuple[str, ...]
    plugs: tuple[Plug, ...]
    rates: tuple[Rate, ...]

    @property
    def watts(self) -> int:
        """The most that it gives."""
        return max(plug.watts for plug in self.plugs)


@dataclass(frozen=True, slots=True)
class Site:
    """A Location with all that can be published of it; at least one station. Every object of it has its `version`."""

    id: str
    version: str
    location: PublicLocation
    type: str | None
    is_for_customers: bool
    mix: Mix | None
    stations: tuple[Station, ...]


@dataclass(frozen=True, slots=True)
class WeekTimes:
    """Days of the week (DATEX II's words) that are open from and to the same time of day, HH:MM:SS where the site is."""

    days: tuple[str, ...]
    begin: str
    end: str


# --- ids -------------------------------------------------------------------------------------


def site_id(location: PublicLocation) -> str:
    """``CC/PID/id``; what would read as a part of the form is escaped, so that no two objects share an id."""
    return f"{location.party}/{_id_part(location.id)}"


def station_id(location: PublicLocation, evse: Evse) -> str:
    """``CC/PID/id/uid``."""
    return f"{site_id(location)}/{_id_part(evse.uid)}"


def point_id(location: PublicLocation, evse: Evse) -> str:
    """The one charging point of a station: ``CC/PID/id/uid#point``."""
    return f"{station_id(location, evse)}#point"


def _id_part(text: str) -> str:
    return quote(text, safe=_PLAIN_IN_IDS) if _ESCAPED_IN_IDS.search(text) else text


def version_of(location: PublicLocation, prices: Prices) -> str:
    """The version of a site and of everything in it: another one with every change that is not one of status, also of an ad-hoc price.

    It is a number that grows, and where a price is known a digest of all that are: prices change without their Location (N8).
    """
    keys = sorted((location.party, tariff_id) for tariff_id in location.tariff_ids)
    known = [(key, prices[key]) for key in keys if key in prices]
    return f"{location.static_version}.{short_digest(repr(known))}" if known else str(location.static_version)


def short_digest(text: str) -> str:
    """Tells one text from another."""
    return blake2b(text.encode(), digest_size=VERSION_DIGEST_BYTES).hexdigest()


# --- what can be published -------------------------------------------------------------------


def published_evses(location: PublicLocation) -> Iterator[Evse]:
    """The EVSEs that can be said in DATEX II: those with a connector whose power is known."""
    return (evse for evse in location.evses if any(_has_power(connector) for connector in evse.connectors))


def _has_power(connector: Connector) -> bool:
    return bool(connector.max_electric_power)


def with_one_at_least(sites: Iterable[bytes]) -> Iterator[bytes]:
    """The same sites. Raises NothingToPublish, at the first step, when there is none."""
    iterator = iter(sites)
    first = next(iterator, None)
    if first is None:
        raise NothingToPublish("no Location has an EVSE whose power is known")
    yield first
    yield from iterator


def site_of(location: PublicLocation, prices: Prices) -> Site | None:
    """The site of a Location; None where no EVSE of it can be published."""
    stations = tuple(_station(location, evse, prices) for evse in published_evses(location))
    if not stations:
        return None
    return Site(
        id=site_id(location),
        version=version_of(location, prices),
        location=location,
        type=SITE_WORDS.get(location.parking_type or ""),
        is_for_customers=all("CUSTOMERS" in station.evse.parking_restrictions for station in stations),
        mix=_mix(location.energy_mix),
        stations=stations,
    )


def _station(location: PublicLocation, evse: Evse, prices: Prices) -> Station:
    connectors = [connector for connector in evse.connectors if _has_power(connector)]
    strongest = max(connectors, key=lambda connector: connector.max_electric_power or 0)
    return Station(
        id=station_id(location, evse),
        point_id=point_id(location, evse),
        evse=evse,
        methods=_words(METHOD_WORDS, evse.capabilities),
        accessibility=("disabilityAccessible",) if "DISABLED" in evse.parking_restrictions else (),
        usage="electricMotorcycle" if "MOTORCYCLES" in evse.parking_restrictions else "electricVehicle",
        current="dc" if strongest.power_type == "DC" else "ac",
        mode=_charging_mode(connectors),
        is_reservable="RESERVABLE" in evse.capabilities,
        services=("powerOptimisationByUser",) if "CHARGING_PREFERENCES_CAPABLE" in evse.capabilities else (),
        plugs=tuple(_plug(connector) for connector in connectors),
        rates=tuple(_rates(location, evse, connectors, prices)),
    )


def _words(words: dict[str, str], capabilities: Iterable[str]) -> tuple[str, ...]:
    found = set(capabilities)
    return tuple(word for capability, word in words.items() if capability in found)


def _charging_mode(connectors: Iterable[Connector]) -> str | None:
    modes = {_mode_of(connector) for connector in connectors}
    return modes.pop() if len(modes) == 1 else None


def _mode_of(connector: Connector) -> str | None:
    if connector.power_type == "DC":
        return "mode4DC"
    is_type_2 = connector.standard == "IEC_62196_T2"
    return "mode3AC3p" if is_type_2 and connector.power_type == "AC_3_PHASE" else None


def _plug(connector: Connector) -> Plug:
    word = CONNECTOR_WORDS.get(connector.standard)
    return Plug(
        type=word or "other",
        other=None if word else connector.standard,
        format=_format(connector),
        watts=connector.max_electric_power or 0,
        volts=connector.max_voltage or None,
        amperes=connector.max_amperage or None,
    )


def _format(connector: Connector) -> str:
    if connector.format == "SOCKET":
        return "socket"
    is_mode_3 = connector.power_type != "DC" and connector.standard.startswith("IEC_62196_T")
    return "cableMode3" if is_mode_3 else "otherCable"


def _rates(location: PublicLocation, evse: Evse, connectors: Iterable[Connector], prices: Prices) -> Iterator[Rate]:
    found = dict(known for one in connectors if (known := adhoc_price(location, one, prices)) is not None)
    means = _words(PAYMENT_WORDS, evse.capabilities)
    for tariff_id, price in found.items():
        rate_id = f"{point_id(location, evse)}/{_id_part(tariff_id)}"
        yield Rate(rate_id, price.updated_at, price.currency, _price_parts(price), means, in_words(price))


def _price_parts(price: AdHocPrice) -> tuple[PricePart, ...]:
    if price.is_free:
        return (PricePart("free", Decimal(0)),)
    of_session = "flatRate" if len(price.parts) == 1 else "basePrice"
    words = {"kWh": "pricePerKWh", "min": "pricePerMinute", "session": of_session}
    return tuple(PricePart(words[unit], amount) for unit, amount in price.parts)


def _mix(mix: dict[str, Any] | None) -> Mix | None:
    if not mix:
        return None
    is_green, product = mix.get("is_green_energy"), mix.get("energy_product_name")
    impacts = dict(_amounts(mix.get("environ_impact"), "category", "amount"))
    return Mix(
        is_green=is_green if isinstance(is_green, bool) else None,
        product=product if isinstance(product, str) and product else None,
        shares=tuple(
            (SOURCE_WORDS.get(source, "other"), percent)
            for source, percent in _amounts(mix.get("energy_sources"), "source", "percentage")
        ),
        carbon_dioxide=impacts.get("CARBON_DIOXIDE"),
        nuclear_waste=impacts.get("NUCLEAR_WASTE"),
    )


def _amounts(items: Any, of: str, amount: str) -> Iterator[tuple[str, Decimal]]:
    # the mix is kept as its owner wrote it
    for item in items if isinstance(items, list) else []:
        name, number = (item.get(of), item.get(amount)) if isinstance(item, dict) else (None, None)
        if isinstance(name, str) and isinstance(number, (int, float, Decimal)) and not isinstance(number, bool):
            yield name, Decimal(str(number))


# --- status ----------------------------------------------------------------------------------


def status_at(location: PublicLocation, evse: Evse) -> datetime:
    """Since when the status that is shown holds: since its source fell silent where that is why it is unknown."""
    if evse.status is not evse.said and location.silent_since is not None:
        return max(evse.happened_at, location.silent_since)
    return evse.happened_at


# --- texts and times -------------------------------------------------------------------------


def printable(text: str) -> str:
    """The text on one line, without what XML may not hold, cut to TEXT_MAX_CHARACTERS."""
    # a text that is printable at a look is most of them
    return (text if text.isprintable() else text.translate(_UNPRINTABLE))[:TEXT_MAX_CHARACTERS]


def texts_of(texts: Iterable[Text], publisher: Publisher) -> Texts:
    """Texts that are one text in several languages; a language that is no code of two letters is the publisher's."""
    found = ((text.language.lower()[:2], printable(text.text)) for text in texts)
    return tuple((one if _LANGUAGE.fullmatch(one) else publisher.language, text) for one, text in found)


def plain(text: str, publisher: Publisher) -> Texts:
    """A text that does not say its language."""
    return ((publisher.language, printable(text)),)


def operator_of(location: PublicLocation) -> Business:
    """Who runs it; where nobody says, its owner's party."""
    return location.operator or Business(location.operator_name)


def operator_id(location: PublicLocation) -> str:
    """The id of the operator as it is written in an EVSE id: ``CC*PID``."""
    return f"{location.country_code}*{location.party_id}".upper()


def week_of(hours: Hours) -> tuple[WeekTimes, ...]:
    """The regular hours, days with the same times together."""
    days: dict[tuple[str, str], list[str]] = {}
    for day in hours.regular_hours:
        days.setdefault(_times_of(day), []).append(DAY_WORDS[(day.weekday - 1) % 7])
    return tuple(WeekTimes(tuple(dict.fromkeys(names)), begin, end) for (begin, end), names in days.items())


def _times_of(day: RegularHours) -> tuple[str, str]:
    end = "23:59" if day.period_end == "24:00" else day.period_end
    return f"{day.period_begin.zfill(5)}:00", f"{end.zfill(5)}:00"


def is_always_open(hours: Hours) -> bool:
    """Around the clock without exception."""
    return hours.twentyfourseven and not hours.exceptional_closings


@lru_cache(maxsize=ZONES_KEPT_MAX)
def standard_offset(time_zone: str) -> str:
    """How far ahead of UTC the clocks of a time zone (IANA) are outside summer time, as ``+01:00``.

    DATEX II knows time zones by offset only; the one of summer time would make a change of every object twice a year.
    """
    zone = ZoneInfo(time_zone)
    offsets = [datetime(2026, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7)]
    minutes = round(min(offsets).total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
