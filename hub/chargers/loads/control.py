"""The control steps: who leads looks at every site with limits, shares out, and tells stations what has changed.

What lowers is told first; what raises is told with what is confirmed by then, so that the sum is never above a limit on the way either. A
set-point holds for LEASE_SECONDS and is renewed; a station that hears nothing more falls to the fall-back that was installed in it before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog

from hub.chargers.events import WHOLE_STATION, Answered, LimitPeriod, LimitProfile, Outcome, SetLimit, Spot, Stations
from hub.chargers.loads.charges import ActiveCharge, Evse, evses_of
from hub.chargers.loads.plan import RAISE_EVERY_SECONDS, Scene, Turn, fallbacks, grants, plan, within
from hub.chargers.loads.safety import SetPoints, Standing, is_deaf, load
from hub.chargers.loads.shown import show
from hub.chargers.loads.surplus import Swing
from hub.chargers.loads.tree import TENTHS, BadLimits, Now, Tree, read_tree
from hub.chargers.places import Plug, Site, SiteBook
from hub.clock import Clock

STEP_SECONDS = 10.0
PAUSE_SECONDS = 1.0
ASK_WAIT_SECONDS = 8.0
SETTLE_SECONDS = 10
"""A car follows a set-point within so long; readings from before it say nothing of it."""

ASKS_MAX = 100
LEASE_SECONDS = 900
RENEW_SECONDS = 600
CLOCK_MARGIN_SECONDS = 300
"""A station's clock may be slow by so much, and a set-point still counts there at once."""

ROUNDS_MAX = 3
RETRY_SECONDS = 60
DWELLS_FRESH_SECONDS = 900

STACK_LEVEL = 2
"""Above that of partners' profiles: what counts is ours, which has theirs in it."""

STATION_PROFILE = 2_000_000_000
DEFAULT_PROFILE = 2_000_000_001
CHARGE_PROFILE = 1_000_000_000
"""Ids of profiles: what is added is the number of the connector, or of the charge."""

_NOT_DONE = frozenset({Answered.REJECTED, Answered.NOT_SUPPORTED})
"""A station whose connection is lost may have heard what it was asked."""

_log = structlog.get_logger()


class Limits(Protocol):
    """What is kept of limits (`hub.store.chargeloads`)."""

    async def load(self, site: str, at: datetime) -> Now: ...
    async def fallbacks(self, site: str) -> Mapping[str, int]: ...
    async def keep_fallback(self, site: str, evse_uid: str, tenths: int) -> None: ...
    async def dwells_seconds(self, site: str) -> Sequence[float]: ...
    async def show(self, site: str, at: datetime, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPorts:
    """What control reaches. `connected`: every station that was ever connected, and whether it is now."""

    book: Callable[[], SiteBook]
    charges: Callable[[], Awaitable[Sequence[ActiveCharge]]]
    connected: Callable[[], Awaitable[Mapping[str, bool]]]
    stations: Stations
    limits: Limits
    clock: Clock


class LoadControl:
    """A duty of whoever leads. Sites are controlled beside each other: one with a silent station keeps no other one waiting."""

    def __init__(self, ports: LoadPorts, step_seconds: float = STEP_SECONDS) -> None:
        self._ports, self._step_seconds = ports, step_seconds
        self._sites = dict[str, _SiteControl]()
        self._asks = asyncio.Semaphore(ASKS_MAX)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; this process leads."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop at once, and forget what stations were told: another process may tell them something else."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._sites.clear()

    def wake(self) -> None:
        """Something has changed: take the next step now."""
        self._woken.set()

    async def step(self) -> None:
        """One control step of every site with limits. A fault at one of them is logged and costs the others nothing."""
        sites = [site for site in self._ports.book().sites.values() if site.limits is not None]
        self._sites = {site.id: self._sites.get(site.id) or _SiteControl(self._ports, self._ask) for site in sites}
        if not sites:
            return
        charges, connected = await self._ports.charges(), await self._ports.connected()
        await asyncio.gather(*(self._step(site, charges, connected) for site in sites))

    async def _step(self, site: Site, charges: Sequence[ActiveCharge], connected: Mapping[str, bool]) -> None:
        try:
            await self._sites[site.id].step(site, charges, connected)
        except BadLimits as bad:
            _log.warning("limits_not_read", site=site.id, faults=bad.faults)
        except Exception as exc:  # the database is away: the next step tries again
            _log.warning("load_step_failed", site=site.id, error=type(exc).__name__)

    async def _ask(self, station: str, ask: SetLimit) -> Outcome:
        async with self._asks:
            return await self._ports.stations.ask(station, ask, ASK_WAIT_SECONDS)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.step()
            except Exception as exc:  # the database is away: the next step tries again
                _log.warning("load_steps_failed", error=type(exc).__name__)
            await asyncio.sleep(min(PAUSE_SECONDS, self._step_seconds))  # however often it is woken
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._step_seconds)


