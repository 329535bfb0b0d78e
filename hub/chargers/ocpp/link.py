"""One station on one socket: reads frames, answers them one after the other, and asks.

Answers of the station are taken at once, while its own messages wait for their turn: whoever answers a message may ask the station
something meanwhile (trap C2). Waits, queues and speeds are bounded; what a station sends never raises out of `start`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast
from uuid import uuid4

import structlog
from ocpp.charge_point import ChargePoint

from hub.chargers.events import (
    Alarm,
    Answered,
    Ask,
    AskSchedule,
    CancelReservation,
    ClearLimit,
    Outcome,
    RemoteStart,
    RemoteStop,
    Reserve,
    SetLimit,
    Spot,
    StationDesk,
    StationState,
    TellStatus,
    Unlock,
)
from hub.chargers.ocpp.frames import (
    Answer,
    Denial,
    Question,
    Report,
    Unreadable,
    Violation,
    Words,
    answer_text,
    check,
    denial_text,
    is_known,
    question_text,
    read_frame,
)
from hub.clock import Clock

MESSAGES_PER_SECOND = 20
MESSAGES_AT_ONCE = 200
BYTES_PER_MESSAGE = 4_096  # longer ones count for as many
AT_ONCE_MAX_CHARACTERS = (
    8_192  # the schemas take 2 ms for 1,000 characters: longer ones are not to hold up other stations
)
WAITING_MAX_MESSAGES = 8
FLOOD_MAX_SECONDS = 10.0
ANSWER_MAX_SECONDS = 60.0
QUESTIONS_MAX_WAITING = 16
GRUMBLES_MAX_LINES = 20
TRIGGERED_SECONDS = 120
END_MAX_SECONDS = 10.0
WITHOUT_BOOT_SECONDS = 5.0
TRIGGER_WAIT_SECONDS = 20.0
GONE_AWAY, FLOOD, NOT_WELCOME, TRY_LATER = 1000, 1008, 1008, 1013

NOT_BEFORE_ACCEPTED = (
    RemoteStart | RemoteStop | Reserve | CancelReservation | Unlock | SetLimit | ClearLimit | AskSchedule
)
"""What no station is asked before it is accepted."""

_log = structlog.get_logger()
_mute = logging.getLogger(f"{__name__}.mute")  # the library's own lines hold whole frames, with what is secret in them
_mute.disabled = True


class Closed(Exception):
    """The socket is gone."""


class Superseded(Exception):
    """A newer socket of the same station is there: what waits for an answer is to be asked again there."""


class NotText(Exception):
    """A binary frame came."""


class Socket(Protocol):
    """A WebSocket, as far as it is needed."""

    async def recv(self) -> str:
        """The next text. Raises Closed, and NotText."""
        ...

    async def send(self, text: str) -> None:
        """Send one. Raises Closed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close it, if it is open."""
        ...


@dataclass(slots=True)
class Bucket:
    """How fast a station may talk. `debt_seconds` is how long to wait before more is read."""

    per_second: float = MESSAGES_PER_SECOND
    at_once: float = MESSAGES_AT_ONCE
    _left: float = MESSAGES_AT_ONCE
    _since: float | None = None

    def take(self, size_bytes: int, now: float) -> float:
        """Take what a message costs; the seconds until that is paid for."""
        passed = 0.0 if self._since is None else max(now - self._since, 0.0)
        self._left = min(self.at_once, self._left + passed * self.per_second)
        self._since = now
        self._left -= max(1.0, size_bytes / BYTES_PER_MESSAGE)
        return max(-self._left / self.per_second, 0.0)


@dataclass(frozen=True, slots=True)
class Ports:
    """What a link is given. `spots`: the connectors of the station, as provisioned."""

    desk: StationDesk
    clock: Clock
    spots: Callable[[], tuple[Spot, ...]] = tuple


@dataclass(slots=True)
class _Waiting:
    """Questions that wait for answers, and those that wait for their turn."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0
    answers: dict[str, asyncio.Future[Words]] = field(default_factory=dict)


