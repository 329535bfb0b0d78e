"""The small world of `fixtures/world`, read: platforms, their objects, drivers, and what October 2026 adds up to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.demo.connection import parties_of
from hub.demo.shelf import Object
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, parse_datetime

WORLD = Path(__file__).resolve().parents[2] / "fixtures" / "world"
MONTH = "2026-10"


@dataclass(frozen=True, slots=True)
class Cast:
    """A platform as the world describes it; `port_offset` is added to the base port of the demo."""

    name: str
    kind: str
    port_offset: int
    roles: tuple[Object, ...]

    @property
    def parties(self) -> tuple[Party, ...]:
        """Its parties."""
        return parties_of(self.roles)


@dataclass(frozen=True, slots=True)
class Driver:
    """Somebody who charges: the token, the car (kWh, kW), the city."""

    name: str
    party: Party
    token_uid: str
    token_type: str
    battery_kwh: int
    max_ac_kw: int
    max_dc_kw: int
    home_city: str


def read_casts() -> list[Cast]:
    """The platforms."""
    return [
        Cast(entry["name"], entry["kind"], entry["port_offset"], tuple(entry["roles"]))
        for entry in _read("platforms.json")
    ]


def read_objects(party: Party, module_id: str) -> list[Object]:
    """The objects of a party in one module: locations, tariffs, tokens or cdrs; none when it has none."""
    folder = WORLD / f"{party.country_code}-{party.party_id}"
    if module_id == "cdrs":
        return _read_lines(folder / f"cdrs-{MONTH}.jsonl")
    path = folder / f"{module_id}.json"
    return list(decode_json(path.read_bytes())) if path.exists() else []


def read_drivers() -> list[Driver]:
    """The drivers of the live demo."""
    return [_driver(entry) for entry in _read("drivers.json")]


def read_expected() -> list[Object]:
    """Per creditor, debtor and currency what the CDRs of the month state."""
    return list(_read(f"expected-{MONTH}.json"))


def read_newest() -> datetime:
    """The newest `last_updated` of the world (UTC)."""
    return max(
        parse_datetime(content["last_updated"])
        for cast in read_casts()
        for party in cast.parties
        for module_id in ("locations", "tariffs", "tokens")
        for content in read_objects(party, module_id)
    )


def _driver(entry: Object) -> Driver:
    car, token = entry["car"], entry["token"]
    return Driver(
        name=entry["name"],
        party=Party.of(entry["country_code"], entry["party_id"]),
        token_uid=token["uid"],
        token_type=token["type"],
        battery_kwh=car["battery_kwh"],
        max_ac_kw=car["max_ac_kw"],
        max_dc_kw=car["max_dc_kw"],
        home_city=entry["home_city"],
    )


def _read(name: str) -> Any:
    return decode_json((WORLD / name).read_bytes())


def _read_lines(path: Path) -> list[Object]:
    if not path.exists():
        return []
    return [decode_json(line) for line in path.read_bytes().splitlines() if line.strip()]