@dataclass(slots=True)
class _Memory:
    """What is remembered of an EVSE between two steps."""

    standing: Standing = field(default_factory=Standing)
    charge: int | None = None
    since: datetime | None = None
    raised_at: datetime | None = None
    tried_at: datetime | None = None
    installed: int | None = None
    install_tried_at: datetime | None = None

    def turn(self, at: datetime) -> Turn:
        """How long it has had something, or has waited."""
        raised = _seconds(at, self.raised_at) if self.raised_at else RAISE_EVERY_SECONDS
        return Turn(bool(self.standing.confirmed), _seconds(at, self.since or at), raised)


@dataclass(slots=True)
class _SiteControl:
    """The control of one site."""

    ports: LoadPorts
    ask: Callable[[str, SetLimit], Awaitable[Outcome]]
    memories: dict[str, _Memory] = field(default_factory=dict)
    swings: Mapping[str, Swing] = field(default_factory=dict)
    capped: dict[str, int] = field(default_factory=dict)
    dwells: Sequence[float] = ()
    dwells_at: datetime | None = None

    async def step(self, site: Site, charges: Sequence[ActiveCharge], connected: Mapping[str, bool]) -> None:
        """Look, install fall-backs, lower, raise, show."""
        tree = read_tree(site.limits or {}, tuple(site.evses))
        evses = {uid: evse for uid, evse in evses_of(site, tree).items() if evse.station in connected}
        await self._recall(site.id, evses)
        here = _newest(charge for charge in charges if _is_at(charge, evses))
        now = await self.ports.limits.load(site.id, self.ports.clock.now())
        self._look(evses, here, connected, now.at)
        await self._install(site.id, tree, evses, now.at)
        scene = Scene(
            tree=tree,
            now=now,
            evses=evses,
            charges=here,
            standings={},
            turns={uid: self.memories[uid].turn(now.at) for uid in here},
            dwells_seconds=await self._stays(site.id, now.at),
        )
        wishes = await self._settle(scene)
        await self._raise(self._seen(scene), wishes)
        await self._show(site.id, self._seen(scene))

    async def _settle(self, scene: Scene) -> Mapping[str, int]:
        """Lower whoever has too much; where somebody does not do so, the others make room for it in the same step."""
        swings, wishes = self.swings, dict[str, int]()
        for _ in range(ROUNDS_MAX):
            led = self._led(scene)
            planned = plan(self._seen(scene), swings)
            self.swings, wishes = planned.swings, planned.wishes
            await self._lower(self._seen(scene), wishes)
            if led <= self._led(scene):
                break
        return wishes

    def _led(self, scene: Scene) -> set[str]:
        return {uid for uid in scene.charges if self.memories[uid].standing.is_led}

    # --- look ---

    async def _recall(self, site: str, evses: Mapping[str, Evse]) -> None:
        if evses.keys() <= self.memories.keys():
            return
        kept = await self.ports.limits.fallbacks(site)
        for uid in evses.keys() - self.memories.keys():
            self.memories[uid] = _Memory(Standing(fallback=kept.get(uid)))

    def _look(
        self, evses: Mapping[str, Evse], here: Mapping[str, ActiveCharge], connected: Mapping[str, bool], at: datetime
    ) -> None:
        for uid, evse in evses.items():
            memory, charge = self.memories[uid], here.get(uid)
            if (charge.number if charge else None) != memory.charge:
                _begin_anew(memory, charge)
            is_there = connected[evse.station]
            if is_there and not memory.standing.is_there:
                memory.installed = memory.install_tried_at = memory.tried_at = None
                self.capped.pop(evse.station, None)
            memory.standing = replace(
                memory.standing, is_there=is_there, is_lapsed=_age(memory.standing, at) >= LEASE_SECONDS
            )
            if charge is not None:
                _listen(memory, evse, charge)

    def _seen(self, scene: Scene) -> Scene:
        return replace(scene, standings={uid: self.memories[uid].standing for uid in scene.evses})

    async def _stays(self, site: str, at: datetime) -> Sequence[float]:
        if self.dwells_at is None or _seconds(at, self.dwells_at) >= DWELLS_FRESH_SECONDS:
            self.dwells, self.dwells_at = sorted(await self.ports.limits.dwells_seconds(site)), at
        return self.dwells

    # --- fall-backs ---

    async def _install(self, site: str, tree: Tree, evses: Mapping[str, Evse], at: datetime) -> None:
        """Lower first, then raise as far as it fits: the hub may be gone at any moment."""
        wanted = fallbacks(tree, evses)
        installed = self._fallbacks(evses)
        lower = {uid: tenths for uid, tenths in wanted.items() if tenths <= installed.get(uid, -1)}
        await self._install_all(site, evses, lower, at)
        await self._install_all(site, evses, within(tree, evses, self._fallbacks(evses), wanted), at)
        await self._cap(tree, evses)

    def _fallbacks(self, evses: Mapping[str, Evse]) -> dict[str, int]:
        known = {uid: self.memories[uid].standing.fallback for uid in evses}
        return {uid: tenths for uid, tenths in known.items() if tenths is not None}

    async def _install_all(self, site: str, evses: Mapping[str, Evse], wanted: SetPoints, at: datetime) -> None:
        due = [uid for uid in wanted if self._is_install_due(uid, wanted[uid], at)]
        await asyncio.gather(*(self._install_at(site, evses[uid], wanted[uid], at) for uid in due))

    def _is_install_due(self, uid: str, tenths: int, at: datetime) -> bool:
        memory = self.memories[uid]
        if memory.installed == tenths or not memory.standing.is_there:
            return False
        return memory.install_tried_at is None or _seconds(at, memory.install_tried_at) >= RETRY_SECONDS

    async def _install_at(self, site: str, evse: Evse, tenths: int, at: datetime) -> None:
        memory = self.memories[evse.uid]
        memory.install_tried_at = at
        before = memory.standing.fallback
        if before is not None and before < tenths:  # counted so before it may be so
            await self._keep_fallback(site, evse.uid, tenths)
        answers = await asyncio.gather(
            *(self.ask(evse.station, default_limit(evse, plug, tenths)) for plug in evse.plugs)
        )
        if all(answer.is_good for answer in answers):
            memory.installed, memory.install_tried_at = tenths, None
            await self._keep_fallback(site, evse.uid, tenths)

    async def _keep_fallback(self, site: str, uid: str, tenths: int) -> None:
        await self.ports.limits.keep_fallback(site, uid, tenths)
        memory = self.memories[uid]
        memory.standing = replace(memory.standing, fallback=tenths)

    async def _cap(self, tree: Tree, evses: Mapping[str, Evse]) -> None:
        """Stations with more connectors than a limit above them bears get it as theirs."""
        for station, caps in station_caps(tree, evses).items():
            if self.memories[caps.evse.uid].standing.is_there and self.capped.get(station) != caps.tenths:
                answer = await self.ask(station, station_limit(caps.evse, caps.tenths))
                if answer.is_good or answer.answered in {Answered.NOT_SUPPORTED, Answered.REJECTED}:
                    self.capped[station] = caps.tenths

    # --- set-points ---

    async def _lower(self, scene: Scene, wishes: Mapping[str, int]) -> None:
        """Whatever takes nothing from anybody: less, the same once more, and what was never told."""
        due = {uid: wish for uid, wish in wishes.items() if self._is_lower(scene, uid, wish)}
        await self._tell(scene, {uid: wish for uid, wish in due.items() if self._is_due(uid, wish, scene.now.at)})

    async def _raise(self, scene: Scene, wishes: Mapping[str, int]) -> None:
        granted = grants(scene, wishes)
        more = {uid: given for uid, given in granted.items() if given > (self.memories[uid].standing.confirmed or 0)}
        await self._tell(scene, {uid: given for uid, given in more.items() if self._is_due(uid, given, scene.now.at)})

    def _is_lower(self, scene: Scene, uid: str, wish: int) -> bool:
        return wish <= self.memories[uid].standing.counted(scene.evses[uid].most_of(scene.charges[uid]))

    def _is_due(self, uid: str, tenths: int, at: datetime) -> bool:
        memory = self.memories[uid]
        if not memory.standing.is_there:
            return False
        if not memory.standing.is_led:
            return memory.tried_at is None or _seconds(at, memory.tried_at) >= RETRY_SECONDS
        return memory.standing.confirmed != tenths or _age(memory.standing, at) >= RENEW_SECONDS

    async def _tell(self, scene: Scene, setpoints: Mapping[str, int]) -> None:
        await asyncio.gather(*(self._tell_one(scene, uid, tenths) for uid, tenths in setpoints.items()))

    async def _tell_one(self, scene: Scene, uid: str, tenths: int) -> None:
        evse, charge, memory, at = scene.evses[uid], scene.charges[uid], self.memories[uid], scene.now.at
        before = memory.standing
        memory.tried_at = at
        memory.standing = replace(before, unsure=max(before.unsure, tenths))
        ask = charge_limit(evse, charge, tenths, Lease(at, before.fallback or 0))
        memory.standing = _answered(before, tenths, await self.ask(evse.station, ask), at)
        _note_turn(memory, before, at)

    # --- show ---

    async def _show(self, site: str, scene: Scene) -> None:
        points = scene.points()
        await self.ports.limits.show(site, scene.now.at, show(scene, load(scene.tree, points, {})))


