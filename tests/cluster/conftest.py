"""Several processes of one hub: as many applications on one database and one NATS, each on a port of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from hub.demo.party import DemoPlatform
from hub.demo.server import free_port
from hub.partners import peers, streamlanes
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.parties import Party
from tests.conftest import ADMIN_TOKEN, World, loopback_client, running_hub

CP1, MS1, MS2 = Party("DE", "CP1"), Party("NL", "MS1"), Party("BE", "MS2")
HUBS = 3
WAIT_MAX_SECONDS = 40.0
PATIENT_SECONDS = 20.0


@dataclass
class Cluster:
    """Three processes of a hub, the first of which leads, and a raw client."""

    hubs: list[World]
    http: httpx.AsyncClient

    async def send(
        self,
        at: int,
        platform: DemoPlatform,
        method: str,
        path: str,
        *,
        sender: Party | None = None,
        receiver: Party | None = None,
        content: Any = None,
        token: str = "",
    ) -> httpx.Response:
        """A request of a platform to one of the processes, at a path below `/ocpi/2.2.1/`."""
        assert platform.connection is not None
        headers = {
            "Authorization": authorization(token or platform.connection.token),
            "Content-Type": "application/json",
            **routing_headers(sender, receiver),
        }
        url = f"{self.hubs[at].url}/ocpi/2.2.1/{path}"
        body = None if content is None else json.dumps(content).encode()
        return await self.http.request(method, url, headers=headers, content=body)

    async def admin(self, at: int, method: str, path: str, **more: Any) -> httpx.Response:
        """A request of the operator to one of the processes."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        return await self.http.request(method, f"{self.hubs[at].url}{path}", headers=headers, **more)

    async def statuses(self, at: int) -> dict[str, str]:
        """The status of each party as one of the processes sees it."""
        page = (await self.http.get(self.hubs[at].url)).text
        found = {}
        for line in page.splitlines():
            if line.startswith("<tr><td>") and 'class="' in line:
                found[line.removeprefix("<tr><td>").partition("<")[0]] = line.partition('class="')[2].partition('"')[0]
        return found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """NATS and the other processes may take long to answer: the machine may be busy."""
    monkeypatch.setattr(peers, "CHANGE_WAIT_SECONDS", PATIENT_SECONDS)
    monkeypatch.setattr(streamlanes, "PUBLISH_WAIT_SECONDS", PATIENT_SECONDS)
    monkeypatch.setattr(streamlanes, "OLDEST_WAIT_SECONDS", PATIENT_SECONDS)


@pytest.fixture
async def cluster(database_url: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(database_url, nats_url, tmp_path) as made:
        yield made


class running_cluster:
    """Entering gives the Cluster; leaving stops its processes."""

    def __init__(self, database_url: str, nats_url: str, folder: Path, **settings: Any) -> None:
        self._database_url, self._nats_url, self._folder = database_url, nats_url, folder
        self._settings = {"pull_settle_seconds": 3600.0, **settings}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Cluster:
        nats_url = SecretStr(self._nats_url)
        hubs = []
        for number in range(HUBS):
            named = {"nats_url": nats_url, "process_name": f"hub-{number}", **self._settings}
            hub = running_hub(self._database_url, self._folder, **named)
            hubs.append(await self._stack.enter_async_context(hub))
        return Cluster(hubs, await self._stack.enter_async_context(loopback_client()))

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


async def until(holds: Callable[[], Any], wait_seconds: float = WAIT_MAX_SECONDS) -> None:
    """Wait until something holds; it may be asked of a coroutine."""
    async with asyncio.timeout(wait_seconds):
        while True:
            answer = holds()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
def unused_tcp_port() -> int:
    """A port on loopback that nobody listens on."""
    return free_port()


@pytest.fixture
def location(example: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A Location of DE/CP1 called L1."""
    return example("location", country_code="DE", party_id="CP1", id="L1")


@pytest.fixture
def cdr(example: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A CDR of DE/CP1 for NL/MS1."""
    content = example("cdr", country_code="DE", party_id="CP1", id="CDR1")
    content["cdr_token"] = {**content["cdr_token"], "country_code": "NL", "party_id": "MS1"}
    return content
