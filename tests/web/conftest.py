"""A hub with the parties of the checklist's bench: two CPOs, two eMSPs, a navigation provider and an OTHER."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.demo.party import DemoPlatform
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.parties import Party
from tests.conftest import HUB, World, loopback_client, patience_seconds, running_hub
from tests.databases import Databases

CP1, CP2, MS1, MS2 = Party("DE", "CP1"), Party("BE", "CP2"), Party("NL", "MS1"), Party("BE", "MS2")
NS1, OT1 = Party("GB", "NS1"), Party("NL", "OT1")


@dataclass
class Bench:
    """The hub, its platforms, and a raw client that sends exactly what a test says."""

    world: World
    p1: DemoPlatform
    p2: DemoPlatform
    p3: DemoPlatform
    p4: DemoPlatform
    p5: DemoPlatform
    http: httpx.AsyncClient

    @property
    def everybody(self) -> tuple[DemoPlatform, ...]:
        return (self.p1, self.p2, self.p3, self.p4, self.p5)

    def forget_what_was_seen(self) -> None:
        for platform in self.everybody:
            platform.seen.clear()

    async def send(
        self,
        platform: DemoPlatform,
        method: str,
        path: str,
        *,
        sender: Party | None = None,
        receiver: Party | None = None,
        content: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A request with the platform's token to a path below `/ocpi/2.2.1/`; `content` is an object, or bytes as they are."""
        assert platform.connection is not None
        body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
        sent = {
            "Authorization": authorization(platform.connection.token),
            "Content-Type": "application/json",
            **routing_headers(sender, receiver),
            **(headers or {}),
        }
        return await self.http.request(method, f"{self.world.url}/ocpi/2.2.1/{path}", headers=sent, content=body)


# what the hub asks new partners of its own accord is for other tests
QUIET = {"pull_settle_seconds": 3600.0}


@pytest.fixture
async def bench(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    timers = {**QUIET, "forward_timeout_seconds": patience_seconds(request)}
    async with running_hub(database_url, tmp_path, **timers) as world, loopback_client() as http:
        yield await join_everybody(world, http)


@pytest.fixture
def standing_bench(_bench_of_the_file: Bench) -> Bench:
    """The bench for tests that leave nothing behind, made once for all of a file; what was seen before is forgotten."""
    _bench_of_the_file.forget_what_was_seen()
    return _bench_of_the_file


@pytest.fixture(scope="module")
async def _bench_of_the_file(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, running_hub(url, folder, **QUIET) as world, loopback_client() as http:
        yield await join_everybody(world, http)


async def join_everybody(world: World, http: httpx.AsyncClient) -> Bench:
    """The parties of the bench, joined; nothing is recorded yet."""
    p1 = await world.join("P1", ("CPO", "DE/CP1"))
    p2 = await world.join("P2", ("CPO", "BE/CP2"), ("EMSP", "BE/MS2"))
    p3 = await world.join("P3", ("EMSP", "NL/MS1"))
    p4 = await world.join("P4", ("NSP", "GB/NS1"))
    p5 = await world.join("P5", ("OTHER", "NL/OT1"))
    made = Bench(world, p1, p2, p3, p4, p5, http)
    made.forget_what_was_seen()
    return made


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


@pytest.fixture
def session(example: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A Session of DE/CP1 for NL/MS1."""
    content = example("session", country_code="DE", party_id="CP1", id="S1")
    content["cdr_token"] = {**content["cdr_token"], "country_code": "NL", "party_id": "MS1"}
    return content


@pytest.fixture
def token(example: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """An RFID token of NL/MS1 called U1."""
    return example("token", country_code="NL", party_id="MS1", uid="U1", type="RFID")


__all__ = ["HUB"]
