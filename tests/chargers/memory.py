"""A station without a network: frames go in, frames come out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.chargers.events import Ask, Outcome, Spot, StationState
from hub.chargers.gateway import SUBPROTOCOLS
from hub.chargers.ocpp.link import Closed, Link, Ports
from tests.chargers.desks import NOW, NotingDesk

WAIT_SECONDS = 60.0


class StillClock:
    """Always the same time."""

    def now(self) -> datetime:
        """NOW."""
        return NOW


@dataclass(slots=True)
class MemorySocket:
    """What a station sends is put into `incoming` (None: it is gone); what the hub sends is in `outgoing`."""

    incoming: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    outgoing: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    closed: tuple[int, str] | None = None

    async def recv(self) -> str:
        """The next text."""
        text = await self.incoming.get()
        if text is None:
            raise Closed
        return text

    async def send(self, text: str) -> None:
        """Keep a text."""
        await self.outgoing.put(text)

    async def close(self, code: int, reason: str) -> None:
        """End it."""
        self.closed = (code, reason)
        await self.incoming.put(None)


def made_link(version: str, desk: NotingDesk, spots: tuple[Spot, ...] = ()) -> tuple[Link, MemorySocket]:
    """A station that is accepted."""
    socket = MemorySocket()
    ports = Ports(desk, StillClock(), lambda: spots)
    return SUBPROTOCOLS[f"ocpp{version}"]("S1", socket, ports, StationState.ACCEPTED), socket


def answers(version: str, texts: Iterable[str], desk: NotingDesk | None = None) -> list[Any]:
    """What a station hears that says some texts and then a heartbeat with the id ``last``, whose answer is the last."""
    return asyncio.run(_answers(version, texts, desk or NotingDesk()))


async def _answers(version: str, texts: Iterable[str], desk: NotingDesk) -> list[Any]:
    link, socket = made_link(version, desk)
    link._has_booted = True  # it is not asked for its status meanwhile
    running = asyncio.create_task(link.start())
    for text in (*texts, '[2,"last","Heartbeat",{}]'):
        await socket.incoming.put(text)
    heard: list[Any] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while not heard or heard[-1][:2] != [3, "last"]:
            heard.append(json.loads(await socket.outgoing.get()))
        await socket.incoming.put(None)
        await running
    return heard


def said(version: str, action: str, payload: Any, desk: NotingDesk) -> Any:
    """The answer to one CALL."""
    return answers(version, [json.dumps([2, "1", action, payload])], desk)[0]


def asked(
    version: str, ask: Ask, answer: Callable[[str, Any], Any], spots: tuple[Spot, ...] = ()
) -> tuple[list[tuple[str, Any]], Outcome]:
    """The questions that reach a station that answers each with a payload, and what comes of it."""
    return asyncio.run(_asked(version, ask, answer, spots))


async def _asked(
    version: str, ask: Ask, answer: Callable[[str, Any], Any], spots: tuple[Spot, ...]
) -> tuple[list[tuple[str, Any]], Outcome]:
    link, socket = made_link(version, NotingDesk(), spots)
    link._has_booted = True
    running = asyncio.create_task(link.start())
    asking = asyncio.create_task(link.ask(ask, WAIT_SECONDS))
    questions: list[tuple[str, Any]] = []
    while not asking.done():
        hearing = asyncio.ensure_future(socket.outgoing.get())
        await asyncio.wait({hearing, asking}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done():
            _, id, action, payload = json.loads(hearing.result())
            questions.append((action, payload))
            await socket.incoming.put(json.dumps([3, id, answer(action, payload)]))
        hearing.cancel()
    await socket.incoming.put(None)
    await running
    return questions, asking.result()
