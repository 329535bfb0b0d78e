"""A gateway on a port of its own, with a desk that takes notes; and stations that say anything."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from hub.app import HubApplication
from hub.chargers.events import Spot
from hub.chargers.gateway import Gateway, GatewayPorts, charger_router
from hub.chargers.sockets import Sockets
from hub.server import HubServer, server_config
from tests.chargers.desks import NotingDesk

ANSWER_WAIT_SECONDS = 60.0
PROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway that is open. `spots`: the connectors of all stations."""

    url: str
    desk: NotingDesk
    sockets: Sockets
    spots: list[Spot] = field(default_factory=list)


@asynccontextmanager
async def running_gateway(
    desk: NotingDesk | None = None, sockets: Sockets | None = None, front: frozenset[str] = frozenset()
) -> AsyncIterator[Door]:
    """A gateway within the application of a hub, served as a hub is."""
    desk, sockets = desk or NotingDesk(), sockets or Sockets()
    spots: list[Spot] = []
    ports = GatewayPorts(
        desk=desk, sockets=sockets, standing=desk.standing, spots=lambda identity: tuple(spots), front=front
    )
    app = HubApplication(FastAPI())
    app.include_router(charger_router(Gateway(ports)))
    async with serving(app) as port:
        yield Door(f"ws://127.0.0.1:{port}/ocpp", desk, sockets, spots)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """An application on a free port of loopback."""
    server = HubServer(server_config(app), lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server._serve([listening]))
        while not server.started:
            assert not task.done(), "it did not start"
            await asyncio.sleep(0.01)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        await task


def basic(user: str, password: str | bytes) -> dict[str, str]:
    """A login."""
    secret = password.encode() if isinstance(password, str) else password
    return {"Authorization": "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()}


@dataclass(slots=True)
class RawStation:
    """A station that says what it is told to, and notes what comes."""

    socket: ClientConnection
    _number: int = 0

    async def say(self, text: str | bytes) -> None:
        """Any frame."""
        await self.socket.send(text)

    async def hear(self) -> list[Any]:
        """The next message."""
        async with asyncio.timeout(ANSWER_WAIT_SECONDS):
            message: list[Any] = json.loads(await self.socket.recv())
        return message

    async def ask(self, action: str, payload: Any) -> list[Any]:
        """What is answered to a CALL; questions that come meanwhile are not answered."""
        self._number += 1
        id = f"q{self._number}"
        await self.say(json.dumps([2, id, action, payload]))
        while (answer := await self.hear())[1] != id or answer[0] == 2:
            pass
        return answer

    async def hear_question(self) -> tuple[str, str, Any]:
        """The next CALL of the hub: id, action, payload."""
        while (message := await self.hear())[0] != 2:
            pass
        return message[1], message[2], message[3]

    async def answer(self, payload: Any, action: str | None = None) -> tuple[str, Any]:
        """Answer the next question (of an action); which it was."""
        id, asked, content = await self.hear_question()
        while action not in {None, asked}:
            id, asked, content = await self.hear_question()
        await self.say(json.dumps([3, id, payload]))
        return asked, content

    async def boot(self, version: str = "1.6") -> list[Any]:
        """BootNotification."""
        if version == "1.6":
            return await self.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        station = {"vendorName": "V", "model": "M"}
        return await self.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})

    async def until_closed(self) -> tuple[int | None, str | None]:
        """Wait until the hub closes the socket: the code and the reason."""
        async with asyncio.timeout(ANSWER_WAIT_SECONDS):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def raw_station(
    door: Door, identity: str = "S1", version: str = "1.6", headers: dict[str, str] | None = None
) -> AsyncIterator[RawStation]:
    """A station on a raw WebSocket."""
    protocols = [Subprotocol(PROTOCOLS[version])]
    async with connect(
        f"{door.url}/{identity}",
        subprotocols=protocols,
        additional_headers=headers,
        open_timeout=ANSWER_WAIT_SECONDS,
    ) as socket:
        yield RawStation(socket)
