"""A charge in the live demo as values: where, who, how fast, and the Session and CDR that tell of it. Pure.

A minute of a charge takes a second. So that no time lies in the future, a charge of n minutes begins n minutes before its end.
It begins on a grid of nine seconds, which are exactly 0.0025 hours: volumes with four decimals are then exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hub.demo.prices import costs
from hub.demo.shelf import Object
from hub.demo.world import Driver
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime

MINUTES_STEP = 3
GRID_SECONDS = 9
HOUR_SECONDS = 3600
MINUTES_MIN, MINUTES_MAX = 12, 75
EFFICIENCY = Decimal("0.92")  # what a car takes of what it could
WATTS = Decimal(1000)
ENERGY_STEP, HOURS_STEP = Decimal("0.001"), Decimal("0.0001")
_OF_TOKEN = ("country_code", "party_id", "uid", "type", "contract_id")
_OF_LOCATION = ("id", "name", "address", "city", "postal_code", "country", "coordinates")


@dataclass(frozen=True, slots=True)
class Spot:
    """A connector at which somebody can charge, with the tariff that counts there."""

    owner: Party
    location: Object
    evse: Object
    connector: Object
    tariff: Object

    @property
    def name(self) -> str:
        """For people: the city and the EVSE."""
        return f"{self.location['city']} {self.evse['evse_id']}"

    @property
    def key(self) -> tuple[str, str]:
        """What tells EVSEs apart."""
        return str(self.owner), str(self.evse["uid"])

    @property
    def ids(self) -> tuple[str, str]:
        """The ids of the EVSE in a URL."""
        return str(self.location["id"]), str(self.evse["uid"])


@dataclass(frozen=True, slots=True)
class Charge:
    """Who charges where, from when (UTC), for how many minutes, with how many kW."""

    id: str
    driver: Driver
    token: Object
    spot: Spot
    auth_method: str
    reference: str | None
    start: datetime
    minutes: int
    kw: Decimal

    @property
    def end(self) -> datetime:
        """When it ends (UTC)."""
        return self.start + timedelta(minutes=self.minutes)

    def kwh(self, minute: int) -> Decimal:
        """The energy up to a minute."""
        return self._kwh_at(minute * 60)

    def session(self, now: str) -> Object:
        """The Session as it begins."""
        session: Object = {
            **_owner(self.spot.owner),
            "id": self.id,
            "start_date_time": format_datetime(self.start),
            "kwh": Decimal(0),
            "cdr_token": self._cdr_token(),
            "auth_method": self.auth_method,
            "location_id": self.spot.location["id"],
            "evse_uid": self.spot.evse["uid"],
            "connector_id": self.spot.connector["id"],
            "currency": self.spot.tariff["currency"],
            "status": "ACTIVE",
            "last_updated": now,
        }
        return {**session, **self._reference()}

    def progress(self, minute: int, now: str) -> Object:
        """What has changed of the Session up to a minute."""
        total = self._cdr_up_to(minute, now)["total_cost"]
        return {"kwh": self.kwh(minute), "total_cost": total, "last_updated": now}

    def ending(self, now: str) -> Object:
        """What changes of the Session when it ends."""
        end = format_datetime(self.end)
        return {**self.progress(self.minutes, now), "status": "COMPLETED", "end_date_time": end}

    def cdr(self, now: str) -> Object:
        """The CDR."""
        return self._cdr_up_to(self.minutes, now)

    def _cdr_up_to(self, minute: int, now: str) -> Object:
        """The CDR as it would be if the charge ended at a minute."""
        cdr: Object = {
            **_owner(self.spot.owner),
            "id": f"{self.id}-CDR",
            "start_date_time": format_datetime(self.start),
            "end_date_time": format_datetime(self.start + timedelta(minutes=minute)),
            "session_id": self.id,
            "cdr_token": self._cdr_token(),
            "auth_method": self.auth_method,
            **self._reference(),
            "cdr_location": self._cdr_location(),
            "currency": self.spot.tariff["currency"],
            "tariffs": [self.spot.tariff],
            "charging_periods": [self._period(*piece) for piece in pieces(self.start, minute * 60)],
            "total_energy": self.kwh(minute),
            "total_time": _hours(minute * 60),
            "last_updated": now,
        }
        return {**cdr, **costs(cdr, self.spot.location["time_zone"])}

    def _period(self, begin: int, end: int) -> Object:
        """From one second of the charge to another."""
        volumes = {
            "ENERGY": self._kwh_at(end) - self._kwh_at(begin),
            "TIME": _hours(end - begin),
            "MIN_POWER": self.kw,
            "MAX_POWER": self.kw,
        }
        return {
            "start_date_time": format_datetime(self.start + timedelta(seconds=begin)),
            "dimensions": [{"type": name, "volume": volume} for name, volume in volumes.items()],
            "tariff_id": self.spot.tariff["id"],
        }

    def _kwh_at(self, second: int) -> Decimal:
        return (self.kw * second / HOUR_SECONDS).quantize(ENERGY_STEP)

    def _cdr_token(self) -> Object:
        return {name: self.token[name] for name in _OF_TOKEN}

    def _reference(self) -> Object:
        return {"authorization_reference": self.reference} if self.reference else {}

    def _cdr_location(self) -> Object:
        connector = self.spot.connector
        return {
            **{name: self.spot.location[name] for name in _OF_LOCATION if name in self.spot.location},
            "evse_uid": self.spot.evse["uid"],
            "evse_id": self.spot.evse["evse_id"],
            "connector_id": connector["id"],
            "connector_standard": connector["standard"],
            "connector_format": connector["format"],
            "connector_power_type": connector["power_type"],
        }


def pieces(start: datetime, seconds: int) -> list[tuple[int, int]]:
    """A charge cut at whole hours, where the windows of the world's Tariffs open and close; in seconds since the start."""
    first = -int(start.timestamp()) % HOUR_SECONDS
    edges = [0, *(edge for edge in range(first, seconds, HOUR_SECONDS) if edge > 0), seconds]
    return list(pairwise(edges))


