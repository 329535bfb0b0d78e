"""The sockets of stations at this process, and the way to those at others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
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

    async def ask(self, process: str, identity: str, ask: Ask, wait_seconds: float) -> Outcome | None:
        """What a station answers that is connected to another process; None where that process does not have it, or does not answer."""
        ...

    def took(self, identity: str) -> None:
        """Tell the others that a station has a new socket here: theirs is old."""
        ...


class Nowhere:
    """The other processes of a hub that is one."""

    async def ask(self, process: str, identity: str, ask: Ask, wait_seconds: float) -> Outcome | None:
        """Nobody has it."""
        return None

    def took(self, identity: str) -> None:
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
        self._ending: set[asyncio.Task[None]] = set()

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
            self._end(older)

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
        """A station has a newer socket at another process."""
        link = self._links.pop(identity, None)
        if link is not None:
            self._end(link)

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
        process = await self._where(identity)
        outcome = None if process is None else await self._elsewhere.ask(process, identity, ask, wait_seconds)
        return outcome or Outcome(Answered.NOT_CONNECTED, said="the station is not connected")

    def _turn(self, identity: str) -> asyncio.Lock:
        lock = self._turns.get(identity)
        if lock is None:
            lock = self._turns[identity] = asyncio.Lock()
        return lock

    def _end(self, link: Link) -> None:
        task = asyncio.create_task(link.supersede())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
