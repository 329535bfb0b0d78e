"""CDRs to price: made from a seed, in many shapes, as the JSON text that a partner sends.

Each owner has a Location in a time zone of its own, a currency, and Tariffs of one to four elements with restrictions, step sizes and
limits. Half of the CDRs carry their Tariff, the others only name it; some name none, some change it on the way, some are credits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from msgspec import Raw

from ocpi_modules.types import encode_decoded, format_datetime

SEED = 20261001
TARIFFS_PER_OWNER = 6
PERIODS_MIN, PERIODS_MAX = 4, 8
YEAR_START, YEAR_MINUTES = datetime(2026, 1, 1, tzinfo=UTC), 365 * 24 * 60

EMBEDDED_SHARE, UNNAMED_SHARE, SWITCH_SHARE, CREDIT_SHARE = 0.5, 0.1, 0.03, 0.01

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an owner's charge points stand: country codes of two and three letters, city, IANA time zone, currency, VAT in percent."""

    country_code: str
    country: str
    city: str
    zone: str
    currency: str
    vat: str | None


PLACES = (
    Place("NL", "NLD", "Utrecht", "Europe/Amsterdam", "EUR", "21.0"),
    Place("DE", "DEU", "Hamburg", "Europe/Berlin", "EUR", "19.0"),
    Place("FI", "FIN", "Turku", "Europe/Helsinki", "EUR", "25.5"),
    Place("PT", "PRT", "Porto", "Europe/Lisbon", "EUR", "23"),
    Place("GB", "GBR", "Leeds", "Europe/London", "GBP", "20.0"),
    Place("CH", "CHE", "Chur", "Europe/Zurich", "CHF", None),
    Place("JP", "JPN", "Nagoya", "Asia/Tokyo", "JPY", "10.0"),
    Place("KW", "KWT", "Hawalli", "Asia/Kuwait", "KWD", None),
)
"""Two decimals, none and three; daylight saving and none; with VAT and without."""

PRICE_UNIT = {"JPY": Decimal("0.1"), "KWD": Decimal("0.00001")}
PRICE_UNIT_ELSE = Decimal("0.0001")

SECONDS_STEPS = (1, 1, 60, 60, 300, 900)
WATT_HOURS_STEPS = (1, 1, 100, 500, 1000)
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
WEEKEND = ("SATURDAY", "SUNDAY")

RESTRICTED: tuple[tuple[Mapping[str, Any], tuple[str, ...]], ...] = (
    ({"start_time": "22:00", "end_time": "06:00"}, ("ENERGY",)),
    ({"start_time": "22:00", "end_time": "00:00"}, ("ENERGY", "TIME")),
    ({"start_time": "07:30", "end_time": "19:15", "day_of_week": WEEKDAYS}, ("ENERGY", "PARKING_TIME")),
    ({"day_of_week": WEEKEND}, ("FLAT", "ENERGY")),
    ({"min_duration": 3600}, ("TIME", "PARKING_TIME")),
    ({"max_duration": 1800}, ("TIME",)),
    ({"min_kwh": Decimal("20.0")}, ("ENERGY",)),
    ({"max_kwh": Decimal("7.5"), "day_of_week": WEEKDAYS}, ("ENERGY", "TIME")),
    ({"start_date": "2026-03-29", "end_date": "2026-10-25"}, ("ENERGY",)),
    ({"start_time": "02:00", "end_time": "03:00", "max_duration": 14400}, ("FLAT", "TIME")),
)
UNRESTRICTED = (("ENERGY",), ("FLAT", "ENERGY"), ("ENERGY", "TIME"), ("FLAT", "ENERGY", "TIME", "PARKING_TIME"))


@dataclass(frozen=True, slots=True)
class Owner:
    """A CPO with its Tariffs, and its Location as a CDR shows it (JSON text)."""

    place: Place
    party_id: str
    tariffs: tuple[Object, ...]
    location: Raw

    @property
    def name(self) -> str:
        """Which one it is: `NL/PRC`."""
        return f"{self.place.country_code}/{self.party_id}"

    @property
    def keys(self) -> Object:
        """How its objects name it."""
        return {"country_code": self.place.country_code, "party_id": self.party_id}


