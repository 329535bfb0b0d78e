"""Writes `fixtures/navigation/dirty/locations.jsonl`: a tenth of what was counted in 3,848 Locations of real feeds, all of it invented.

Run `python -m tests.navigation.corpus` after a change; `tests/navigation/test_corpus.py` fails until then. Which Location gets which
fault is spread by steps that share no divisor with the numbers, so that the faults meet each other in every way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "navigation" / "dirty" / "locations.jsonl"
BEGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)

LOCATIONS, EVSES = 384, 760

OF_LOCATIONS: tuple[tuple[int, dict[str, int]], ...] = (
    (85, {"coordinates outside the format": 132, "coordinates as numbers": 66, "empty coordinates": 3}),
    (143, {"countries not alpha-3": 119}),
    (35, {"time stamps without Z": 57}),
    (211, {"opening times": 115}),
    (119, {"energy mix": 11}),
)
"""How many Locations have what. The step goes through all of them; what stands together never meets in one."""

OF_EVSES: tuple[tuple[int, dict[str, int]], ...] = (
    (123, {"without evse_id": 186, "with an evse_id that is not of eMI3": 405}),
    (201, {"CHARGING with a trailing blank": 10, "REMOVED": 12, "neither power nor amperage": 18, "stated power": 403}),
    (37, {"voltage as text": 40}),
    (143, {"parking restrictions": 11}),
)
"""How many EVSEs have what (voltage and power: on their connector)."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Town:
    """A real town, with real coordinates; streets and companies are invented."""

    name: str
    latitude: float
    longitude: float
    zone: str
    country: tuple[str, str, str]
    street: str


TOWNS = (
    Town("Utrecht", 52.0907, 5.1214, "Europe/Amsterdam", ("NLD", "NL", "Nederland"), "Stroomkade"),
    Town("Kassel", 51.3127, 9.4797, "Europe/Berlin", ("DEU", "DE", "Deutschland"), "Ladeweg"),
    Town("Dijon", 47.3220, 5.0415, "Europe/Paris", ("FRA", "FR", "France"), "Rue de la Borne"),
    Town("Gent", 51.0543, 3.7174, "Europe/Brussels", ("BEL", "BE", "België"), "Laadplein"),
    Town("Graz", 47.0707, 15.4395, "Europe/Vienna", ("AUT", "AT", "Österreich"), "Steckergasse"),
    Town("Tampere", 61.4978, 23.7610, "Europe/Helsinki", ("FIN", "FI", "Finland"), "Latauskatu"),
    Town("Bristol", 51.4545, -2.5879, "Europe/London", ("GBR", "gbr", "United Kingdom"), "Plug Lane"),
)
OPERATORS = ("Voltmeer", "Ampereland", "Borne Bleue", "Latausväylä")

NOT_EMI3 = ("+49*839*{0:05}", "EVSE-{0}", "NL-ABC-{0}", "{0:08}", "CP{0}_1", "DE*ABC*{0}")
OUTSIDE_THE_FORMAT = ("{0:.4f}", "{0:.9f}", "{0:.6f} ", "{0:+.6f}")


def spread(groups: Iterable[tuple[int, dict[str, int]]], of: int) -> list[frozenset[str]]:
    """What each of so many parts has."""
    found: list[set[str]] = [set() for _ in range(of)]
    for step, counts in groups:
        names = [name for name, count in counts.items() for _ in range(count)]
        for turn, name in enumerate(names):
            found[turn * step % of].add(name)
    return [frozenset(names) for names in found]


# --- what is written -------------------------------------------------------------------------


def locations() -> Iterator[Json]:
    """The Locations, in the order of the file: two EVSEs each, of every 48th only one."""
    evses = iter([*enumerate(spread(OF_EVSES, EVSES))])
    for number, has in enumerate(spread(OF_LOCATIONS, LOCATIONS)):
        yield location(number, has, [*islice(evses, 1 if number % 48 == 47 else 2)])


