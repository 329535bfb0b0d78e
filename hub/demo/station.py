"""A charge point to play with: speaks OCPP 1.6 or 2.0.1, meters what it would deliver, obeys, can be cut off and says later what it missed.

What it does with the cable is here; how it says so is in `station16` and `station201`. Energies in Wh, powers in W, times in UTC.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Protocol
from uuid import uuid4

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from hub.clock import SystemClock

VOLTS = Decimal(230)
PASSWORD_SETTINGS = {"AuthorizationKey", "BasicAuthPassword"}
ANSWER_WAIT_SECONDS = 20.0
ACCEPTED_WAIT_SECONDS = 30.0
RETRY_SECONDS = 0.2
OUTBOX_MAX_MESSAGES = 1_000
STATION, DEFAULT, TRANSACTION = "STATION", "DEFAULT", "TRANSACTION"


class NotHeard(Exception):
    """The hub did not answer: the station is offline, or the hub is gone, or says that it cannot."""


AWAY = (OSError, WebSocketException, TimeoutError, NotHeard)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a station connects (``ws://…/ocpp``; its identity is put behind that), and as whom."""

    url: str
    identity: str
    password: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Its login."""
        if self.password is None:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(f"{self.identity}:{self.password}".encode()).decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A charging profile as a station keeps it. `periods`: seconds from the start and what counts from then on, in `unit` W or A."""

    id: int
    purpose: str
    stack_level: int
    unit: str
    periods: tuple[tuple[int, Decimal], ...]
    start_at: datetime | None = None
    duration_seconds: int | None = None

    def limit(self, at: datetime, began_at: datetime | None) -> Decimal | None:
        """What counts at a moment; None where nothing does. A profile without a start begins with the transaction."""
        start = self.start_at or began_at
        if start is None or at < start:
            return None
        passed = (at - start).total_seconds()
        if self.duration_seconds is not None and passed >= self.duration_seconds:
            return None
        return next((limit for second, limit in reversed(self.periods) if second <= passed), None)


@dataclass(slots=True)
class Transaction:
    """What is being charged. `number` is the hub's (1.6), `id` the station's own (2.x)."""

    id_token: str
    began_at: datetime
    start_wh: Decimal
    id: str = field(default_factory=lambda: str(uuid4()))
    number: int | None = None
    remote_start: int | None = None
    sequence: int = 0
    is_suspended: bool = False

    def next_sequence(self) -> int:
        """A number for the next event."""
        self.sequence += 1
        return self.sequence - 1


@dataclass(slots=True)
class Plug:
    """One connector and its meter, which counts as long as it lives. `profiles` by id."""

    number: int
    max_w: Decimal
    phases: int
    status: str = "Available"
    energy_wh: Decimal = Decimal(1_000)
    transaction: Transaction | None = None
    reservation: tuple[int, str] | None = None
    is_operative: bool = True
    profiles: dict[int, Limits] = field(default_factory=dict)

    def limit_w(self, at: datetime) -> Decimal:
        """The most that it may give: a profile of the transaction goes before the default one, the station's limits both."""
        began_at = self.transaction.began_at if self.transaction else None
        usual = self._limit_w(TRANSACTION, at, began_at)
        if usual is None:
            usual = self._limit_w(DEFAULT, at, began_at)
        most = self._limit_w(STATION, at, began_at)
        return min([self.max_w, *(limit for limit in (usual, most) if limit is not None)])

    def power_w(self, at: datetime) -> Decimal:
        """What it gives: all that it may, while somebody charges."""
        is_charging = self.transaction is not None and not self.transaction.is_suspended
        return self.limit_w(at) if is_charging else Decimal(0)

    def _limit_w(self, purpose: str, at: datetime, began_at: datetime | None) -> Decimal | None:
        levels = sorted(
            (one for one in self.profiles.values() if one.purpose == purpose), key=lambda one: -one.stack_level
        )
        for profile in levels:
            limit = profile.limit(at, began_at)
            if limit is not None:
                return limit if profile.unit == "W" else limit * VOLTS * self.phases
        return None


class Dialect(Protocol):
    """How a version of OCPP says things; what it hands out are payloads of its `call`."""

    subprotocol: str

    async def start(self) -> None:
        """Read until the connection is gone."""
        ...

    async def call(self, payload: Any, suppress: bool = True) -> Any:
        """Ask the hub."""
        ...

    def boot(self) -> Any:
        """BootNotification."""
        ...

    def heartbeat(self) -> Any:
        """Heartbeat."""
        ...

    def status(self, plug: int, status: str, at: datetime) -> Any:
        """StatusNotification."""
        ...

    def authorise(self, id_token: str) -> Any:
        """Authorize."""
        ...

    def began(self, plug: Plug, what: Transaction, at: Moment) -> Any:
        """A transaction began."""
        ...

    def metered(self, plug: Plug, what: Transaction, at: Moment) -> Any:
        """A transaction goes on."""
        ...

    def ended(self, plug: Plug, what: Transaction, at: Moment, reason: str) -> Any:
        """A transaction is over."""
        ...

    def took(self, answer: Any, what: Transaction) -> bool:
        """Keep what an answer tells of a transaction; whether it may go on."""
        ...

    def is_granted(self, answer: Any) -> bool:
        """Whether somebody may charge."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was, and what the meter said then."""

    at: datetime
    energy_wh: Decimal
    power_w: Decimal
    sequence: int
    is_offline: bool


