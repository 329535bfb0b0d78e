"""Charge points of others: `station.mjs` on the package `ocpp-rpc`, whose schemas are its own, driven from Python.

`async with node_station(node, endpoint, "S1", protocol="ocpp1.6") as station:` then `await station.do("boot")`; what the hub asks it is
in `station.asked`. Tests with it belong to the group `browser`, as all that need Node.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.npm.harness import HERE, Node

STEP_MAX_SECONDS = 40.0
LINE_MAX_BYTES = 1024 * 1024


class StationError(Exception):
    """The station could not do it: a CALLERROR, a refused handshake, its own validation."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


@dataclass(slots=True)
class NodeStation:
    """A station that runs. `asked`: actions and payloads that the hub asked, in order; `events`: what else it said of itself."""

    process: asyncio.subprocess.Process
    asked: list[tuple[str, Any]] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _number: int = 0
    _waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    async def do(self, what: str, **about: Any) -> Any:
        """A step of the station: connect, boot, status, authorise, tap, meter, end, call, answer, close. Raises StationError."""
        assert self.process.stdin is not None
        self._number += 1
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = waiting
        self.process.stdin.write(json.dumps({"id": self._number, "do": what, **about}).encode() + b"\n")
        async with asyncio.timeout(STEP_MAX_SECONDS):
            return await waiting

    async def until_asked(self, count: int) -> list[tuple[str, Any]]:
        """Wait until the hub has asked so much."""
        async with asyncio.timeout(STEP_MAX_SECONDS):
            while len(self.asked) < count:
                self._news.clear()
                await self._news.wait()
        return self.asked

    async def listen(self) -> None:
        """Take what it says, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self._take(json.loads(line))
        for waiting in self._waiting.values():
            waiting.set_exception(StationError("ended", "the station has ended"))

    def _take(self, said: Mapping[str, Any]) -> None:
        if "asked" in said:
            self.asked.append((said["asked"], said["payload"]))
            self._news.set()
        elif "event" in said:
            self.events.append(said)
        elif "error" in said:
            error = said["error"]
            self._waiting.pop(said["id"]).set_exception(StationError(str(error["code"]), error["why"]))
        else:
            self._waiting.pop(said["id"]).set_result(said["result"])


@asynccontextmanager
async def node_station(
    node: Node,
    endpoint: str,
    identity: str,
    *,
    protocol: str = "ocpp1.6",
    password: str | None = None,
) -> AsyncIterator[NodeStation]:
    """A station that is about to connect to an endpoint (``ws://…/ocpp``)."""
    told = {"endpoint": endpoint, "identity": identity, "protocol": protocol}
    if password is not None:
        told["password"] = password
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        node.executable,
        str(HERE / "station.mjs"),
        str(node.folder),
        json.dumps(told),
        stdin=pipe,
        stdout=pipe,
        limit=LINE_MAX_BYTES,
    )
    station = NodeStation(process)
    listening = asyncio.create_task(station.listen())
    try:
        yield station
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening
