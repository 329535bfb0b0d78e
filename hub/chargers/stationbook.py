"""Stations: who is let in, who is there, what they say that they are and how their connectors are."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog

from hub.chargers.events import (
    Alarm,
    Boot,
    BootAnswer,
    Login,
    ReadFeatures,
    Refusal,
    SetVariables,
    Stations,
    StationState,
    StatusTold,
    TellStatus,
)
from hub.chargers.logins import Logins
from hub.chargers.places import Site, SiteBook
from hub.chargers.provisioning import NUMBER_MAX
from hub.chargers.sites import Passwords, SiteKeeper
from hub.chargers.statuses import OFFSETS_AGREE, clock_offset, effective_time, site_statuses
from hub.clock import Clock
from hub.store.chargesites import ChargeSites
from hub.store.chargestations import BootSaid, ChargeStations, Connected, KeptConnector, KeptStation, Knock

HERE_EVERY_SECONDS = 20.0
"""How often a process says in the database which stations it holds; one that is silent three times is gone."""

HEARD_EVERY_SECONDS = 10.0
WATCH_EVERY_SECONDS = 5.0
ASK_WAIT_SECONDS = 30.0
AFTER_BOOT_SECONDS = 2.0
PENDING_AGAIN_SECONDS = 60
REJECTED_AGAIN_SECONDS = 3_600
WORD_MAX_CHARACTERS = 50
TEXT_MAX_CHARACTERS = 255
OFFSETS_MAX_STATIONS = 20_000
OFFSET_CHANGE_MIN = timedelta(seconds=1)
SECRET_NAMES = ("authorizationkey", "basicauthpassword", "password", "secret")

_log = structlog.get_logger()


async def _nothing_runs(identity: str) -> None:
    """Where nobody keeps charges, none is to be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPorts:
    """What stations are kept with. `changed`: wakes whoever tells partners, at whichever process that is.

    `dismiss` closes the socket of a station that is kept out, `close_charges` what runs at it.
    """

    stations: ChargeStations
    sites: ChargeSites
    keeper: SiteKeeper
    asker: Stations
    passwords: Passwords
    clock: Clock
    changed: Callable[[], None] = lambda: None
    dismiss: Callable[[str], None] = lambda identity: None
    close_charges: Callable[[str], Awaitable[None]] = _nothing_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRules:
    """Times: how often stations are to be heard, and to tell their meters; how long they may be away; and the name of this process."""

    process: str
    boot_seconds: int = 300
    meter_seconds: int = 60
    grace_seconds: float = 120.0