Say = Callable[[Dialect], Awaitable[None]]


class Station:
    """A charge point between `start` and `close`.

    It meters by itself every `meter_seconds`; without, whoever drives it calls `advance` and `tell_meter`. What happens while it is cut off
    (`go_offline`) waits, and is said in order after `go_online`, with its own times.
    """

    def __init__(
        self,
        address: Address,
        speak: Callable[[Station, Any], Dialect],
        *,
        subprotocol: str,
        plugs: int = 1,
        max_w: Decimal = Decimal(11_040),
        phases: int = 3,
        meter_seconds: float | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.address, self.subprotocol = address, subprotocol
        self.plugs = {number: Plug(number, max_w, phases) for number in range(1, plugs + 1)}
        self.configuration: dict[str, str] = {"MeterValueSampleInterval": "60", "HeartbeatInterval": "300"}
        self.now = now or SystemClock().now
        self._speak, self._meter_seconds = speak, meter_seconds
        self._outbox: deque[Say] = deque(maxlen=OUTBOX_MAX_MESSAGES)
        self._has_something = asyncio.Event()
        self._is_wanted = asyncio.Event()
        self._is_wanted.set()
        self._is_ready = asyncio.Event()
        self._has_said_all = asyncio.Event()
        self._is_away = asyncio.Event()
        self._has_booted = False
        self._socket: Any = None
        self._point: Dialect | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- its life ---

    async def start(self) -> None:
        """Connect and boot. Raises TimeoutError when the hub does not accept it in ACCEPTED_WAIT_SECONDS."""
        self._spawn(self._stay_connected())
        if self._meter_seconds is not None:
            self._spawn(self._meter(self._meter_seconds))
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until the hub has accepted it and all that waited was said."""
        async with asyncio.timeout(ACCEPTED_WAIT_SECONDS):
            await self._is_ready.wait()
            await self._has_said_all.wait()

    async def close(self) -> None:
        """Leave."""
        await ended(tuple(self._tasks))

    async def go_offline(self) -> None:
        """Be cut off until `go_online`."""
        self._is_wanted.clear()
        if self._socket is not None:
            await self._socket.close()
        await self._is_away.wait()

    async def go_online(self) -> None:
        """Be there again, without booting; waits until all that was missed is said."""
        self._is_wanted.set()
        await self.until_ready()

    async def reboot(self) -> None:
        """Start again: boots anew."""
        self._has_booted = False
        if self._socket is not None:
            await self._socket.close()

    # --- what a driver does ---

    async def tap(self, plug: int, id_token: str) -> bool:
        """Show a card and charge where that is allowed; offline, everybody may."""
        if self._point is not None:
            answer = await self.say(self._point.authorise(id_token))
            if not self._point.is_granted(answer):
                return False
        await self.begin(plug, id_token)
        return True

    async def begin(self, plug: int, id_token: str, remote_start: int | None = None) -> None:
        """Start to charge. Raises ValueError where somebody else does."""
        place = self.plugs[plug]
        if place.transaction is not None:
            raise ValueError("somebody charges there")
        what = Transaction(id_token, self.now(), place.energy_wh, remote_start=remote_start)
        place.transaction, place.reservation = what, None
        at = self._moment(place, what)
        await self.set_status(plug, "Charging")
        self._later(lambda point: self._tell(point, place, what, point.began(place, what, at)))

    async def unplug(self, plug: int, reason: str = "Local") -> None:
        """End the charge and take the car away."""
        place = self.plugs[plug]
        if (what := place.transaction) is None:
            return
        at = self._moment(place, what)
        place.transaction = None
        place.profiles = {key: one for key, one in place.profiles.items() if one.purpose != TRANSACTION}
        self._later(lambda point: self._tell(point, place, what, point.ended(place, what, at, reason)))
        await self.set_status(plug, "Available")

    def advance(self, seconds: float, at: datetime | None = None) -> None:
        """Let energy flow as long at the power of now."""
        for place in self.plugs.values():
            place.energy_wh += place.power_w(at or self.now()) * Decimal(str(seconds)) / 3600

    async def tell_meter(self, plug: int) -> None:
        """Say what the meter says, where somebody charges."""
        place = self.plugs[plug]
        if (what := place.transaction) is None:
            return
        at = self._moment(place, what)
        self._later(lambda point: self._tell(point, place, what, point.metered(place, what, at)))

    async def set_status(self, plug: int, status: str) -> None:
        """Change how a connector stands (in the words of OCPP 1.6)."""
        place, at = self.plugs[plug], self.now()
        place.status = told = status if place.is_operative else "Unavailable"
        self._later(lambda point: self._ask(point, point.status(plug, told, at)))

    # --- for the dialects ---

    async def say(self, payload: Any) -> Any:
        """Ask the hub something now. Raises NotHeard where that does not work."""
        if (point := self._point) is None:
            raise NotHeard("offline")
        return await self._ask(point, payload)

    def soon(self, step: Awaitable[None]) -> None:
        """Do something beside the answer to a question."""

        async def do() -> None:
            with contextlib.suppress(*AWAY, ValueError):
                await step

        self._spawn(do())

    def plug_of(self, transaction: int | str) -> Plug | None:
        """Where a transaction is."""
        return next(
            (
                place
                for place in self.plugs.values()
                if place.transaction is not None and transaction in {place.transaction.number, place.transaction.id}
            ),
            None,
        )

    def free_plug(self) -> Plug | None:
        """Where somebody could charge."""
        return next((place for place in self.plugs.values() if place.transaction is None), None)

    def obey(self, plug: int, profile: Limits) -> None:
        """Keep a charging profile; 0 means all plugs. The last of a purpose and a level counts."""
        for place in self.plugs.values() if plug == 0 else (self.plugs[plug],):
            same = [
                one.id
                for one in place.profiles.values()
                if (one.purpose, one.stack_level) == (profile.purpose, profile.stack_level)
            ]
            for id in same:
                del place.profiles[id]
            place.profiles[profile.id] = profile

    def forget(self, id: int | None) -> bool:
        """Forget a charging profile, or all; whether there was one."""
        found = False
        for place in self.plugs.values():
            for key in [key for key in place.profiles if id is None or key == id]:
                del place.profiles[key]
                found = True
        return found

    def change(self, key: str, value: str) -> None:
        """Change a setting; a new password counts from the next connection on."""
        if key in PASSWORD_SETTINGS:
            self.address = replace(self.address, password=value)
        else:
            self.configuration[key] = value

    def schedule(self, plug: int, seconds: int) -> list[tuple[int, Decimal]]:
        """What a plug may give from now on, in W: each second at which that changes."""
        place, now = self.plugs[plug or 1], self.now()
        changes: list[tuple[int, Decimal]] = []
        for second in range(seconds):
            limit = place.limit_w(now + timedelta(seconds=second))
            if not changes or changes[-1][1] != limit:
                changes.append((second, limit))
        return changes

    # --- steps ---

    def _moment(self, place: Plug, what: Transaction) -> Moment:
        now = self.now()
        whole_wh = place.energy_wh.to_integral_value(ROUND_FLOOR)
        return Moment(now, whole_wh, place.power_w(now), what.next_sequence(), self._point is None)

    async def _tell(self, point: Dialect, place: Plug, what: Transaction, payload: Any) -> None:
        if not point.took(await self._ask(point, payload), what) and place.transaction is what:
            await self.unplug(place.number, "DeAuthorized")

    async def _ask(self, point: Dialect, payload: Any) -> Any:
        answer = await point.call(payload)
        if answer is None:
            raise NotHeard(type(payload).__name__)
        return answer

    def _later(self, say: Say) -> None:
        self._outbox.append(say)
        self._has_said_all.clear()
        self._has_something.set()

    def _spawn(self, step: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stay_connected(self) -> None:
        while True:
            await self._is_wanted.wait()
            with contextlib.suppress(*AWAY):
                await self._connect()
            self._is_ready.clear()
            self._is_away.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> None:
        url = f"{self.address.url}/{self.address.identity}"
        protocols = [Subprotocol(self.subprotocol)]
        async with connect(url, subprotocols=protocols, additional_headers=self.address.headers) as socket:
            point = self._speak(self, socket)
            tasks = [asyncio.ensure_future(step) for step in (point.start(), self._live(point))]
            self._socket, self._point = socket, point
            self._is_away.clear()
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self._socket = self._point = None
                await ended(tasks)

    async def _live(self, point: Dialect) -> None:
        if not self._has_booted:
            await self._boot(point)
        self._is_ready.set()
        while True:
            while self._outbox:
                await self._outbox[0](point)  # stays first until it was heard: whoever is cut off says it again
                self._outbox.popleft()
            self._has_something.clear()
            self._has_said_all.set()
            try:
                async with asyncio.timeout(float(self.configuration["HeartbeatInterval"])):
                    await self._has_something.wait()
            except TimeoutError:
                await self._ask(point, point.heartbeat())

    async def _boot(self, point: Dialect) -> None:
        answer = await self._ask(point, point.boot())
        while answer.status != "Accepted":
            await asyncio.sleep(answer.interval)
            answer = await self._ask(point, point.boot())
        self.configuration["HeartbeatInterval"] = str(answer.interval)
        for place in self.plugs.values():
            await self._ask(point, point.status(place.number, place.status, self.now()))
        self._has_booted = True

    async def _meter(self, every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            self.advance(every_seconds)
            for number in self.plugs:
                await self.tell_meter(number)


async def ended(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel tasks until they are over: one that gets an answer at the moment it is cancelled would go on."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=RETRY_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
