"""A small land for the tests of maps: a hub, a CPO that says where one can charge, and somebody who reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from hub.demo.party import DemoPlatform
from ocpi_modules.parties import Party
from tests.conftest import World, loopback_client, running_hub
from tests.settlement.cases import location

CPO, EMSP = Party("DE", "ABC"), Party("NL", "MSP")
SEEN_WAIT_SECONDS = 60.0
LATER = "2027-03-01T12:00:00Z"

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Land:
    """The hub, the CPO, and somebody who reads without a key."""

    world: World
    cpo: DemoPlatform
    reader: httpx.AsyncClient

    async def put(self, content: Content, receiver: Party | None = None) -> None:
        """The CPO pushes a Location: to everybody, or to one."""
        owner = Party.of(content["country_code"], content["party_id"])
        heard = await self.cpo.push("locations", owner, (content["id"],), content, receiver=receiver)
        assert heard.status_code == 1000, heard

    async def says(self, status: str, evse: str = "E1", location_id: str = "LOC1", at: str = LATER) -> None:
        """The CPO says how an EVSE is."""
        change = {"status": status, "last_updated": at}
        heard = await self.cpo.patch("locations", CPO, (location_id, evse), change, receiver=None)
        assert heard.status_code == 1000, heard

    async def be_lenient(self, platform: DemoPlatform | None = None) -> None:
        """The hub keeps what the CPO (or another platform) sends, whatever that is."""
        (number,) = [
            one["id"]
            for one in (await self.world.admin.get("/admin/partners")).json()
            if one["versions_url"] == (platform or self.cpo).versions_url
        ]
        answer = await self.world.admin.put(f"/admin/partners/{number}/quirks", json={"lenient": True})
        assert answer.status_code == 200, answer.text

    async def turn(self) -> None:
        """EVSE E1 of LOC1 becomes occupied, or free again."""
        before = (await self.get("/nav/v1/locations/DE/ABC/LOC1")).json()["properties"]
        is_free = before["evse_list"][0]["status"] == "AVAILABLE"
        await self.says("CHARGING" if is_free else "AVAILABLE", "E1")

    async def until_seen(self, path: str) -> None:
        """Wait until something is there."""

        async def is_so() -> bool:
            return (await self.reader.get(path)).status_code == 200

        await self.until(is_so)

    async def get(self, path: str, status: int = 200, **query: Any) -> httpx.Response:
        """What the reader gets."""
        answer = await self.reader.get(path, params=query or None)
        assert answer.status_code == status, answer.text
        return answer

    async def features(self, **query: Any) -> dict[str, Content]:
        """What is found, by name."""
        found = (await self.get("/nav/v1/locations", **query)).json()["features"]
        return {one["properties"]["ref"]: one for one in found}

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is seen."""
        await until(is_so)

    async def until_found(self, *refs: str, **query: Any) -> None:
        """Wait until exactly these are found."""

        async def is_so() -> bool:
            return set(await self.features(**query)) == set(refs)

        await self.until(is_so)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is seen."""
    ends_at = time.monotonic() + SEEN_WAIT_SECONDS
    while not await is_so():
        assert time.monotonic() < ends_at, "it was never seen"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def open_land(database_url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Land]:
    """A land with one Location, LOC1 in Berlin."""
    async with running_hub(
        database_url, data_dir, **{"pull_settle_seconds": 3600.0, "navigation": True, **settings}
    ) as world:
        cpo = await world.join("Charger", ("CPO", str(CPO)))
        await world.join("Driver", ("EMSP", str(EMSP)))
        async with loopback_client(base_url=world.url) as reader:
            land = Land(world, cpo, reader)
            await land.put(location())
            yield land
