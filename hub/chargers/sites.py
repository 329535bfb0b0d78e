"""The sites and tariffs of the local CPO: every process has the same picture of them, and changes go through the database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from hub.chargers.places import Object, SiteBook
from hub.chargers.provisioning import (
    BadProvisions,
    Fault,
    Provisions,
    StationWanted,
    read_provisions,
    read_site,
    read_tariff,
    with_removed,
)
from hub.clock import Clock
from hub.store.chargesites import ChargeSites, Kept, KeptThing, Written
from hub.store.chargestations import ChargeStations, NewStation
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json

LOOK_EVERY_SECONDS = 2.0
SECRET_BYTES = 20
"""AuthorizationKey of OCPP 1.6 takes 20 bytes in 40 hexadecimal digits, BasicAuthPassword of OCPP 2.x at most 40 characters."""

_log = structlog.get_logger()

Listener = Callable[[SiteBook, SiteBook], None]


class Passwords(Protocol):
    """Keeps passwords so that nobody can read them."""

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        ...

    async def is_right(self, password: str, kept: str | None) -> bool:
        """Whether a password is the one that is kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was provisioned, by id; `secrets`: those that were made for new stations, which are not shown again."""

    sites: tuple[str, ...]
    tariffs: tuple[str, ...]
    stations: tuple[str, ...]
    secrets: Mapping[str, str] = field(default_factory=dict)


class Joining(Protocol):
    """Makes the local CPO a party (`hub.chargers.localparty.LocalParty`)."""

    def require_free(self) -> None:
        """Raises InvalidParameters where somebody else is that party."""
        ...

    async def join(self) -> None:
        """Be a partner; nothing happens where it is one already. Raises InvalidParameters."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the keeper works with; `joining` makes the local CPO a party when there is a site."""

    sites: ChargeSites
    stations: ChargeStations
    passwords: Passwords
    clock: Clock
    party: Party
    joining: Joining | None = None


class SiteKeeper:
    """Holds the `SiteBook` between `start` and `close`; another process's changes are seen within LOOK_EVERY_SECONDS."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._mark: str | None = None
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self.book = SiteBook()

    def on_change(self, listener: Listener) -> None:
        """Call this with the picture before and now, whenever it is another one."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Read what is there, and look from time to time."""
        await self.refresh()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """See what changed, at once."""
        async with self._lock:
            mark = await self._ports.sites.mark()
            if mark != self._mark:
                before, self.book = self.book, book_of(await self._ports.sites.load(), self._ports.party)
                self._mark = mark
                for listener in self._listeners:
                    listener(before, self.book)

    # --- changes by the operator ---

    async def provision(self, content: Any) -> Imported:
        """Keep what an operator provisions, all of it or nothing; what it does not name stays.

        Raises BadProvisions; InvalidParameters where somebody else is the party of the local CPO.
        """
        party, joining = self._ports.party, self._ports.joining
        if joining is not None:
            joining.require_free()
        wanted = read_provisions(content, book_of(await self._ports.sites.load(), party), party)
        stations, made = await self._with_secrets(wanted.stations)

        def plan(kept: Kept) -> Written:
            return written(read_provisions(content, book_of(kept, party), party), kept, stations)

        if joining is not None and wanted.sites:
            await joining.join()  # first: what is kept is told at once
        await self._change(plan)
        return Imported(
            sites=tuple(wanted.sites),
            tariffs=tuple(wanted.tariffs),
            stations=tuple(station.identity for station in wanted.stations),
            secrets=made,
        )

    async def drop_site(self, id: str) -> bool:
        """A site is no more; its EVSEs are told to be REMOVED. False where there is none."""

        def plan(kept: Kept) -> Written:
            return Written(gone_sites=_there(kept.sites, id))

        return bool((await self._change(plan)).gone_sites)

    async def drop_tariff(self, id: str) -> bool:
        """A tariff is no more. False where there is none. Raises BadProvisions where a connector names it."""

        def plan(kept: Kept) -> Written:
            named = named_at(book_of(kept, self._ports.party), id)
            if named is not None:
                raise BadProvisions([Fault(named, f"names the tariff {id}")])
            return Written(gone_tariffs=_there(kept.tariffs, id))

        return bool((await self._change(plan)).gone_tariffs)

    async def _change(self, plan: Callable[[Kept], Written]) -> Written:
        done = await self._ports.sites.change(plan, self._ports.clock.now())
        await self.refresh()
        return done

    async def _with_secrets(self, wanted: tuple[StationWanted, ...]) -> tuple[tuple[NewStation, ...], dict[str, str]]:
        """Stations with what is kept of their secrets, and those secrets that are made."""
        made: dict[str, str] = {}
        stations = []
        for one in wanted:
            secret = one.secret
            if secret is None and await self._needs_secret(one.identity):
                secret = made[one.identity] = new_secret()
            kept = None if secret is None else await self._ports.passwords.hashed(secret)
            stations.append(NewStation(identity=one.identity, secret_hash=kept, note=one.note))
        return tuple(stations), made

    async def _needs_secret(self, identity: str) -> bool:
        station = await self._ports.stations.one(identity)
        return station is None or not station.secret_hash

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                await asyncio.shield(self.refresh())
            except Exception as exc:  # the database is away: the next look tries again
                _log.warning("sites_not_read", error=type(exc).__name__)


def new_secret() -> str:
    """A secret for a station: 160 random bits in 40 hexadecimal digits."""
    return secrets.token_hex(SECRET_BYTES)


def book_of(kept: Kept, party: Party) -> SiteBook:
    """The picture of what is kept and not gone."""
    return SiteBook(
        sites={one.id: read_site(one.id, content_of(one), party) for one in _present(kept.sites)},
        tariffs={
            one.id: {**read_tariff(content_of(one), party), "last_updated": one.updated_at}
            for one in _present(kept.tariffs)
        },
    )


def content_of(one: KeptThing) -> Object:
    """What was provisioned."""
    content: Object = decode_json(one.content.encode())
    return content


def written(provisions: Provisions, kept: Kept, stations: tuple[NewStation, ...] = ()) -> Written:
    """What is to be written for what is provisioned; EVSEs that a site has no more are kept as removed ones."""
    sites = {}
    for id, content in provisions.sites.items():
        before = kept.sites.get(id)
        sites[id] = with_removed(content, content_of(before) if before else None)
    return Written(
        sites={id: encode_json(content).decode() for id, content in sites.items()},
        evses={id: frozenset(evse["uid"] for evse in content.get("evses") or ()) for id, content in sites.items()},
        tariffs={id: encode_json(content).decode() for id, content in provisions.tariffs.items()},
        stations=stations,
    )


def named_at(book: SiteBook, tariff_id: str) -> str | None:
    """Where a connector names a tariff; None where none does."""
    for site in book.sites.values():
        for evse in site.evses.values():
            for connector in evse["connectors"]:
                if tariff_id in (connector.get("tariff_ids") or ()):
                    return f"{site.id}/{evse['uid']}/{connector['id']}"
    return None


def _present(kept: Mapping[str, KeptThing]) -> list[KeptThing]:
    return [one for _, one in sorted(kept.items()) if not one.is_gone]


def _there(kept: Mapping[str, KeptThing], id: str) -> frozenset[str]:
    return frozenset({id}) if id in kept and not kept[id].is_gone else frozenset()
