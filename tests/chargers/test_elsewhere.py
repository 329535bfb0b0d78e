"""Stations whose sockets are at other processes: two processes of a hub on one wire, in memory or over NATS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hub.chargers.elsewhere import PeerStations, pack_ask, unpack_ask
from hub.chargers.events import (
    Answered,
    Ask,
    AskSchedule,
    IdToken,
    LimitPeriod,
    Outcome,
    RemoteStart,
    Schedule,
    Spot,
    StationState,
)
from hub.chargers.ocpp.link import Link
from hub.chargers.sockets import Sockets
from hub.clock import SystemClock
from hub.partners.natsserver import running_server
from hub.partners.peers import Peers, Wire
from hub.partners.presence import PresenceWatch
from hub.partners.roster import Roster
from hub.partners.stream import Stream
from ocpi_modules.parties import Party
from tests.chargers.desks import NOW, NotingDesk
from tests.chargers.memory import MemorySocket, made_link
from tests.chargers.test_ocpp_asks import ASKS

WAIT_SECONDS = 60.0
START = RemoteStart(spot=Spot(0, 1), id_token=IdToken("TAG"), number=1)

Give = Callable[[bytes], Awaitable[bytes]]


@dataclass(slots=True)
class Bus:
    """What carries words between wires in memory."""

    takers: list[tuple[object, str, Callable[[bytes], None]]] = field(default_factory=list)
    givers: dict[str, Give] = field(default_factory=dict)


class MemoryWire:
    """A wire of one process."""

    is_connected = True

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def on_up(self, hook: Callable[[], Awaitable[None]]) -> None:
        """It is always up."""

    def on_down(self, hook: Callable[[], None]) -> None:
        """It is never down."""

    def listen(self, topic: str, take: Callable[[bytes], None]) -> None:
        """Hear the others."""
        self._bus.takers.append((self, topic, take))

    def answer(self, topic: str, give: Callable[[], Awaitable[bytes]]) -> None:
        """Nobody asks everybody here."""

    async def tell(self, topic: str, body: bytes) -> None:
        """Tell the others."""
        for owner, heard, take in self._bus.takers:
            if heard == topic and owner is not self:
                take(body)

    async def ask(self, topic: str, answers_max: int, wait_seconds: float) -> list[bytes]:
        """Nobody asks everybody here."""
        return []

    def answer_one(self, topic: str, give: Give) -> None:
        """Answer a topic."""
        self._bus.givers[topic] = give

    async def ask_one(self, topic: str, body: bytes, wait_seconds: float) -> bytes | None:
        """Ask who answers a topic."""
        give = self._bus.givers.get(topic)
        try:
            async with asyncio.timeout(wait_seconds):
                return None if give is None else await give(body)
        except TimeoutError:
            return None


@dataclass(slots=True)
class Process:
    """A process of a hub: its peers and the sockets that it holds. `holders` is the database: who holds which station."""

    peers: Peers
    sockets: Sockets


def process(name: str, wire: Wire, holders: dict[str, str]) -> Process:
    roster = SimpleNamespace(
        changed_elsewhere=lambda: None, hears_of_changes=lambda hears: None, tell_changes=lambda tell: None
    )
    presence = SimpleNamespace(untold=dict, heard_elsewhere=lambda moments: None)
    peers = Peers(wire, name, cast(Roster, roster), cast(PresenceWatch, presence), SystemClock())
    elsewhere = PeerStations(peers)

    async def where(identity: str) -> str | None:
        return holders.get(identity)

    sockets = Sockets(where, elsewhere)
    elsewhere.answer_for(sockets)
    return Process(peers, sockets)


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(Path(tmp_path_factory.mktemp("nats"))) as url:
        yield url


Two = tuple[Process, Process, dict[str, str]]


@pytest.fixture(params=["memory", "nats"])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[Two]:
    """Two processes, whose names hold what a topic may not."""
    holders: dict[str, str] = {}
    names = ("machine.one-1", "machine one *")
    if request.param == "memory":
        bus = Bus()
        first, second = (process(name, MemoryWire(bus), holders) for name in names)
        yield first, second, holders
        return
    hub = Party("NL", request.node.name[:3])
    streams = [Stream(request.getfixturevalue("nats_url"), hub) for _ in names]
    first, second = (process(name, stream, holders) for name, stream in zip(names, streams, strict=True))
    for stream in streams:
        await stream.start()
        await stream.client.flush()
    yield first, second, holders
    for stream in streams:
        await stream.close()


@asynccontextmanager
async def station(at: Process, holders: dict[str, str]) -> AsyncIterator[tuple[Link, MemorySocket]]:
    """A station at a process."""
    link, socket = made_link("1.6", NotingDesk())
    link._has_booted = True

    async def tell() -> None:
        holders["S1"] = at.peers.name

    at.sockets.join(link)
    await at.sockets.tell_connected(link, tell)
    running = asyncio.create_task(link.start())
    try:
        yield link, socket
    finally:
        await socket.incoming.put(None)
        await running
        at.sockets.leave(link)


async def answer(socket: MemorySocket, payload: Any) -> str:
    """Answer the next question; its action."""
    async with asyncio.timeout(WAIT_SECONDS):
        _, id, action, _ = json.loads(await socket.outgoing.get())
    await socket.incoming.put(json.dumps([3, id, payload]))
    return str(action)


async def test_what_is_told_late_of_an_older_socket_ends_no_newer_one(two: Two) -> None:
    here, there, holders = two
    async with station(here, holders), station(there, holders) as (_, newer):
        there.sockets.taken_elsewhere("S1")
        asking = asyncio.create_task(here.sockets.ask("S1", START, WAIT_SECONDS))
        await answer(newer, {"status": "Accepted"})
        assert (await asking).answered is Answered.ACCEPTED
        assert (there.sockets.is_here("S1"), newer.closed) == (True, None)


@pytest.mark.parametrize("is_here", [pytest.param(True, id="here"), pytest.param(False, id="at another process")])
async def test_a_station_that_is_kept_out_loses_its_socket_and_nobody_waits_for_it(two: Two, *, is_here: bool) -> None:
    here, there, holders = two
    at = here if is_here else there
    async with station(at, holders) as (link, socket):
        asking = asyncio.create_task(here.sockets.ask("S1", START, WAIT_SECONDS))
        await asyncio.wait_for(socket.outgoing.get(), WAIT_SECONDS)
        here.sockets.dismiss("S1")
        assert (await asking).answered is Answered.NOT_CONNECTED
        assert socket.closed == (1008, "the operator keeps this station out")
        assert (at.sockets.is_here("S1"), link.state) == (False, StationState.REJECTED)


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_questions_cross_the_wire_as_they_are(ask: Ask) -> None:
    assert unpack_ask(pack_ask("S1", ask, 1.5)) == ("S1", ask, 1.5)


async def test_a_station_at_another_process_is_asked_there(two: Two) -> None:
    here, there, holders = two
    async with station(there, holders) as (_, socket):
        asking = asyncio.create_task(here.sockets.ask("S1", START, WAIT_SECONDS))
        assert await answer(socket, {"status": "Rejected"}) == "RemoteStartTransaction"
        assert await asking == Outcome(Answered.REJECTED, said="Rejected")
        ask = AskSchedule(spot=Spot(0, 1), duration_seconds=60)
        asking = asyncio.create_task(here.sockets.ask("S1", ask, WAIT_SECONDS))
        periods = [{"startPeriod": 0, "limit": 10.5}]
        told = {"chargingRateUnit": "A", "duration": 60, "chargingSchedulePeriod": periods}
        await answer(socket, {"status": "Accepted", "chargingSchedule": told})
        schedule = Schedule(NOW, 60, "A", (LimitPeriod(0, Decimal("10.5")),))
        assert (await asking).schedule == schedule


async def test_c_t4_a_silent_station_elsewhere_is_a_timeout(two: Two) -> None:
    here, there, holders = two
    async with station(there, holders):
        assert (await here.sockets.ask("S1", START, 0.2)).answered is Answered.TIMEOUT


async def test_a_process_that_is_gone_or_has_it_no_longer_is_not_connected(two: Two) -> None:
    here, there, holders = two
    for name in ("nobody", there.peers.name, here.peers.name):
        holders["S1"] = name
        assert (await here.sockets.ask("S1", START, WAIT_SECONDS)).answered is Answered.NOT_CONNECTED


async def test_a_newer_socket_at_another_process_takes_over_with_what_was_asked(two: Two) -> None:
    here, there, holders = two
    async with station(here, holders) as (_, older):
        asking = asyncio.create_task(here.sockets.ask("S1", START, WAIT_SECONDS))
        async with asyncio.timeout(WAIT_SECONDS):
            await older.outgoing.get()
        async with station(there, holders) as (_, newer):
            assert await answer(newer, {"status": "Accepted"}) == "RemoteStartTransaction"
            assert (await asking).answered is Answered.ACCEPTED
            assert older.closed is not None
            assert there.sockets.is_here("S1")