def location(number: int, has: frozenset[str], evses: list[tuple[int, frozenset[str]]]) -> Json:
    """One Location with the faults that it has."""
    town = TOWNS[number % len(TOWNS)]
    names = town.country[1:] if "countries not alpha-3" in has else town.country[:1]
    optional = {
        "opening_times": hours(number) if "opening times" in has else None,
        "energy_mix": {"is_green_energy": number % 2 == 0} if "energy mix" in has else None,
        "operator": {"name": OPERATORS[number % len(OPERATORS)]} if number % 3 else None,
    }
    return {
        "country_code": "DE",
        "party_id": "DRT",
        "id": f"L{number:04}",
        "publish": True,
        "address": f"{town.street} {number % 90 + 1}",
        "city": town.name,
        "country": names[number % len(names)],
        "coordinates": coordinates(number, town, has),
        "evses": [evse(one, its, moment(one, has)) for one, its in evses],
        "time_zone": town.zone,
        "last_updated": moment(number + 1000, has),
        **{name: value for name, value in optional.items() if value is not None},
    }


def coordinates(number: int, town: Town, has: frozenset[str]) -> Json:
    """A point within some kilometres of the town."""
    point = (town.latitude + (number * 37 % 101 - 50) / 1517, town.longitude + (number * 53 % 97 - 48) / 1013)
    names = ("latitude", "longitude")
    if "empty coordinates" in has:
        return dict.fromkeys(names, "")
    if "coordinates as numbers" in has:
        return dict(zip(names, (round(one, 6) for one in point), strict=True))
    outside = "coordinates outside the format" in has
    form = OUTSIDE_THE_FORMAT[number % len(OUTSIDE_THE_FORMAT)] if outside else "{0:.6f}"
    return {name: form.format(one) for name, one in zip(names, point, strict=True)}


def evse(number: int, has: frozenset[str], last_updated: str) -> Json:
    """One EVSE with one connector."""
    status = ("AVAILABLE", "CHARGING", "AVAILABLE", "OUTOFORDER", "UNKNOWN")[number % 5]
    status = "REMOVED" if "REMOVED" in has else status
    optional = {
        "evse_id": evse_id(number, has),
        "parking_restrictions": ["EV_ONLY"] if "parking restrictions" in has else None,
        "capabilities": ["RFID_READER"] if number % 4 else None,
    }
    return {
        "uid": f"U{number:04}",
        "status": "CHARGING " if "CHARGING with a trailing blank" in has else status,
        "connectors": [connector(number, has, last_updated)],
        "last_updated": last_updated,
        **{name: value for name, value in optional.items() if value is not None},
    }


def evse_id(number: int, has: frozenset[str]) -> str | None:
    """The printed id of an EVSE, as its owner writes it."""
    if "without evse_id" in has:
        return None
    is_odd = "with an evse_id that is not of eMI3" in has
    return (NOT_EMI3[number % len(NOT_EMI3)] if is_odd else "DE*DRT*E{0:05}").format(number)


def connector(number: int, has: frozenset[str], last_updated: str) -> Json:
    """A socket of 22 kW, or a cable of 150 kW."""
    is_dc = number % 3 == 0
    volts: int | str = 920 if is_dc else 230
    electricity: Json = {
        "max_voltage": str(volts) if "voltage as text" in has else volts,
        "max_amperage": 200 if is_dc else 32,
    }
    if "neither power nor amperage" in has:
        electricity["max_amperage"] = 0
    if "stated power" in has:
        electricity["max_electric_power"] = 150_000 if is_dc else 22_000
    plug = ("IEC_62196_T2_COMBO", "CABLE", "DC") if is_dc else ("IEC_62196_T2", "SOCKET", "AC_3_PHASE")
    return {
        "id": "1",
        **dict(zip(("standard", "format", "power_type"), plug, strict=True)),
        **electricity,
        "last_updated": last_updated,
    }


def hours(number: int) -> Json:
    """Half of them never close."""
    if number % 2:
        return {"twentyfourseven": True}
    days = [{"weekday": day, "period_begin": "07:00", "period_end": "22:00"} for day in (1, 5)]
    return {"twentyfourseven": False, "regular_hours": days}


def moment(number: int, has: frozenset[str]) -> str:
    """A time stamp, with Z or without."""
    text = (BEGIN + timedelta(minutes=number * 97 % 40_000)).strftime("%Y-%m-%dT%H:%M:%S")
    return text if "time stamps without Z" in has else f"{text}Z"


def corpus() -> bytes:
    """The whole file."""
    return b"".join(msgspec.json.encode(one) + b"\n" for one in locations())


def main() -> None:
    """Write the file."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(corpus())


if __name__ == "__main__":
    main()
