"""A hub that clears for one CPO and two eMSPs over real HTTP, and the desk of its clearing staff."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hub.demo.party import DemoPlatform
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.types import encode_json
from tests.conftest import HUB, World, loopback_client, running_hub
from tests.settlement.cases import (
    CPO,
    EMSP,
    OTHER_EMSP,
    Content,
    cdr,
    dc_cdr,
    dc_tariff,
    location,
    other_token,
    session_of,
    tariff,
    token,
)

LOOKS_MAX = 1200
LOOK_SECONDS = 0.05


@dataclass
class Clearing:
    """The hub, the platforms of its parties, and a client with the admin token."""

    world: World
    cpo: DemoPlatform
    emsp: DemoPlatform
    other: DemoPlatform
    http: httpx.AsyncClient

    async def push(self, module_id: str, content: Content) -> httpx.Response:
        """A CPO's object, or a token, as its owner's platform pushes it to the hub."""
        platforms = {str(CPO): self.cpo, str(EMSP): self.emsp, str(OTHER_EMSP): self.other}
        owner = f"{content['country_code']}/{content['party_id']}"
        return await self._send(platforms[owner], "PUT", f"receiver/{module_id}/{_suffix(module_id, content)}", content)

    async def patch(self, path: str, change: Content) -> None:
        """The CPO changes an object of its own, or a part of it, like ``locations/DE/ABC/LOC1/E1``."""
        answer = await self._send(self.cpo, "PATCH", f"receiver/{path}", change)
        assert answer.json()["status_code"] == 1000, answer.text

    async def bill(self, *contents: Content) -> None:
        """The CPO pushes CDRs, which the hub takes and settles."""
        for content in contents:
            answer = await self.post_cdr(content)
            assert answer.json()["status_code"] == 1000, answer.text
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing waits to be examined."""

        async def is_done() -> bool:
            return bool((await self.get("status"))["waiting"] == 0)

        await until(is_done)

    async def get(self, path: str, **filters: Any) -> Any:
        """What the desk sees."""
        answer = await self.world.admin.get(f"/settlement/{path}", params=filters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def decide(self, scope: str, target: str, action: str, **changes: Any) -> httpx.Response:
        """A decision of Ines."""
        asked = {"scope": scope, "target": target, "action": action, "reason": "PRICE", "actor": "Ines", **changes}
        return await self.world.admin.post("/settlement/decisions", json=asked)

    async def post_cdr(self, content: Content) -> httpx.Response:
        """The CPO pushes a CDR to the hub."""
        return await self._send(self.cpo, "POST", "receiver/cdrs", content)

    async def _send(self, platform: DemoPlatform, method: str, path: str, content: Content) -> httpx.Response:
        assert platform.connection is not None
        parties = ((CPO, self.cpo), (EMSP, self.emsp), (OTHER_EMSP, self.other))
        owner = next(party for party, one in parties if one is platform)
        headers = {
            "Authorization": authorization(platform.connection.token),
            "Content-Type": "application/json",
            **routing_headers(owner, HUB),
        }
        url = f"{self.world.url}/ocpi/2.2.1/{path}"
        return await self.http.request(method, url, headers=headers, content=encode_json(content))


def _suffix(module_id: str, content: Content) -> str:
    key = content["uid"] if module_id == "tokens" else content["id"]
    kind = f"?type={content['type']}" if module_id == "tokens" else ""
    return f"{content['country_code']}/{content['party_id']}/{key}{kind}"


async def until(is_done: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so. Raises AssertionError when it never is."""
    for _ in range(LOOKS_MAX):
        if await is_done():
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError("it never came to be so")


@asynccontextmanager
async def clearing_hub(database_url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Clearing]:
    """The hub, furnished with what the CDRs of the small world refer to."""
    quiet = {"pull_settle_seconds": 3600.0, "settle_seconds": 0.05, **settings}
    async with running_hub(database_url, data_dir, **quiet) as world, loopback_client() as http:
        cpo = await world.join("CPO", ("CPO", str(CPO)))
        emsp = await world.join("MSP", ("EMSP", str(EMSP)))
        other = await world.join("EMO", ("EMSP", str(OTHER_EMSP)))
        made = Clearing(world, cpo, emsp, other, http)
        for module_id, content in FURNITURE:
            answer = await made.push(module_id, content)
            assert answer.json()["status_code"] == 1000, answer.text
        yield made


FURNITURE: tuple[tuple[str, Content], ...] = (
    ("locations", location()),
    ("tariffs", tariff()),
    ("tariffs", dc_tariff()),
    ("tokens", token()),
    ("tokens", other_token()),
    ("sessions", session_of(cdr())),
    ("sessions", session_of(dc_cdr())),
)


def dear(number: int = 1, total: str = "38") -> Content:
    """A claim of the DC EVSE above what its tariff makes (28.00), which is held; each number at another hour."""
    start, end = f"2026-10-12T{number:02}:00:00Z", f"2026-10-12T{number:02}:30:00Z"
    claim = float(total)
    return dc_cdr(
        id=f"CDR-DEAR-{number}",
        session_id=None,
        start_date_time=start,
        end_date_time=end,
        charging_periods__0__start_date_time=start,
        total_cost={"excl_vat": claim, "incl_vat": round(claim * 1.19, 2)},
        total_energy_cost={"excl_vat": claim - 1, "incl_vat": round((claim - 1) * 1.19, 2)},
        last_updated=end,
    )


def text_of(content: Content) -> str:
    """A CDR as its bytes."""
    return encode_json(content).decode()


def read(text: str) -> Any:
    """What a text says."""
    return json.loads(text)
