"""A desk that only takes notes: what stations say to the hub, without a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.chargers.events import (
    Alarm,
    Boot,
    BootAnswer,
    IdToken,
    Login,
    Metered,
    Permit,
    PermitStatus,
    Refusal,
    Spot,
    StartAnswer,
    Started,
    StationState,
    StatusTold,
    Stopped,
)

WAIT_MAX_SECONDS = 60.0
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """Which station said what, by the name of the desk's method."""

    identity: str
    kind: str
    what: Any = None


class NotingDesk:
    """A `StationDesk`. Every id token may charge but those in `blocked`; `said` is what was said, in order.

    `states` are the states of stations (Accepted where none is given), `passwords` those that must be right. `before` is waited for before
    anything is answered: a test may make it slow, or fail.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be as new."""
        self.said: list[Said] = []
        self.states: dict[str, StationState] = {}
        self.passwords: dict[str, str] = {}
        self.blocked: set[str] = set()
        self.interval_seconds = 300
        self.number = 0
        self.before: Callable[[Said], Awaitable[None]] | None = None
        self._numbers: dict[tuple[str, Any], int] = {}
        self._news = asyncio.Condition()

    # --- for tests ---

    def of(self, kind: str, identity: str | None = None) -> list[Any]:
        """All that was said of a kind."""
        return [one.what for one in self.said if one.kind == kind and identity in {None, one.identity}]

    async def until(self, kind: str, count: int = 1, identity: str | None = None) -> list[Any]:
        """Wait until so much was said of a kind. Raises TimeoutError after WAIT_MAX_SECONDS."""
        async with asyncio.timeout(WAIT_MAX_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.of(kind, identity)) >= count)
        return self.of(kind, identity)

    async def standing(self, identity: str) -> StationState:
        """How the operator stands to a station."""
        return self.states.get(identity, StationState.ACCEPTED)

    async def _note(self, identity: str, kind: str, what: Any = None) -> None:
        said = Said(identity, kind, what)
        async with self._news:
            self.said.append(said)
            self._news.notify_all()
        if self.before is not None:
            await self.before(said)

    def _permit(self, token: IdToken | None) -> Permit:
        is_blocked = token is not None and token.uid in self.blocked
        return Permit(status=PermitStatus.BLOCKED if is_blocked else PermitStatus.ACCEPTED)

    # --- what stations say ---

    async def admit(self, identity: str, login: Login | None, remote: str, *, is_secure: bool) -> Refusal | None:
        """By `passwords`."""
        await self._note(identity, "admit", (login, remote, is_secure))
        wanted = self.passwords.get(identity)
        if wanted is None or (login is not None and login.is_certified):
            return None
        if login is None:
            return Refusal.NO_LOGIN
        return None if login.password == wanted else Refusal.WRONG_LOGIN

    async def connected(self, identity: str, protocol: str, connection: str) -> None:
        """Noted."""
        await self._note(identity, "connected", (protocol, connection))

    async def disconnected(self, identity: str, connection: str) -> None:
        """Noted."""
        await self._note(identity, "disconnected", connection)

    async def booted(self, identity: str, boot: Boot) -> BootAnswer:
        """By `states`."""
        await self._note(identity, "booted", boot)
        state = self.states.get(identity, StationState.ACCEPTED)
        return BootAnswer(state=state, now=NOW, interval_seconds=self.interval_seconds)

    async def heard(self, identity: str) -> datetime:
        """NOW."""
        await self._note(identity, "heard")
        return NOW

    async def told_status(self, identity: str, told: StatusTold) -> None:
        """Noted."""
        await self._note(identity, "told_status", told)

    async def authorise(self, identity: str, token: IdToken, spot: Spot | None) -> Permit:
        """By `blocked`."""
        await self._note(identity, "authorise", token)
        return self._permit(token)

    async def started(self, identity: str, started: Started) -> StartAnswer:
        """A number, the same for the same transaction."""
        await self._note(identity, "started", started)
        key = (identity, started.transaction.id or (started.spot, started.at, started.meter_wh, started.id_token))
        if key not in self._numbers:
            self.number += 1
            self._numbers[key] = self.number
        return StartAnswer(number=self._numbers[key], permit=self._permit(started.id_token))

    async def metered(self, identity: str, metered: Metered) -> Permit | None:
        """By `blocked`, where somebody is named."""
        await self._note(identity, "metered", metered)
        return self._permit(metered.id_token) if metered.id_token is not None else None

    async def stopped(self, identity: str, stopped: Stopped) -> Permit | None:
        """By `blocked`, where somebody is named."""
        await self._note(identity, "stopped", stopped)
        return self._permit(stopped.id_token) if stopped.id_token is not None else None

    async def reservation_ended(self, identity: str, number: int, how: str) -> None:
        """Noted."""
        await self._note(identity, "reservation_ended", (number, how))

    async def alarmed(self, identity: str, alarm: Alarm) -> None:
        """Noted."""
        await self._note(identity, "alarmed", alarm)

    async def featured(self, identity: str, features: Mapping[str, str]) -> None:
        """Noted."""
        await self._note(identity, "featured", dict(features))
