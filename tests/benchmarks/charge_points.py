"""Charge points for a benchmark: `python -m tests.benchmarks.charge_points FILE`; half of them speak OCPP 1.6, half 2.0.1.

FILE is a Fleet in JSON. A line on standard input is an order, and each is answered by a line of JSON when it is carried out (see `Done`):

    boot             connect all of them and boot
    charge SECONDS   cars come and go at all of them for so long; then all leave, and everything is said

It ends when standard input closes. Seconds of answers are those at the WebSocket: from the message to its CALLRESULT or CALLERROR.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from hub.demo import station16, station201
from hub.demo.station import Address, Dialect, Station
from tests.benchmarks.load import fastest_loop

CALL, ANSWERS = 2, (3, 4)
CALL_ERROR = 4
CONNECTING_MAX_AT_ONCE = 32
TRIES_MAX = 20
PLUG = 1

Times = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Which stations there are, and how their drivers behave: seconds between two readings, readings of a charge and seconds between two
    charges, from the least to the most."""

    url: str
    identities: list[str]
    secret: str
    meter_seconds: float = 5.0
    readings: tuple[int, int] = (2, 4)
    pause_seconds: tuple[float, float] = (1.0, 15.0)

    def write(self, path: Path) -> None:
        """Keep it for the process that is it."""
        path.write_text(json.dumps(asdict(self)))


@dataclass(slots=True)
class Done:
    """What an order came to: its seconds, seconds of each answer by action, CALLERRORs, drivers who were not let in, and the charges:
    identity and Wh of each. `own_cpu_seconds` are those of the charge points."""

    seconds: float = 0.0
    answers: Times = field(default_factory=dict)
    errors: int = 0
    refused: int = 0
    charges: list[tuple[str, int]] = field(default_factory=list)
    own_cpu_seconds: float = 0.0


class TimedSocket:
    """A WebSocket that notes how long answers take."""

    def __init__(self, socket: Any, done: Callable[[], Done]) -> None:
        self._socket, self._done = socket, done
        self._asked: dict[str, tuple[str, float]] = {}

    async def send(self, text: str) -> None:
        """Send, and remember when a question was."""
        kind, id_, *rest = json.loads(text)
        if kind == CALL:
            self._asked[id_] = rest[0], time.perf_counter()
        await self._socket.send(text)

    async def recv(self) -> Any:
        """The next message."""
        text = await self._socket.recv()
        now = time.perf_counter()
        kind, id_, *_ = json.loads(text)
        if kind in ANSWERS and id_ in self._asked:
            action, asked_at = self._asked.pop(id_)
            self._done().answers.setdefault(action, []).append(now - asked_at)
            self._done().errors += kind == CALL_ERROR
        return text


class Crew:
    """All stations of a fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._done = Done()
        self.stations = [self._station(number, identity) for number, identity in enumerate(fleet.identities)]

    async def obey(self, order: str) -> Done:
        """Carry out an order. Raises ValueError for one that is none."""
        word, *rest = order.split()
        if word not in {"boot", "charge"}:
            raise ValueError(word)
        self._done = Done()
        began, own_began = time.perf_counter(), time.process_time()
        await (self._boot() if word == "boot" else self._charge(float(rest[0])))
        self._done.seconds, self._done.own_cpu_seconds = time.perf_counter() - began, time.process_time() - own_began
        return self._done

    async def close(self) -> None:
        """All leave."""
        await asyncio.gather(*(station.close() for station in self.stations))

    def _station(self, number: int, identity: str) -> Station:
        version = (station16, station201)[number % 2]
        address = Address(self._fleet.url, identity, self._fleet.secret)

        def speak(station: Station, socket: Any) -> Dialect:
            point: Dialect = version.Point(station, TimedSocket(socket, lambda: self._done))
            return point

        return Station(address, speak, subprotocol=version.SUBPROTOCOL)

    async def _boot(self) -> None:
        room = asyncio.Semaphore(CONNECTING_MAX_AT_ONCE)

        async def boot(station: Station) -> None:
            async with room:
                await patiently(station.start, station.until_ready)

        await gathered(boot(station) for station in self.stations)

    async def _charge(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        await gathered(self._drivers(number, station, until) for number, station in enumerate(self.stations))

    async def _drivers(self, number: int, station: Station, until: float) -> None:
        """One car after the other at a station."""
        chance = random.Random(number)
        while True:
            await asyncio.sleep(chance.uniform(*self._fleet.pause_seconds))
            if time.perf_counter() >= until:
                break
            await self._one(station, chance.randint(*self._fleet.readings))
        await patiently(station.until_ready)

    async def _one(self, station: Station, readings: int) -> None:
        plug, began_wh = station.plugs[PLUG], whole(station.plugs[PLUG].energy_wh)
        if not await station.tap(PLUG, token_uid(station.address.identity)):
            self._done.refused += 1
            return
        what = plug.transaction
        for _ in range(readings):
            await asyncio.sleep(self._fleet.meter_seconds)
            station.advance(self._fleet.meter_seconds)
            await station.tell_meter(PLUG)
        self._done.refused += plug.transaction is not what  # the hub has ended it
        await station.unplug(PLUG)
        self._done.charges.append((station.address.identity, whole(plug.energy_wh) - began_wh))


def token_uid(identity: str) -> str:
    """The card that the drivers at a station have."""
    return f"CARD{identity[-4:]}"


def whole(energy_wh: Decimal) -> int:
    """Wh as a station says them."""
    return int(energy_wh.to_integral_value(ROUND_FLOOR))


async def patiently(*waits: Callable[[], Awaitable[None]]) -> None:
    """Wait with the first, and again with the last while that gives up. Raises TimeoutError after TRIES_MAX."""
    for number in range(TRIES_MAX):
        try:
            return await waits[min(number, len(waits) - 1)]()
        except TimeoutError:
            continue
    raise TimeoutError("the hub does not take what charge points say")


async def gathered(steps: Iterable[Awaitable[None]]) -> None:
    """All of them; the first that fails ends the process."""
    await asyncio.gather(*steps)


async def serve(fleet: Fleet) -> None:
    """Obey until standard input closes."""
    crew = Crew(fleet)
    try:
        while order := await asyncio.to_thread(sys.stdin.readline):
            done = await crew.obey(order)
            sys.stdout.write(json.dumps(asdict(done)) + "\n")
            sys.stdout.flush()
    finally:
        await crew.close()


def main() -> None:
    """Read the fleet and be it."""
    fleet = Fleet(**json.loads(Path(sys.argv[1]).read_text()))
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(serve(fleet))


if __name__ == "__main__":
    main()