class Refused(Exception):
    """A station answers CALLERROR (trap C3)."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.code)
        self.code, self.why = denial.code, denial.why


Call = Callable[[str, Words], Awaitable[Words]]


class Link(ChargePoint):
    """A station on a socket; its subclasses speak a version of OCPP."""

    _ocpp_version: str

    def __init__(self, identity: str, socket: Socket, ports: Ports, state: StationState) -> None:
        super().__init__(identity, socket, logger=_mute)
        self.identity, self.state = identity, state
        self.desk, self.clock = ports.desk, ports.clock
        self.connection = uuid4().hex
        self._spots = ports.spots
        self._socket = socket
        self._bucket = Bucket()
        self._impolite_seconds = 0.0
        self._calls: asyncio.Queue[Question] = asyncio.Queue(WAITING_MAX_MESSAGES)
        self._is_answering = False
        self._waiting = _Waiting()
        self._triggered: dict[str, datetime] = {}
        self._has_booted = False
        self._is_superseded = False
        self._is_over = False
        self._grumbles = 0
        self._steps: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> str:
        """The version of OCPP."""
        return self._ocpp_version

    # --- what a version says for itself ---

    async def perform(self, ask: Ask, call: Call) -> Outcome:
        """Ask the station in the words of its version. Raises Refused, Closed, Superseded."""
        raise NotImplementedError

    # --- its life ---

    async def start(self, opening: Callable[[], Awaitable[None]] | None = None) -> None:
        """Read and answer until the socket is gone, or is closed for what came over it; nothing is answered before `opening` is done."""
        worker = asyncio.create_task(self._answer_all(opening))
        self._spawn(self._miss_boot())
        try:
            await self._read_all()
        except Closed:
            pass
        except NotText:
            await self._socket.close(1003, "text only")
        finally:
            await self._end(worker)

    async def supersede(self) -> None:
        """Make way for a newer socket."""
        self._is_superseded = True
        self._fail_all()
        await self._socket.close(GONE_AWAY, "a newer connection of this station is there")

    async def dismiss(self) -> None:
        """The operator keeps the station out: nothing that it says counts from now on, and nobody waits for it."""
        self.state = StationState.REJECTED
        self._is_superseded = True
        self._fail_all()
        await self._socket.close(NOT_WELCOME, "the operator keeps this station out")

    async def ask(self, ask: Ask, wait_seconds: float) -> Outcome:
        """What the station answers. Raises Superseded where a newer socket came before it had answered."""
        if not self._may_be_asked(ask):
            return Outcome(Answered.NOT_CONNECTED, said=f"the station is not accepted: {self.state.value}")
        if self._waiting.count >= QUESTIONS_MAX_WAITING:
            return Outcome(Answered.FAILED, said=f"{QUESTIONS_MAX_WAITING} questions wait for this station already")
        self._waiting.count += 1
        try:
            async with asyncio.timeout(wait_seconds):
                return await self._ask_in_turn(ask)
        except TimeoutError:
            return Outcome(Answered.TIMEOUT, said=f"no answer within {wait_seconds:.0f} s")
        finally:
            self._waiting.count -= 1

    def trigger(self, action: str) -> None:
        """A message of this action is to come although the station is not accepted yet."""
        self._triggered[action] = self.clock.now() + timedelta(seconds=TRIGGERED_SECONDS)

    async def _tell_progress(self, kind: str, said: Words) -> dict[str, Any]:
        """How something goes that takes a while, for the operators."""
        await self.desk.alarmed(self.identity, Alarm(kind=kind, info=said["status"]))
        return {}

    # --- reading ---

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            text = await self._socket.recv()
            pause_seconds = self._bucket.take(len(text), loop.time())
            is_polite = await self.route_message(text)
            self._impolite_seconds = 0.0 if is_polite else self._impolite_seconds + pause_seconds
            if self._impolite_seconds > FLOOD_MAX_SECONDS:
                _log.warning("station_floods", station=self.identity)
                await self._socket.close(FLOOD, "too many messages")
                return
            if pause_seconds:
                await asyncio.sleep(pause_seconds)

    async def route_message(self, raw_msg: str) -> bool:
        """Take a frame; whether it came as it should: an answer that is waited for, or a question with no other before it."""
        match read_frame(raw_msg, self.version):
            case Question() as question:
                is_polite = self._calls.empty() and not self._is_answering
                await self._calls.put(question)
                return is_polite
            case Answer(id, payload):
                return self._settle(id, lambda waiting: waiting.set_result(payload))
            case Denial(id) as denial:
                return self._settle(id, lambda waiting: waiting.set_exception(Refused(denial)))
            case Report(_, code):
                self._grumble("station_could_not_read_us", code=code[:50])
            case Unreadable(is_answered=True) as unreadable:
                self._grumble("station_says_nothing", why=unreadable.why)
                await self._send(denial_text(unreadable))
        return False

    def _settle(self, id: str, settle: Callable[[asyncio.Future[Words]], None]) -> bool:
        waiting = self._waiting.answers.get(id)
        if waiting is None or waiting.done():
            return False  # too late, or nobody asked
        settle(waiting)
        return True

    # --- answering ---

    async def _answer_all(self, opening: Callable[[], Awaitable[None]] | None) -> None:
        if opening is not None and not await self._opened(opening):
            return
        while not self._is_over:
            question = await self._calls.get()
            self._is_answering = True
            try:
                await self._answer(question)
            except Closed:
                return
            finally:
                self._is_answering = False

    async def _opened(self, opening: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(ANSWER_MAX_SECONDS):
                await opening()
        except Exception as fault:
            _log.error("station_not_taken", station=self.identity, exc_info=fault)
            await self._socket.close(TRY_LATER, "the hub cannot take it now")
            return False
        return True

    async def _answer(self, question: Question) -> None:
        text = await self._handled(question)
        if question.wants_answer:
            await self._send(text)
        if question.action != "BootNotification" and not self._has_booted:
            self._has_booted = True  # a reconnection without booting is usual: what was missed meanwhile is asked for
            self._spawn(self._ask_statuses())

    async def _handled(self, question: Question) -> str:
        try:
            async with asyncio.timeout(ANSWER_MAX_SECONDS):
                return answer_text(question.id, await self._handle_call(question))
        except Violation as violation:
            code, why = violation.code, violation.why
            self._grumble("station_refused", action=question.action[:50], code=code, why=why)
        except Exception as fault:
            code, why = "InternalError", "the hub could not do that"
            _log.error("station_not_answered", station=self.identity, action=question.action, exc_info=fault)
        return denial_text(Denial(question.id, code, why))

    async def _handle_call(self, msg: Question) -> Words:
        """What is answered to a message. Raises Violation (trap C4: in all versions)."""
        handlers = self.route_map.get(msg.action)
        if handlers is None:
            code = "NotSupported" if is_known(msg.action, self.version) else "NotImplemented"
            raise Violation(code, f"{msg.action[:50]} is not for this hub")
        if msg.size > AT_ONCE_MAX_CHARACTERS:
            await asyncio.to_thread(check, msg, self.version)
        else:
            check(msg, self.version)
        self._require_welcome(msg.action)
        return cast(Words, await handlers["_on_action"](msg.payload))

    def _require_welcome(self, action: str) -> None:
        if action == "BootNotification":
            self._has_booted = True
        elif (
            self.state is not StationState.ACCEPTED
            and self._triggered.get(action, self.clock.now()) <= self.clock.now()
        ):
            raise Violation("SecurityError", "the station is not accepted yet")

    # --- asking ---

    def _may_be_asked(self, ask: Ask) -> bool:
        if self.state is StationState.PENDING:
            return not isinstance(ask, NOT_BEFORE_ACCEPTED)
        return self.state is StationState.ACCEPTED

    async def _ask_in_turn(self, ask: Ask) -> Outcome:
        async with self._waiting.turn:
            try:
                return await self.perform(ask, self._call_station)
            except Refused as refused:
                return _refused_outcome(refused)
            except Closed:
                return Outcome(Answered.NOT_CONNECTED, said="the connection was lost before it answered")
            except (Superseded, TimeoutError):
                raise
            except Exception as fault:
                _log.error("station_answers_strangely", station=self.identity, asked=type(ask).__name__, exc_info=fault)
                return Outcome(Answered.FAILED, said="its answer could not be understood")

    async def _call_station(self, action: str, payload: Words) -> Words:
        if self._is_superseded:
            raise Superseded
        id = str(uuid4())
        waiting: asyncio.Future[Words] = asyncio.get_running_loop().create_future()
        self._waiting.answers[id] = waiting
        try:
            await self._send(question_text(id, action, payload))
            return await waiting
        finally:
            del self._waiting.answers[id]

    async def _send(self, message: str) -> None:
        await self._socket.send(message)

    def spots_of(self, spot: Spot | None) -> tuple[Spot | None, ...]:
        """Of which connectors the status is asked for: all that are known, else whichever the station has."""
        return (spot,) if spot is not None else self._spots() or (None,)

    async def _ask_statuses(self) -> None:
        if self.state is StationState.ACCEPTED:
            with contextlib.suppress(Superseded):
                await self.ask(TellStatus(), TRIGGER_WAIT_SECONDS)

    async def _miss_boot(self) -> None:
        await asyncio.sleep(WITHOUT_BOOT_SECONDS)
        if not self._has_booted:
            self._has_booted = True
            await self._ask_statuses()

    def _grumble(self, event: str, **about: str) -> None:
        """Log what a station does wrong, but not for ever."""
        self._grumbles += 1
        if self._grumbles <= GRUMBLES_MAX_LINES:
            _log.info(event, station=self.identity, **about)

    # --- the end ---

    async def _end(self, worker: asyncio.Task[None]) -> None:
        """What is being answered is done to its end, though nobody hears the answer: the station says it again, and that is known."""
        self._is_over = True
        self._fail_all()
        if self._is_answering:
            await asyncio.wait({worker}, timeout=END_MAX_SECONDS)
        tasks = (worker, *self._steps)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fail_all(self) -> None:
        for waiting in self._waiting.answers.values():
            if not waiting.done():
                waiting.set_exception(Superseded() if self._is_superseded else Closed())

    def _spawn(self, step: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(step)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)


def _refused_outcome(refused: Refused) -> Outcome:
    unsupported = refused.code in {"NotImplemented", "NotSupported"}
    said = f"{refused.code}: {refused.why}".removesuffix(": ")[:200]
    return Outcome(Answered.NOT_SUPPORTED if unsupported else Answered.FAILED, said=said)
