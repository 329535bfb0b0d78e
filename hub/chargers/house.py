"""What the hub does with what stations say, put together from those who know: stations, charges, and who may charge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from hub.chargers.events import (
    Alarm,
    Boot,
    BootAnswer,
    IdToken,
    Login,
    Metered,
    Permit,
    Refusal,
    Spot,
    StartAnswer,
    Started,
    StatusTold,
    Stopped,
)


class Book(Protocol):
    """Knows stations; the methods are those of `StationDesk`."""

    async def admit(self, identity: str, login: Login | None, remote: str, *, is_secure: bool) -> Refusal | None: ...
    async def connected(self, identity: str, protocol: str, connection: str) -> None: ...
    async def disconnected(self, identity: str, connection: str) -> None: ...
    async def booted(self, identity: str, boot: Boot) -> BootAnswer: ...
    async def heard(self, identity: str) -> datetime: ...
    async def told_status(self, identity: str, told: StatusTold) -> None: ...
    async def alarmed(self, identity: str, alarm: Alarm) -> None: ...
    async def featured(self, identity: str, features: Mapping[str, str]) -> None: ...


class Charging(Protocol):
    """Knows charges."""

    async def started(self, identity: str, started: Started) -> StartAnswer: ...
    async def metered(self, identity: str, metered: Metered) -> Permit | None: ...
    async def stopped(self, identity: str, stopped: Stopped) -> Permit | None: ...
    async def told_status(self, identity: str, told: StatusTold) -> None: ...


class Letting(Protocol):
    """Knows who may charge."""

    async def authorise(self, identity: str, token: IdToken, spot: Spot | None) -> Permit: ...


class Keeping(Protocol):
    """Knows reservations."""

    async def reservation_ended(self, identity: str, number: int, how: str) -> None: ...


class House:
    """The `StationDesk` of the hub."""

    def __init__(self, book: Book, charging: Charging, letting: Letting, keeping: Keeping) -> None:
        self.admit, self.connected, self.disconnected = book.admit, book.connected, book.disconnected
        self.booted, self.heard = book.booted, book.heard
        self.alarmed, self.featured = book.alarmed, book.featured
        self.started, self.metered, self.stopped = charging.started, charging.metered, charging.stopped
        self.authorise, self.reservation_ended = letting.authorise, keeping.reservation_ended
        self._tellings = (book.told_status, charging.told_status)

    async def told_status(self, identity: str, told: StatusTold) -> None:
        """A connector's status: it says how an EVSE is, and whether a car asks for energy."""
        for tell in self._tellings:
            await tell(identity, told)
