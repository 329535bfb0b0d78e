"""What the operator decides about stations: who is let in, with which secret, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from hub.chargers.events import Answered, Ask, Outcome, SetSecret, StationState
from hub.chargers.sites import new_secret
from hub.chargers.stationbook import StationBook, StationPorts
from hub.store.chargestations import KeptConnector, KeptStation, StationsAsked
from hub.store.ordering import Placed

ASK_WAIT_SECONDS = 30.0
SECRET_WAIT_SECONDS = 30.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StationSeen:
    """A station with its connectors, in the order of OCPP's numbers."""

    station: KeptStation
    connectors: tuple[KeptConnector, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What came of a new secret. `secret` is None where the station said that it has it; else somebody has to bring it there."""

    outcome: Outcome
    secret: str | None


class StationOffice:
    """Carries out what the operator decides. LookupError where there is no such station."""

    def __init__(self, ports: StationPorts, book: StationBook) -> None:
        self._ports, self._book = ports, book

    async def all(self) -> list[StationSeen]:
        """Every station, by identity."""
        stations = await self._ports.stations.all()
        connectors = await self._ports.stations.connectors(station.identity for station in stations)
        return [StationSeen(station, _of(station.identity, connectors)) for station in stations]

    async def page(self, asked: StationsAsked, most: int) -> list[Placed[StationSeen]]:
        """Stations in the order that is asked for."""
        found = await self._ports.stations.page(asked, most)
        connectors = await self._ports.stations.connectors(one.row.identity for one in found)
        return [Placed(StationSeen(one.row, _of(one.row.identity, connectors)), one.place) for one in found]

    async def count(self) -> dict[str, int]:
        """How many stations there are in each state."""
        return await self._ports.stations.count()

    async def one(self, identity: str) -> StationSeen:
        """One station."""
        station = await self._ports.stations.one(identity)
        if station is None:
            raise LookupError(f"there is no station {identity}")
        return StationSeen(station, _of(identity, await self._ports.stations.connectors([identity])))

    async def features(self, identity: str) -> dict[str, str]:
        """What a station said that it can."""
        return await self._ports.stations.features(identity)

    async def accept(self, identity: str, note: str | None) -> str:
        """Let a station in that is in the inbox, or was rejected; its new secret, which is not shown again."""
        secret = new_secret()
        if not await self._ports.stations.accept(identity, await self._ports.passwords.hashed(secret), note):
            raise LookupError(f"there is no station {identity} that waits or was rejected")
        await self._book.settle_station(identity)
        return secret

    async def reject(self, identity: str) -> None:
        """Keep a station out: it loses its connection, what runs at it is over, and its EVSEs are UNKNOWN."""
        if not await self._ports.stations.reject(identity):
            raise LookupError(f"there is no station {identity}")
        await self._part(identity)

    async def drop(self, identity: str) -> None:
        """Forget a station, which loses its connection as one that is rejected; if it knocks again it is in the inbox."""
        if not await self._ports.stations.drop(identity):
            raise LookupError(f"there is no station {identity}")
        await self._part(identity)

    async def _part(self, identity: str) -> None:
        self._ports.dismiss(identity)
        await self._ports.close_charges(identity)
        await self._book.settle_station(identity)

    async def rotate(self, identity: str) -> Rotation:
        """Give a station a new secret over its own socket. Both are good until it has used the new one."""
        secret = new_secret()
        kept = await self._ports.passwords.hashed(secret)
        if not await self._ports.stations.offer_secret(identity, kept, self._ports.clock.now()):
            raise LookupError(f"there is no station {identity} that is let in")
        outcome = await self._ports.asker.ask(identity, SetSecret(secret), SECRET_WAIT_SECONDS)
        _log.info("station_secret_offered", station=identity, answered=outcome.answered.value)
        return Rotation(outcome=outcome, secret=None if outcome.is_good else secret)

    async def ask(self, identity: str, ask: Ask) -> Outcome:
        """Ask a station that is let in for something."""
        station = await self._ports.stations.one(identity)
        if station is None or station.state != StationState.ACCEPTED:
            raise LookupError(f"there is no station {identity} that is let in")
        if not station.is_connected:
            return Outcome(Answered.NOT_CONNECTED, said="the station is not connected")
        return await self._ports.asker.ask(identity, ask, ASK_WAIT_SECONDS)

    async def settle(self, site_ids: Iterable[str]) -> None:
        """Work out anew how the EVSEs of sites are that were provisioned."""
        for id in site_ids:
            if (site := self._ports.keeper.book.sites.get(id)) is not None:
                await self._book.settle(site)

    async def block(self, site_id: str, evse_uid: str, by: str) -> None:
        """Somebody says that an EVSE is blocked, or by nobody (empty) that it is not any more."""
        site = self._ports.keeper.book.sites.get(site_id)
        if site is None or not await self._ports.sites.block(site_id, evse_uid, by):
            raise LookupError(f"there is no EVSE {site_id}/{evse_uid}")
        await self._book.settle(site)


def _of(identity: str, connectors: Mapping[tuple[str, int, int], KeptConnector]) -> tuple[KeptConnector, ...]:
    return tuple(said for spot, said in sorted(connectors.items()) if spot[0] == identity)