# --- what is remembered ---


def _begin_anew(memory: _Memory, charge: ActiveCharge | None) -> None:
    """Another charge: what the one before was told counts no more."""
    memory.charge, memory.since = (charge.number, charge.since) if charge else (None, None)
    memory.raised_at = memory.tried_at = None
    memory.standing = Standing(fallback=memory.standing.fallback, is_there=memory.standing.is_there)


def _listen(memory: _Memory, evse: Evse, charge: ActiveCharge) -> None:
    if charge.power_w is None or charge.read_at is None:
        return
    drawn = evse.tenths(charge.power_w, charge.phases)
    settled = timedelta(seconds=SETTLE_SECONDS)
    memory.standing = replace(memory.standing, is_deaf=is_deaf(memory.standing, drawn, charge.read_at, settled))


def _answered(before: Standing, tenths: int, outcome: Outcome, at: datetime) -> Standing:
    """What an answer changes. One that did not come leaves it open what the station does; who was deaf is so until its meter says else."""
    if outcome.is_good:
        return replace(before, confirmed=tenths, confirmed_at=at, unsure=0, is_lapsed=False, is_refusing=False)
    unsure = before.unsure if outcome.answered in _NOT_DONE else max(before.unsure, tenths)
    return replace(before, is_refusing=True, unsure=unsure)


