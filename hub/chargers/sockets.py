"""The sockets of stations at this process, and the way to those at others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol
from weakref import WeakValueDictionary

import structlog

from hub.chargers.events import Answered, Ask, Outcome
from hub.chargers.ocpp.link import Link, Superseded

WAIT_MAX_SECONDS = 600.0

_log = structlog.get_logger()

Where = Callable[[str], Awaitable[str | None]]
"""Which process of the hub holds the socket of a station, as the database has it; None where nobody does."""


class Elsewhere(Protocol):
    """The other processes of the hub."""

    @property
    def own_name(self) -> str:
        """The name of this one."""
        ...

    async def ask(self, process: str, identity: str, ask: Ask, wait_seconds: float) -> Outcome | None:
        """What a station answers that is connected to another process; None where that process does not have it, or does not answer."""
        ...

    def took(self, identity: str) -> None:
        """Tell the others that a station has a new socket here: theirs is old."""
        ...

    def dismissed(self, identity: str) -> None:
        """Tell the others that the operator keeps a station out: whoever has its socket closes it."""
        ...


class Nowhere:
    """The other processes of a hub that is one."""

    own_name = ""

    async def ask(self, process: str, identity: str, ask: Ask, wait_seconds: float) -> Outcome | None:
        """Nobody has it."""
        return None

    def took(self, identity: str) -> None:
        """Nobody needs to know."""

    def dismissed(self, identity: str) -> None:
        """Nobody needs to know."""


async def nowhere(identity: str) -> str | None:
    """No process holds any socket but this one."""
    return None


class Sockets:
    """Asks stations (`hub.chargers.events.Stations`), wherever their sockets are.

    The newest socket of a station counts. A question that an older one had not answered is asked again at the newer one.
    """

    def __init__(self, where: Where = nowhere, elsewhere: Elsewhere | None = None) -> None:
        self._where = where
        self._elsewhere: Elsewhere = elsewhere or Nowhere()
        self._links: dict[str, Link] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._steps: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many stations are connected to this process."""
        return len(self._links)

    def is_here(self, identity: str) -> bool:
        """Whether a station is connected to this process."""
        return identity in self._links

    def join(self, link: Link) -> None:
        """A station has a new socket here; an older one makes way."""
        older = self._links.get(link.identity)
        self._links[link.identity] = link
        if older is not None:
            self._spawn(older.supersede())

    async def tell_connected(self, link: Link, tell: Callable[[], Awaitable[None]]) -> None:
        """Tell the desk of a socket, in the order in which they came, then the other processes; nothing of one that is old by now."""
        async with self._turn(link.identity):
            if self._links.get(link.identity) is link:
                await tell()
                self._elsewhere.took(link.identity)

    def leave(self, link: Link) -> None:
        """A socket is gone."""
        if self._links.get(link.identity) is link:
            del self._links[link.identity]

    def taken_elsewhere(self, identity: str) -> None:
        """Another process has taken a socket of a station. What is told may be late: the database knows whose is the newest."""
        link = self._links.get(identity)
        if link is not None:
            self._spawn(self._yield(link))

    def dismiss(self, identity: str) -> None:
        """The operator keeps a station out: its socket is closed, at whichever process it is."""
        self.dismiss_here(identity)
        self._elsewhere.dismissed(identity)

    def dismiss_here(self, identity: str) -> None:
        """The same for a socket at this process, if it is here."""
        link = self._links.pop(identity, None)
        if link is not None:
            _log.info("station_dismissed", station=identity)
            self._spawn(link.dismiss())

    async def ask(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome:
        """What a station answers, within a time. Never raises for what a station does or does not do."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + min(wait_seconds, WAIT_MAX_SECONDS)
        while (left := ends_at - loop.time()) > 0:
            link = self._links.get(identity)
            if link is None:
                return await self._ask_elsewhere(identity, ask, left)
            try:
                return await link.ask(ask, left)
            except Superseded:
                _log.info("station_asked_again", station=identity, ask=type(ask).__name__)
        return Outcome(Answered.TIMEOUT, said="no answer in time")

    async def ask_here(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome | None:
        """The same for a station that is connected to this process; None where it is not, or moved away meanwhile."""
        link = self._links.get(identity)
        if link is None:
            return None
        try:
            return await link.ask(ask, wait_seconds)
        except Superseded:
            return await self.ask_here(identity, ask, wait_seconds) if identity in self._links else None

    async def _ask_elsewhere(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome:
        try:
            process = await self._where(identity)
            outcome = None if process is None else await self._elsewhere.ask(process, identity, ask, wait_seconds)
        except Exception as fault:
            _log.error("station_not_asked", station=identity, exc_info=fault)
            return Outcome(Answered.FAILED, said="the hub could not ask it")
        return outcome or Outcome(Answered.NOT_CONNECTED, said="the station is not connected")

    def _turn(self, identity: str) -> asyncio.Lock:
        lock = self._turns.get(identity)
        if lock is None:
            lock = self._turns[identity] = asyncio.Lock()
        return lock

    async def _yield(self, link: Link) -> None:
        try:
            holder = await self._where(link.identity)
        except Exception as fault:
            _log.error("station_not_given_up", station=link.identity, exc_info=fault)
            return
        if holder not in {None, self._elsewhere.own_name} and self._links.get(link.identity) is link:
            del self._links[link.identity]
            await link.supersede()

    def _spawn(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(step)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)
