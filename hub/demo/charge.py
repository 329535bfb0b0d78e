"""A charge in the live demo as values: where, who, how fast, and the Session and CDR that tell of it. Pure.

A minute of a charge takes a second. So that no time lies in the future, a charge of n minutes begins n minutes before its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.demo.prices import Charged, costs, is_plain
from hub.demo.shelf import Object
from hub.demo.world import Driver
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime

MINUTES_STEP = 3  # three minutes have an exact number of hours in four decimals
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
        return (self.kw * minute / 60).quantize(ENERGY_STEP)

    def charged(self, minute: int) -> Charged:
        """Energy and time up to a minute."""
        return Charged(self.kwh(minute), (Decimal(minute) / 60).quantize(HOURS_STEP))

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
        total = costs(self.spot.tariff, self.charged(minute))["total_cost"]
        return {"kwh": self.kwh(minute), "total_cost": total, "last_updated": now}

    def ending(self, now: str) -> Object:
        """What changes of the Session when it ends."""
        end = format_datetime(self.end)
        return {**self.progress(self.minutes, now), "status": "COMPLETED", "end_date_time": end}

    def cdr(self, now: str) -> Object:
        """The CDR."""
        charged = self.charged(self.minutes)
        return {
            **_owner(self.spot.owner),
            "id": f"{self.id}-CDR",
            "start_date_time": format_datetime(self.start),
            "end_date_time": format_datetime(self.end),
            "session_id": self.id,
            "cdr_token": self._cdr_token(),
            "auth_method": self.auth_method,
            **self._reference(),
            "cdr_location": self._cdr_location(),
            "currency": self.spot.tariff["currency"],
            "tariffs": [self.spot.tariff],
            "charging_periods": [self._period(charged)],
            "total_energy": charged.kwh,
            "total_time": charged.hours,
            **costs(self.spot.tariff, charged),
            "last_updated": now,
        }

    def _period(self, charged: Charged) -> Object:
        energy = {"type": "ENERGY", "volume": charged.kwh}
        time = {"type": "TIME", "volume": charged.hours}
        return {
            "start_date_time": format_datetime(self.start),
            "dimensions": [energy, time],
            "tariff_id": self.spot.tariff["id"],
        }

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


def spots_of(owner: Party, locations: list[Object], tariffs: list[Object]) -> Iterator[Spot]:
    """Where the live demo can charge: published EVSEs in working order whose first tariff is plain."""
    plain = {tariff["id"]: tariff for tariff in tariffs if is_plain(tariff)}
    for location in locations:
        for evse in location["evses"] if location["publish"] else ():
            connector = evse["connectors"][0]
            tariff = plain.get((connector.get("tariff_ids") or [""])[0])
            if tariff is not None and evse["status"] in ("AVAILABLE", "CHARGING") and "evse_id" in evse:
                yield Spot(owner, location, evse, connector, tariff)


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
