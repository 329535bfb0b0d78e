"""What the tests of sites and stations have in common: a depot, a hand-set clock, partners and stations that only note what they hear."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.chargers import passwords
from hub.chargers.events import Answered, Ask, Boot, Outcome, Spot, StatusTold
from hub.chargers.showing import Showing
from hub.chargers.sites import Ports, SiteKeeper
from hub.chargers.stationbook import GraceWatch, StationBook, StationPorts, StationRules
from hub.chargers.stationoffice import StationOffice
from hub.store.chargesites import ChargeSites
from hub.store.chargestations import ChargeStations
from hub.store.database import Database
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.message import Reply
from ocpi_modules.module import Module, Purpose
from ocpi_modules.parties import Party

LOC = Party("NL", "LOC")
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
BOOT = Boot(vendor="Volt", model="One", serial="S1", firmware="1.2")
LOOPBACK = "127.0.0.1"
AFAR = "203.0.113.7"

Object = dict[str, Any]

_PLUG: Object = {
    "standard": "IEC_62196_T2",
    "format": "CABLE",
    "power_type": "AC_3_PHASE",
    "max_voltage": 230,
    "max_amperage": 32,
    "tariff_ids": ["T1"],
}


def plug(id: str, station: str, number: int, **more: Any) -> Object:
    """A connector."""
    return {"id": id, "station": station, "number": number, **_PLUG, **more}


def depot(**changes: Any) -> Object:
    """A site: EVSE 1 with two connectors, EVSE 2 with one, all of CP-1 (OCPP 1.6)."""
    whole = {
        "id": "DEPOT",
        "publish": True,
        "name": "The depot",
        "address": "Kade 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.09083", "longitude": "5.12142"},
        "time_zone": "Europe/Amsterdam",
        "evses": [
            {"uid": "1", "evse_id": "NL*LOC*E1", "connectors": [plug("A", "CP-1", 1), plug("B", "CP-1", 2)]},
            {"uid": "2", "connectors": [plug("A", "CP-1", 3)]},
        ],
    }
    return {**deepcopy(whole), **changes}


def tariff(**changes: Any) -> Object:
    """A tariff of 0.35 a kWh."""
    prices = [{"type": "ENERGY", "price": Decimal("0.35"), "step_size": 1}]
    return {"id": "T1", "currency": "EUR", "elements": [{"price_components": prices}], **changes}


def provisions(**changes: Any) -> Object:
    """The depot with its tariff and its station."""
    stations = [{"identity": "CP-1", "secret": "a-secret-of-cp-1"}]
    return {"sites": [depot()], "tariffs": [tariff()], "stations": stations, **changes}


@dataclass
class SetClock:
    """Tells the time that the test set."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def later(self, **passed: float) -> datetime:
        self.at += timedelta(**passed)
        return self.at


@dataclass
class Told:
    """A push."""

    module: str
    purpose: Purpose
    ids: tuple[str, ...]
    content: Mapping[str, Any]

    @property
    def line(self) -> str:
        """What a test compares: ``locations replace DEPOT``."""
        return f"{self.module} {self.purpose.value} {'/'.join(self.ids)}"


@dataclass
class FakeOutlet:
    """Notes what is pushed; refuses what stands in `refused`, once for each time that it stands there."""

    party: Party = LOC
    told: list[Told] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    error: Exception = field(default_factory=lambda: OcpiError("not now"))

    async def push(self, module: Module, purpose: Purpose, ids: tuple[str, ...], content: Mapping[str, Any]) -> Reply:
        told = Told(module.id, purpose, ids, content)
        if told.line in self.refused:
            self.refused.remove(told.line)
            raise self.error
        self.told.append(told)
        return Reply()

    def take(self) -> list[str]:
        """What was told since the last time."""
        lines = [told.line for told in self.told]
        self.told.clear()
        return lines


@dataclass
class FakeStations:
    """Notes what stations are asked; answers as it was told to."""

    asked: list[tuple[str, Ask]] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(Answered.ACCEPTED))

    async def ask(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome:
        self.asked.append((identity, ask))
        return self.outcome


@dataclass
class FakeJoining:
    """Notes how often the local CPO joined; `taken` says that somebody else is that party."""

    joined: int = 0
    taken: bool = False

    def require_free(self) -> None:
        if self.taken:
            raise InvalidParameters("NL/LOC belongs to a partner")

    async def join(self) -> None:
        self.require_free()
        self.joined += 1


class House:
    """All that knows sites and stations, on one database; another of them is another process."""

    def __init__(self, database: Database, clock: SetClock | None = None, process: str = "P1") -> None:
        self.clock = clock or SetClock()
        self.outlet, self.asker, self.joining = FakeOutlet(), FakeStations(), FakeJoining()
        self.sites, self.stations = ChargeSites(database.direct), ChargeStations(database.direct)
        self.keeper = SiteKeeper(
            Ports(
                sites=self.sites,
                stations=self.stations,
                passwords=passwords,
                clock=self.clock,
                party=LOC,
                joining=self.joining,
            )
        )
        self.changes, self.dismissed, self.closed = 0, list[str](), list[str]()
        ports = StationPorts(
            stations=self.stations,
            sites=self.sites,
            keeper=self.keeper,
            asker=self.asker,
            passwords=passwords,
            clock=self.clock,
            changed=self._changed,
            dismiss=self.dismissed.append,
            close_charges=self._close,
        )
        rules = StationRules(process=process, grace_seconds=120.0)
        self.book = StationBook(ports, rules)
        self.watch = GraceWatch(ports, rules, self.book)
        self.office = StationOffice(ports, self.book)
        self.showing = Showing(self.sites, self.outlet)

    def _changed(self) -> None:
        self.changes += 1

    async def _close(self, identity: str) -> None:
        self.closed.append(identity)

    async def furnish(self, **changes: Any) -> None:
        """Provision the depot, and tell partners."""
        await self.keeper.provision(provisions(**changes))
        await self.show()

    async def show(self) -> list[str]:
        """What partners are told in a round."""
        await self.showing.tell_all()
        return self.outlet.take()

    async def join(self, identity: str = "CP-1", connection: str = "C1", protocol: str = "ocpp1.6") -> None:
        """A station connects and boots."""
        await self.book.connected(identity, protocol, connection)
        await self.book.booted(identity, BOOT)

    async def say(self, number: int, status: str, at: datetime | None = None, *, evse: int = 0) -> None:
        """A connector of CP-1 tells its status."""
        told = StatusTold(spot=Spot(evse, number), status=status, happened_at=at or self.clock.now())
        await self.book.told_status("CP-1", told)

    async def statuses(self) -> dict[str, str]:
        """The EVSEs of the depot."""
        return {evse.evse_uid: evse.status for evse in await self.sites.evses("DEPOT")}

    async def close(self) -> None:
        await self.book.close()