@dataclass(frozen=True, slots=True)
class Stored:
    """A CDR as it is stored, whose it is, and whether it carries its Tariffs."""

    text: bytes
    owner: Owner
    is_embedding: bool


class Dice:
    """Chance that comes out the same from the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.chance = self._random.random

    def whole(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        return least + int(self.chance() * (most - least + 1))

    def one(self, among: Sequence[Any]) -> Any:
        """One of these."""
        return among[int(self.chance() * len(among))]


# --- owners and Tariffs ----------------------------------------------------------------------


def owners(seed: int = SEED) -> list[Owner]:
    """One for each place."""
    dice = Dice(seed)
    return [owner_at(place, dice) for place in PLACES]


def owner_at(place: Place, dice: Dice, party_id: str = "PRC") -> Owner:
    """A CPO at a place."""
    owner = Owner(place, party_id, (), Raw(encode_decoded(_location(place, party_id))))
    tariffs = tuple(_tariff(owner, number, dice) for number in range(1, TARIFFS_PER_OWNER + 1))
    return Owner(place, owner.party_id, tariffs, owner.location)


def _location(place: Place, party_id: str) -> Object:
    return {
        "id": "L0000001",
        "name": "Charging park by the old harbour",
        "address": "Harbour Street 17",
        "city": place.city,
        "postal_code": "20457",
        "country": place.country,
        "coordinates": {"latitude": "53.545230", "longitude": "9.966310"},
        "evse_uid": "L0000001-1",
        "evse_id": f"{place.country_code}*{party_id}*EL0000001*1",
        "connector_id": "1",
        "connector_standard": "IEC_62196_T2_COMBO",
        "connector_format": "CABLE",
        "connector_power_type": "DC",
    }


def _tariff(owner: Owner, number: int, dice: Dice) -> Object:
    restricted = [dice.one(RESTRICTED) for _ in range((number - 1) % 4)]
    elements = [{**_element(owner.place, kinds, dice), "restrictions": dict(when)} for when, kinds in restricted]
    tariff: Object = {
        **owner.keys,
        "id": f"{owner.place.country_code}-{number}",
        "currency": owner.place.currency,
        "type": "REGULAR",
        "elements": [*elements, _element(owner.place, dice.one(UNRESTRICTED), dice)],
        "last_updated": "2025-12-18T09:15:30Z",
    }
    return {**tariff, **_limits(owner.place, number, dice)}


def _element(place: Place, kinds: Sequence[str], dice: Dice) -> Object:
    return {"price_components": [_component(place, kind, dice) for kind in kinds]}


def _component(place: Place, kind: str, dice: Dice) -> Object:
    steps = {"FLAT": (1,), "ENERGY": WATT_HOURS_STEPS}.get(kind, SECONDS_STEPS)
    component = {"type": kind, "price": _price(place, dice.whole(500, 12_000)), "step_size": dice.one(steps)}
    return component if place.vat is None else {**component, "vat": Decimal(place.vat)}


def _limits(place: Place, number: int, dice: Dice) -> Object:
    """Every third Tariff has a greatest price, every third a least one, half of them without saying it including VAT."""
    name, scale = (("max_price", 90_000), ("min_price", 40_000), ("", 0))[number % 3]
    if not name:
        return {}
    excl = _price(place, dice.whole(scale // 2, scale))
    incl = {} if place.vat is None or dice.chance() < 0.5 else {"incl_vat": excl * (1 + Decimal(place.vat) / 100)}
    return {name: {"excl_vat": excl, **incl}}


def _price(place: Place, units: int) -> Decimal:
    return units * PRICE_UNIT.get(place.currency, PRICE_UNIT_ELSE)


# --- CDRs ------------------------------------------------------------------------------------


def stored_cdrs(among: Sequence[Owner], count: int, seed: int = SEED) -> Iterator[Stored]:
    """So many CDRs of these owners."""
    dice = Dice(seed + 1)
    for number in range(count):
        owner = among[number % len(among)]
        cdr = _cdr(owner, number, dice)
        yield Stored(encode_decoded(cdr), owner, "tariffs" in cdr)


def _cdr(owner: Owner, number: int, dice: Dice) -> Object:
    tariffs = tariffs_of(owner, dice)
    is_unnamed = len(tariffs) == 1 and dice.chance() < UNNAMED_SHARE
    start = YEAR_START + timedelta(minutes=dice.whole(0, YEAR_MINUTES), seconds=dice.whole(0, 59))
    periods, end = periods_from(start, ["" if is_unnamed else tariff["id"] for tariff in tariffs], dice)
    total = {name: total_of(periods, name) for name in ("ENERGY", "TIME", "PARKING_TIME")}
    cost = (total["ENERGY"] * Decimal("0.41")).quantize(Decimal("0.01"))
    is_credit = dice.chance() < CREDIT_SHARE
    return {
        **owner.keys,
        "id": f"C{number:09}",
        "start_date_time": format_datetime(start),
        "end_date_time": format_datetime(end),
        "session_id": f"S{number:09}",
        "cdr_token": _TOKEN,
        "auth_method": "WHITELIST",
        "cdr_location": owner.location,
        "meter_id": "LG-7719-0042-1",
        "currency": owner.place.currency,
        **({"tariffs": tariffs} if is_unnamed or dice.chance() < EMBEDDED_SHARE else {}),
        "charging_periods": periods,
        "total_cost": {"excl_vat": -cost if is_credit else cost},
        "total_energy": total["ENERGY"],
        "total_energy_cost": {"excl_vat": cost},
        "total_time": total["TIME"] + total["PARKING_TIME"],
        "total_parking_time": total["PARKING_TIME"],
        **({"credit": True, "credit_reference_id": f"C{number - 1:09}"} if is_credit else {}),
        "last_updated": format_datetime(end + timedelta(minutes=1)),
    }


_TOKEN = Raw(
    encode_decoded(
        {
            "country_code": "NL",
            "party_id": "PAY",
            "uid": "04A2B9C1D35E80",
            "type": "RFID",
            "contract_id": "NL-PAY-C0012345-X",
        }
    )
)


def tariffs_of(owner: Owner, dice: Dice) -> list[Object]:
    """The Tariff of a charge, or the two that follow each other."""
    first = dice.one(owner.tariffs)
    if dice.chance() >= SWITCH_SHARE:
        return [first]
    return [first, dice.one([tariff for tariff in owner.tariffs if tariff is not first])]


def periods_from(start: datetime, tariff_ids: Sequence[str], dice: Dice) -> tuple[list[Object], datetime]:
    """Charging, then mostly parking, sometimes charging again; a second Tariff counts from the middle on."""
    count = dice.whole(PERIODS_MIN, PERIODS_MAX)
    parked = range(count - dice.whole(0, 2), count - int(dice.chance() < 0.1))
    periods, at = [], start
    for index in range(count):
        seconds = dice.whole(2 * 60, 40 * 60)
        dimensions = _parking(seconds) if index in parked else _charging(seconds, dice)
        tariff_id = tariff_ids[index * len(tariff_ids) // count]
        period: Object = {"start_date_time": format_datetime(at), "dimensions": dimensions}
        periods.append({**period, "tariff_id": tariff_id} if tariff_id else period)
        at += timedelta(seconds=seconds)
    return periods, at


def _charging(seconds: int, dice: Dice) -> list[Object]:
    energy = Decimal(seconds * dice.whole(1, 20)).scaleb(-3)  # at most 72 kW
    return [
        {"type": "ENERGY", "volume": energy},
        {"type": "TIME", "volume": _hours(seconds)},
        {"type": "MAX_CURRENT", "volume": Decimal(dice.whole(60, 320)).scaleb(-1)},
    ]


def _parking(seconds: int) -> list[Object]:
    return [{"type": "PARKING_TIME", "volume": _hours(seconds)}]


def _hours(seconds: int) -> Decimal:
    """As partners write them: four decimals, which is why a whole minute is hardly ever one."""
    return Decimal((seconds * 100 + 18) // 36).scaleb(-4)


def total_of(periods: Sequence[Object], name: str) -> Decimal:
    """The volume of a dimension over all periods."""
    volumes = (one["volume"] for period in periods for one in period["dimensions"] if one["type"] == name)
    return sum(volumes, Decimal())