def on_grid(moment: datetime) -> datetime:
    """The last moment of the grid that is not after this one."""
    return datetime.fromtimestamp(int(moment.timestamp()) // GRID_SECONDS * GRID_SECONDS, UTC)


def spots_of(owner: Party, locations: list[Object], tariffs: list[Object]) -> Iterator[Spot]:
    """Where the live demo can charge: published EVSEs in working order, under the first tariff of their connector."""
    known = {tariff["id"]: tariff for tariff in tariffs}
    for location in locations:
        for evse in location["evses"] if location["publish"] else ():
            connector = evse["connectors"][0]
            tariff = known.get((connector.get("tariff_ids") or [""])[0])
            if tariff is not None and evse["status"] in ("AVAILABLE", "CHARGING") and "evse_id" in evse:
                yield Spot(owner, location, evse, connector, tariff)


def _hours(seconds: int) -> Decimal:
    return (Decimal(seconds) / HOUR_SECONDS).quantize(HOURS_STEP)


def kw_of(spot: Spot, driver: Driver) -> Decimal:
    """How fast a car charges there."""
    car = driver.max_dc_kw if spot.connector["power_type"] == "DC" else driver.max_ac_kw
    offered = Decimal(spot.connector.get("max_electric_power") or _rated_watts(spot.connector)) / WATTS
    return (min(offered, Decimal(car)) * EFFICIENCY).quantize(Decimal("0.1"))


def minutes_for(share: Decimal, battery_kwh: int, kw: Decimal) -> int:
    """How long it takes to fill this share of a battery, in steps and within bounds."""
    wanted = int(share * battery_kwh / kw * 60)
    return max(MINUTES_MIN, min(MINUTES_MAX, wanted)) // MINUTES_STEP * MINUTES_STEP


def _rated_watts(connector: Object) -> int:
    phases = 3 if connector["power_type"] == "AC_3_PHASE" else 1
    return int(connector["max_voltage"] * connector["max_amperage"] * phases)


def _owner(party: Party) -> dict[str, Any]:
    return {"country_code": party.country_code, "party_id": party.party_id}
