"""Charge points join a running hub over WebSockets: from the inbox to a status that an eMSP sees, with every kind of login (C-T5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from hub.demo.party import DemoPlatform
from ocpi_modules.types import encode_json
from tests.chargers.gateways import RawStation, basic, serving
from tests.chargers.sitehouse import provisions
from tests.chargers.station import Address, station16
from tests.conftest import World, running_hub

SEEN_WAIT_SECONDS = OPEN_WAIT_SECONDS = 60.0
JSON = {"Content-Type": "application/json"}


class _Door:
    """The application of a hub that runs already, on a port that takes WebSockets."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})


@asynccontextmanager
async def open_hub(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[tuple[World, str]]:
    """A hub, and the address of its charge points."""
    async with running_hub(database_url, folder, **settings) as world, serving(_Door(world.app)) as port:
        yield world, f"ws://127.0.0.1:{port}/ocpp"


async def send(world: World, method: str, path: str, content: Any = None) -> Any:
    body = None if content is None else encode_json(content)
    answer = await world.admin.request(method, f"/admin/{path}", content=body, headers=JSON)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


async def refused(url: str, headers: dict[str, str] | None) -> int:
    """The HTTP status with which a station is sent away; 101 where it is not."""
    try:
        async with connect(
            url, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers, open_timeout=OPEN_WAIT_SECONDS
        ):
            return 101
    except InvalidStatus as denied:
        return int(denied.response.status_code)


def seen_by(emsp: DemoPlatform) -> dict[str, str]:
    """The EVSEs of the depot as an eMSP has them."""
    found = next((one for one in emsp.desk.kept["locations"] if one["id"] == "DEPOT"), {})
    return {evse["uid"]: evse["status"] for evse in found.get("evses", ())}


async def test_a_charge_point_goes_from_the_inbox_to_the_eyes_of_an_emsp_and_gets_a_new_secret(
    database_url: str, tmp_path: Path
) -> None:
    async with open_hub(database_url, tmp_path) as (world, url):
        emsp = await world.join("E", ("EMSP", "NL/MS1"))
        await send(world, "POST", "sites/import", provisions(stations=[]))
        async with connect(
            f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")], open_timeout=OPEN_WAIT_SECONDS
        ) as socket:
            answer = (await RawStation(socket).boot())[2]
        assert answer["status"] == "Pending"
        (waiting,) = await send(world, "GET", "stations")
        assert (waiting["identity"], waiting["state"], waiting["vendor"]) == ("CP-1", "Pending", "V")
        secret = (await send(world, "POST", "stations/CP-1"))["secret"]
        assert await refused(f"{url}/CP-1", None) == 401
        assert await refused(f"{url}/CP-1", basic("CP-1", "guessed-a-password")) == 401
        station = station16(Address(url, "CP-1", secret), plugs=3)
        await station.start()
        async with asyncio.timeout(SEEN_WAIT_SECONDS):
            while seen_by(emsp) != {"1": "AVAILABLE", "2": "AVAILABLE"}:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        done = await send(world, "POST", "stations/CP-1/secret")
        assert (done["answered"], done["secret"]) == ("accepted", None)
        assert station.address.password != secret
        assert await refused(f"{url}/CP-1", basic("CP-1", secret)) == 101  # the new one was not used yet
        await station.go_offline()
        await station.go_online()
        await station.until_ready()
        assert await refused(f"{url}/CP-1", basic("CP-1", secret)) == 401
        await send(world, "POST", "stations/CP-1/reject")
        assert await refused(f"{url}/CP-1", basic("CP-1", station.address.password or "")) == 403
        await station.close()


async def test_a_front_says_whose_certificate_it_verified_and_nobody_else_is_believed(
    database_url: str, tmp_path: Path
) -> None:
    """Security profile 3."""
    name = {"X-Client-Certificate-CN": "CP-1"}
    async with open_hub(database_url, tmp_path, charger_front="127.0.0.1") as (world, url):
        await send(world, "POST", "sites/import", {"stations": [{"identity": "CP-1"}, {"identity": "CP-2"}]})
        assert await refused(f"{url}/CP-1", name) == 101
        assert await refused(f"{url}/CP-2", name) == 401
        assert await refused(f"{url}/CP-1", None) == 401
    async with open_hub(database_url, tmp_path) as (_, url):
        assert await refused(f"{url}/CP-1", name) == 401