class StationBook:
    """Knows stations: a part of `hub.chargers.events.StationDesk`. It is between `start` and `close` in every process."""

    def __init__(self, ports: StationPorts, rules: StationRules) -> None:
        self._ports, self._rules = ports, rules
        self._logins = Logins(ports.passwords, monotonic)
        self._here: dict[str, str] = {}
        self._heard: dict[str, float] = {}
        self._measured: OrderedDict[str, tuple[datetime, timedelta]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Say every HERE_EVERY_SECONDS which stations this process holds."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Say it no more; those that are still here count as gone from now on."""
        tasks = [task for task in (self._task, *self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- letting in ---

    async def standing(self, identity: str) -> StationState:
        """How the operator stands to a station; PENDING where nobody knows it."""
        station = await self._ports.stations.one(identity)
        return StationState(station.state) if station else StationState.PENDING

    async def process_of(self, identity: str) -> str | None:
        """Which process of the hub holds the socket of a station, as the database has it."""
        station = await self._ports.stations.one(identity)
        return station.process or None if station else None

    async def admit(self, identity: str, login: Login | None, remote: str, *, is_secure: bool) -> Refusal | None:
        """Whether a station may connect. Those that nobody let in come into the inbox, with or without login."""
        station = await self._ports.stations.one(identity)
        if station is None or station.state == StationState.PENDING:
            return await self._knock(identity, remote)
        if station.state == StationState.REJECTED:
            return Refusal.NOT_WELCOME
        judgement = await self._logins.judge(station, login, remote)
        if judgement.is_next and await self._ports.stations.take_secret(identity, station.next_secret_hash):
            _log.info("station_secret_rotated", station=identity)
        if judgement.refusal is None and login is not None and not is_secure:
            _log.debug("station_password_in_clear", station=identity)
        return judgement.refusal

    async def _knock(self, identity: str, remote: str) -> Refusal | None:
        knock = await self._ports.stations.knock(identity, remote[:WORD_MAX_CHARACTERS], self._ports.clock.now())
        if knock is Knock.FULL:
            _log.warning("station_inbox_full", station=identity, remote=remote[:WORD_MAX_CHARACTERS])
            return Refusal.INBOX_FULL
        return None

    # --- being there ---

    async def connected(self, identity: str, protocol: str, connection: str) -> None:
        """A station is there; what was UNKNOWN because it was away is what it said last, until it says more."""
        socket = Connected(identity=identity, protocol=protocol, connection=connection, process=self._rules.process)
        was_lost = await self._ports.stations.connect(socket, self._ports.clock.now())
        self._here[identity] = connection
        self._measured.pop(identity, None)
        if was_lost:
            await self.settle_station(identity)
            self._later(self._ask_status(identity))

    async def disconnected(self, identity: str, connection: str) -> None:
        """A socket is gone; nothing happens where a newer one is there. The grace begins."""
        if self._here.get(identity) == connection:
            del self._here[identity]
            self._heard.pop(identity, None)
        await self._ports.stations.disconnect(identity, connection, self._ports.clock.now())

    async def heard(self, identity: str) -> datetime:
        """A station is alive; the time now (UTC)."""
        now = self._ports.clock.now()
        if monotonic() - self._heard.get(identity, float("-inf")) >= HEARD_EVERY_SECONDS and identity in self._here:
            self._heard[identity] = monotonic()
            await self._ports.stations.touch({identity: self._here[identity]}, now)
        return now

    async def booted(self, identity: str, boot: Boot) -> BootAnswer:
        """A station says what it is; the answer says how the operator stands to it."""
        now = self._ports.clock.now()
        words = [_cut(word, WORD_MAX_CHARACTERS) for word in (boot.vendor, boot.model, boot.serial, boot.firmware)]
        said = BootSaid(vendor=words[0], model=words[1], serial=words[2], firmware=words[3])
        state = await self._ports.stations.boot(identity, said, now)
        answer = BootAnswer(
            state=StationState(state) if state else StationState.REJECTED,
            now=now,
            interval_seconds=self._interval(state),
        )
        if answer.state is StationState.ACCEPTED:
            self._later(self._after_boot(identity))
        return answer

    def _interval(self, state: str | None) -> int:
        if state == StationState.ACCEPTED:
            return self._rules.boot_seconds
        return PENDING_AGAIN_SECONDS if state == StationState.PENDING else REJECTED_AGAIN_SECONDS

    # --- what they say ---

    async def told_status(self, identity: str, told: StatusTold) -> None:
        """A connector's status; older ones than what is known are those of a time without connection, and count no more."""
        station = await self._ports.stations.one(identity)
        if station is None or station.state != StationState.ACCEPTED or not _is_spot(told):
            return
        now = self._ports.clock.now()
        offset = await self._measure(station, told.happened_at, now)
        kept = KeptConnector(
            identity=identity,
            evse=told.spot.evse,
            connector=told.spot.connector,
            status=_cut(told.status, WORD_MAX_CHARACTERS),
            error=_cut(told.error, WORD_MAX_CHARACTERS),
            info=_cut(told.info, TEXT_MAX_CHARACTERS),
            happened_at=effective_time(told.happened_at, now, offset),
            heard_at=now,
        )
        if await self._ports.stations.tell_connector(kept):
            await self.settle_station(identity)

    async def alarmed(self, identity: str, alarm: Alarm) -> None:
        """Something for the operators: into the log."""
        log = _log.warning if alarm.is_critical else _log.info
        kind, info = _cut(alarm.kind, TEXT_MAX_CHARACTERS), _cut(alarm.info, TEXT_MAX_CHARACTERS)
        log("station_alarm", station=identity, kind=kind, info=info, at=alarm.at and alarm.at.isoformat())

    async def featured(self, identity: str, features: Mapping[str, str]) -> None:
        """What a station can, beside what it said before; never its password."""
        told = {name: text for name, text in features.items() if not _is_secret(name)}
        await self._ports.stations.add_features(identity, told)

    async def settle_station(self, identity: str) -> None:
        """Work out anew how the EVSEs of a station are."""
        for site in {place.site.id: place.site for place in self._ports.keeper.book.at(identity)}.values():
            await self.settle(site)

    async def settle(self, site: Site) -> None:
        """Work out anew how the EVSEs of a site are, and have partners told where one is not as before."""
        stations = frozenset(plug.station for plug in site.plugs)
        now = self._ports.clock.now()
        if await self._ports.sites.settle(site.id, stations, lambda seen: site_statuses(site, seen), now):
            self._ports.changed()

    async def settle_all(self) -> None:
        """The same for every site."""
        for site in self._ports.keeper.book.sites.values():
            await self.settle(site)

    # --- steps ---

    async def _measure(self, station: KeptStation, told: datetime | None, now: datetime) -> timedelta:
        """How far the station's clock is ahead, as far as is known; a change is written down."""
        known = timedelta(milliseconds=station.clock_offset_milliseconds)
        if told is None:
            return known
        offset = clock_offset(told, now, self._measured.get(station.identity))
        if offset is None:
            self._note_measured(station.identity, (now, told - now))
            return known
        if abs(offset - known) >= OFFSET_CHANGE_MIN:
            _log.info("station_clock", station=station.identity, ahead_seconds=round(offset.total_seconds()))
            await self._ports.stations.set_clock_offset(station.identity, offset // timedelta(milliseconds=1))
        return offset

    def _note_measured(self, identity: str, measured: tuple[datetime, timedelta]) -> None:
        """Keep the first of the messages that agree, so that some time is between it and the one that proves it."""
        first = self._measured.get(identity, measured)
        self._measured[identity] = first if abs(measured[1] - first[1]) <= OFFSETS_AGREE else measured
        if len(self._measured) > OFFSETS_MAX_STATIONS:
            self._measured.popitem(last=False)

    async def _ask_status(self, identity: str) -> None:
        await self._ports.asker.ask(identity, TellStatus(), ASK_WAIT_SECONDS)

    async def _after_boot(self, identity: str) -> None:
        """The station has its answer first; then it is told how often to meter, and asked what it can."""
        await asyncio.sleep(AFTER_BOOT_SECONDS)
        station = await self._ports.stations.one(identity)
        name = (
            "MeterValueSampleInterval"
            if station and "1.6" in station.protocol
            else "SampledDataCtrlr.TxUpdatedInterval"
        )
        for ask in (SetVariables({name: str(self._rules.meter_seconds)}), ReadFeatures()):
            await self._ports.asker.ask(identity, ask, ASK_WAIT_SECONDS)

    def _later(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(step)
        self._asking.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.warning("station_not_asked", error=type(fault).__name__)

    async def tell_here(self) -> None:
        """Say which stations are here. Those that are kept out meanwhile, of which no other process could tell this one, are dismissed."""
        await self._ports.stations.touch(dict(self._here), self._ports.clock.now())
        for identity in await self._ports.stations.unwelcome(list(self._here)):
            self._ports.dismiss(identity)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(HERE_EVERY_SECONDS)
            try:
                await asyncio.shield(self.tell_here())
            except Exception as exc:  # the database is away: the next round tells it again
                _log.warning("stations_not_noted", error=type(exc).__name__)


class GraceWatch:
    """Marks stations that are away too long, so that their EVSEs are UNKNOWN. It runs at the process that leads."""

    def __init__(self, ports: StationPorts, rules: StationRules, book: StationBook) -> None:
        self._ports, self._rules, self._book = ports, rules, book
        self._task: asyncio.Task[None] | None = None
        self._is_all_due = True
        ports.keeper.on_change(self._changed)

    def start(self) -> None:
        """Look now, and every WATCH_EVERY_SECONDS; at first at what a process that was killed did not come to."""
        self._is_all_due = True
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more, until started again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Mark those who are away longer than the grace, and those whose process does not say any more that it holds them.

        Where sites were changed, whoever did it, the local CPO joins if it has not yet, and all EVSEs are worked out anew.
        """
        if self._is_all_due:
            self._is_all_due = False
            await self._settle_all()
        now = self._ports.clock.now()
        gone_before = now - timedelta(seconds=self._rules.grace_seconds)
        silent_before = gone_before - timedelta(seconds=3 * HERE_EVERY_SECONDS)
        for identity in await self._ports.stations.lose(gone_before, silent_before):
            _log.warning("station_lost", station=identity)
            await self._book.settle_station(identity)

    def _changed(self, before: SiteBook, now: SiteBook) -> None:
        self._is_all_due = True

    async def _settle_all(self) -> None:
        try:
            await self._ports.keeper.join()
            await self._book.settle_all()
        except BaseException:
            self._is_all_due = True
            raise

    async def _run(self) -> None:
        while True:
            try:
                await asyncio.shield(self.look())
            except Exception as exc:  # the database is away: the next look tries again
                _log.warning("stations_not_watched", error=type(exc).__name__)
            await asyncio.sleep(WATCH_EVERY_SECONDS)


def _cut(text: str, max_characters: int) -> str:
    return text.replace("\x00", "")[:max_characters]


def _is_spot(told: StatusTold) -> bool:
    return 0 <= told.spot.evse <= NUMBER_MAX and 0 <= told.spot.connector <= NUMBER_MAX


def _is_secret(name: str) -> bool:
    return any(word in name.casefold() for word in SECRET_NAMES)