def _note_turn(memory: _Memory, before: Standing, at: datetime) -> None:
    was, now = before.confirmed or 0, memory.standing.confirmed or 0
    if bool(was) != bool(now):
        memory.since = at
    if now > was:
        memory.raised_at = at


def _age(standing: Standing, at: datetime) -> float:
    return 0 if standing.confirmed_at is None else _seconds(at, standing.confirmed_at)


def _seconds(later: datetime, earlier: datetime) -> float:
    return (later - earlier) / timedelta(seconds=1)


def _is_at(charge: ActiveCharge, evses: Mapping[str, Evse]) -> bool:
    evse = evses.get(charge.evse_uid)
    return evse is not None and evse.station == charge.station


def _newest(charges: Iterable[ActiveCharge]) -> dict[str, ActiveCharge]:
    """One charge an EVSE: a power path serves one car."""
    return {charge.evse_uid: charge for charge in sorted(charges, key=lambda charge: charge.number)}


# --- what stations are told ---


@dataclass(frozen=True, slots=True)
class Lease:
    """From when a set-point holds, and what follows it."""

    at: datetime
    fallback: int


@dataclass(frozen=True, slots=True)
class StationCap:
    """The most that a station may take, and one of its EVSEs."""

    evse: Evse
    tenths: int


def charge_limit(evse: Evse, charge: ActiveCharge, tenths: int, lease: Lease) -> SetLimit:
    """A set-point for a charge, and after LEASE_SECONDS the fall-back."""
    ends = CLOCK_MARGIN_SECONDS + LEASE_SECONDS
    profile = LimitProfile(
        id=CHARGE_PROFILE + charge.number,
        purpose="TRANSACTION",
        stack_level=STACK_LEVEL,
        unit=_unit(evse),
        start_at=lease.at - timedelta(seconds=CLOCK_MARGIN_SECONDS),
        periods=(LimitPeriod(0, _limit(evse, tenths)), LimitPeriod(ends, _limit(evse, lease.fallback))),
    )
    return SetLimit(spot=charge.spot, profile=profile, transaction=charge.transaction)


