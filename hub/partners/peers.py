"""The other processes of the hub: what they are told, and what they are asked.

A hub of one process has none (`NoWire`); nothing else in the hub needs to know which is the case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import structlog

from hub.clock import Clock
from hub.partners.presence import PresenceWatch
from hub.partners.roster import Roster
from ocpi_modules.parties import Party

TELL_EVERY_SECONDS = 1.0
GONE_AFTER_SECONDS = 3.0
DUE_PAUSE_SECONDS = 0.05
ANSWERS_WAIT_SECONDS = 0.5
CHANGE_WAIT_SECONDS = 0.5

CHANGED, HEARD, DUE, PULL, LEFT = "changed", "heard", "due", "pull", "left"

_log = structlog.get_logger()


class Wire(Protocol):
    """What carries words between processes; without memory."""

    @property
    def is_connected(self) -> bool:
        """Whether the others can be reached now."""
        ...

    def on_up(self, hook: Callable[[], Awaitable[None]]) -> None:
        """Call this whenever the connection is made."""
        ...

    def on_down(self, hook: Callable[[], None]) -> None:
        """Call this whenever the connection is lost."""
        ...

    def listen(self, topic: str, take: Callable[[bytes], None]) -> None:
        """Hear what other processes tell about a topic."""
        ...

    def answer(self, topic: str, give: Callable[[], Awaitable[bytes]]) -> None:
        """Answer other processes that ask about a topic."""
        ...

    async def tell(self, topic: str, body: bytes) -> None:
        """Tell the other processes, if they can be reached."""
        ...

    async def ask(self, topic: str, answers_max: int, wait_seconds: float) -> list[bytes]:
        """What the other processes answer within a time."""
        ...

    def answer_one(self, topic: str, give: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer a question that is put to this process alone, while others are being answered; the topic is its own."""
        ...

    async def ask_one(self, topic: str, body: bytes, wait_seconds: float) -> bytes | None:
        """What the one who answers a topic says within a time; None where nobody does."""
        ...