def default_limit(evse: Evse, plug: Plug, tenths: int) -> SetLimit:
    """The fall-back of a connector, for good."""
    profile = LimitProfile(
        id=DEFAULT_PROFILE + plug.evse * 100 + plug.connector,
        purpose="DEFAULT",
        stack_level=STACK_LEVEL,
        unit=_unit(evse),
        periods=(LimitPeriod(0, _limit(evse, tenths)),),
    )
    return SetLimit(spot=Spot(plug.evse, plug.connector), profile=profile)


def station_limit(evse: Evse, tenths: int) -> SetLimit:
    """The most that a station may ever take."""
    profile = LimitProfile(
        id=STATION_PROFILE,
        purpose="STATION",
        stack_level=STACK_LEVEL,
        unit=_unit(evse),
        periods=(LimitPeriod(0, _limit(evse, tenths)),),
    )
    return SetLimit(spot=WHOLE_STATION, profile=profile)


def station_caps(tree: Tree, evses: Mapping[str, Evse]) -> dict[str, StationCap]:
    """Stations whose EVSEs together could take more than a limit above all of them bears, whatever is told to each."""
    by_station = dict[str, list[Evse]]()
    for evse in evses.values():
        by_station.setdefault(evse.station, []).append(evse)
    found = {station: StationCap(of[0], _borne(tree, of)) for station, of in by_station.items()}
    return {station: cap for station, cap in found.items() if cap.tenths < sum(one.most for one in by_station[station])}


def _borne(tree: Tree, evses: Collection[Evse]) -> int:
    paths = [tree.path(evse.uid) for evse in evses]
    shared = [node for node in paths[0] if all(node in path for path in paths)]
    room, phases = tree.standing_room(), max(evse.phases for evse in evses)
    return max(0, min(room[node.id] // node.weight(phases) for node in shared))


def _unit(evse: Evse) -> str:
    return "W" if evse.is_dc else "A"


def _limit(evse: Evse, tenths: int) -> Decimal:
    return evse.watts(tenths, 3) if evse.is_dc else Decimal(tenths) / TENTHS