class NoWire:
    """The wire of a hub that is one process: there is nobody to talk to."""

    is_connected = False

    def on_up(self, hook: Callable[[], Awaitable[None]]) -> None:
        """Never."""

    def on_down(self, hook: Callable[[], None]) -> None:
        """Never."""

    def listen(self, topic: str, take: Callable[[bytes], None]) -> None:
        """Nothing is told."""

    def answer(self, topic: str, give: Callable[[], Awaitable[bytes]]) -> None:
        """Nobody asks."""

    async def tell(self, topic: str, body: bytes) -> None:
        """Nobody hears it."""

    async def ask(self, topic: str, answers_max: int, wait_seconds: float) -> list[bytes]:
        """Nobody answers."""
        return []

    def answer_one(self, topic: str, give: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Nobody asks."""

    async def ask_one(self, topic: str, body: bytes, wait_seconds: float) -> bytes | None:
        """Nobody answers."""
        return None


class Heard(msgspec.Struct, array_like=True):
    """Who speaks, and which partners it heard when (UTC)."""

    process: str
    moments: dict[int, datetime]


class Peers:
    """Keeps what this process knows in step with the others, between `start` and `close`.

    A change of the partner tables reaches the others at once; whom one hears, all know within TELL_EVERY_SECONDS.
    """

    def __init__(self, wire: Wire, name: str, roster: Roster, presence: PresenceWatch, clock: Clock) -> None:
        self.name = name
        self._wire, self._roster, self._presence, self._clock = wire, roster, presence, clock
        self._known: dict[str, datetime] = {}
        self._payers: set[Party] = set()
        self._task: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        wire.listen(CHANGED, lambda _: roster.changed_elsewhere())
        wire.listen(HEARD, self._take_heard)
        wire.listen(LEFT, self._take_left)
        wire.on_up(self._up)
        wire.on_down(lambda: roster.hears_of_changes(False))
        wire.answer(CHANGED, self._catch_up)
        roster.tell_changes(self._tell_change)

    async def start(self) -> None:
        """Say every TELL_EVERY_SECONDS that this process is there."""
        self._roster.hears_of_changes(self._wire.is_connected or isinstance(self._wire, NoWire))
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Say goodbye."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._wire.tell(LEFT, self.name.encode())
        await asyncio.gather(*self._telling, return_exceptions=True)

    @property
    def others(self) -> int:
        """How many other processes are there."""
        earliest = self._clock.now() - timedelta(seconds=GONE_AFTER_SECONDS)
        self._known = {name: seen for name, seen in self._known.items() if seen >= earliest}
        return len(self._known)

    # --- hints for the process that leads ---

    def hint_due(self, payer: Party) -> None:
        """Something may be due for this payer. Many such hints become one."""
        if not self._wire.is_connected:
            return  # whoever leads looks from time to time
        if not self._payers:
            asyncio.get_running_loop().call_later(DUE_PAUSE_SECONDS, self._say_due)
        self._payers.add(payer)

    def on_due(self, wake: Callable[[Party], None]) -> None:
        """Call this for each hint of another process."""

        def take(body: bytes) -> None:
            for text in msgspec.msgpack.decode(body, type=list[str]):
                wake(Party.parse(text))

        self._wire.listen(DUE, take)

    def hint_pull(self, partner_id: int, module_id: str) -> None:
        """An operator wants a list to be read now."""
        self._say(PULL, msgspec.msgpack.encode((partner_id, module_id)))

    def on_pull(self, pull: Callable[[int, str], None]) -> None:
        """Call this for each wish that came in at another process."""
        self._wire.listen(PULL, lambda body: pull(*msgspec.msgpack.decode(body, type=tuple[int, str])))

    # --- questions to everybody ---

    def answer(self, topic: str, give: Callable[[], Awaitable[bytes]]) -> None:
        """Answer other processes that ask about a topic."""
        self._wire.answer(topic, give)

    async def ask(self, topic: str) -> list[bytes]:
        """What the others answer, in ANSWERS_WAIT_SECONDS at most."""
        return await self._wire.ask(topic, self.others, ANSWERS_WAIT_SECONDS)

    # --- questions to one ---

    def answer_one(self, topic: str, give: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer what another process asks this one about a topic; to be said before the start."""
        self._wire.answer_one(_own_topic(topic, self.name), give)

    async def ask_one(self, process: str, topic: str, body: bytes, wait_seconds: float) -> bytes | None:
        """What a process answers within a time; None where it does not."""
        return await self._wire.ask_one(_own_topic(topic, process), body, wait_seconds)

    def say(self, topic: str, body: bytes) -> None:
        """Tell the others something, without waiting."""
        self._say(topic, body)

    def hear(self, topic: str, take: Callable[[bytes], None]) -> None:
        """Hear what others say about a topic; to be said before the start."""
        self._wire.listen(topic, take)

    # --- steps ---

    async def _run(self) -> None:
        while True:
            moments = self._presence.untold()
            await self._wire.tell(HEARD, msgspec.msgpack.encode(Heard(self.name, moments)))
            await asyncio.sleep(TELL_EVERY_SECONDS)

    async def _tell_change(self) -> None:
        """Returns when the others have seen a change: an answer must not tell of what somebody else still denies."""
        if self.others:
            await self._wire.ask(CHANGED, self.others, CHANGE_WAIT_SECONDS)
        else:
            await self._wire.tell(CHANGED, b"")  # to whoever is not known yet

    async def _catch_up(self) -> bytes:
        await self._roster.catch_up()
        return b""

    async def _up(self) -> None:
        self._roster.hears_of_changes(True)
        self._roster.changed_elsewhere()  # whatever was told meanwhile was missed

    def _take_heard(self, body: bytes) -> None:
        said = msgspec.msgpack.decode(body, type=Heard)
        self._known[said.process] = self._clock.now()
        self._presence.heard_elsewhere(said.moments)

    def _take_left(self, body: bytes) -> None:
        self._known.pop(body.decode(), None)

    def _say_due(self) -> None:
        payers, self._payers = self._payers, set()
        self._say(DUE, msgspec.msgpack.encode([str(payer) for payer in payers]))

    def _say(self, topic: str, body: bytes) -> None:
        task = asyncio.create_task(self._wire.tell(topic, body))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _own_topic(topic: str, process: str) -> str:
    """A name of a process may hold what no topic may."""
    return f"{topic}.{process.encode().hex()}"
