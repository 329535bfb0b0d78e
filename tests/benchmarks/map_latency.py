"""How long it takes until everybody can see a status: from the answer to a PATCH to the answer that shows it, in each public form.

A CPO sends status changes at a fixed rate through OCPI, to a hub as an operator starts it. Besides, it changes one of a few Locations that
nobody else touches, and asks every form for that one, again and again, until it shows the change.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from math import asinh, pi, radians, tan
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import msgspec
from httpx_sse import aconnect_sse

from hub.demo.party import DemoPlatform, role
from hub.demo.server import free_port
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime
from tests.benchmarks.figures import Detail, Report, Round, Row, number, percentile, table
from tests.benchmarks.machine import on_all_cores
from tests.benchmarks.processes import ADMIN_TOKEN, hub_running
from tests.benchmarks.stage import Options, require, say
from tests.settlement.cases import location

CHANGES_PER_SECOND = 200
LOAD_SECONDS = 20.0
LOCATIONS = 500
PROBES = 4
SENDERS = 16
LOOK_SECONDS = 0.1
PAUSE_SECONDS = 0.7
SEEN_WAIT_SECONDS = 60.0
"""The most that the law allows (Regulation (EU) 2023/1804, article 20)."""
GOAL_SECONDS = 2.0
TILE_ZOOM = 14
CPO = Party("DE", "ABC")
COLUMNS = ("until it is seen in", "changes", "p50 ms", "p95 ms", "max ms")

See = Callable[[], Awaitable[bool]]
"""Whether a change can be seen now."""


@dataclass(frozen=True, slots=True)
class Target:
    """The hub that is measured: its address, the token of its operator, and the CPU seconds that it used so far."""

    url: str
    admin_token: str
    cpu_seconds: Callable[[], float]


@dataclass(slots=True)
class Scene:
    """The CPO, somebody who reads, what the stream told last of each Location, and how long each change took in each form."""

    cpo: DemoPlatform
    reader: httpx.AsyncClient
    told: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    lasted_seconds: float = LOAD_SECONDS
    _moments: Any = field(default_factory=lambda: count(int(datetime.now(UTC).timestamp())))

    async def say(self, location_id: str, status: str) -> float:
        """The CPO says how EVSE E1 is; returns when that was accepted."""
        moment = format_datetime(datetime.fromtimestamp(next(self._moments), UTC))
        change, began = {"status": status, "last_updated": moment}, perf_counter()
        heard = await self.cpo.patch("locations", CPO, (location_id, "E1"), change, receiver=None)
        require(heard.status_code == 1000, lambda: f"a change was not taken: {heard}")
        now = perf_counter()
        self.took.append(now - began)
        return now

    @property
    def changes(self) -> Round:
        """The PATCHes, with all that the hub did meanwhile."""
        return Round(len(self.took), self.lasted_seconds, self.cpu_seconds, self.took)


def map_latency(options: Options) -> Report:
    """The forms under the load that is asked for."""
    with tempfile.TemporaryDirectory(prefix="ocpi-hub-bench-") as folder, on_all_cores(options.cores):
        env = {"HUB_MAP_ANONYMOUS_PER_SECOND": "10000", "HUB_PULL_SETTLE_SECONDS": "3600"}
        with hub_running(Path(folder), free_port(), options.cores, **env) as hub:
            target = Target(hub.url, ADMIN_TOKEN, hub.cpu_seconds)
            scene = asyncio.run(measured(target, LOAD_SECONDS, CHANGES_PER_SECOND))
    say(table(COLUMNS, (cells(form, found) for form, found in scene.seconds.items())))
    return report_of(scene.seconds, scene.changes)


async def measured(hub: Target, seconds: float, per_second: int) -> Scene:
    """What came of so many changes a second for a while."""
    async with scene_at(hub) as scene, asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(_listen(scene))
        began, cpu_before = perf_counter(), hub.cpu_seconds()
        ends_at, ticks = began + seconds, count()
        senders = [tasks.create_task(_send(scene, ticks, per_second, ends_at)) for _ in range(SENDERS)]
        await asyncio.gather(*(_probe(scene, lane, ends_at) for lane in range(PROBES)))
        await asyncio.gather(*senders)
        scene.lasted_seconds, scene.cpu_seconds = perf_counter() - began, hub.cpu_seconds() - cpu_before
        listening.cancel()
    return scene


@asynccontextmanager
async def scene_at(hub: Target) -> AsyncIterator[Scene]:
    """A CPO that joined and put its Locations."""
    async with AsyncExitStack() as stack:
        roles = [role("CPO", str(CPO))]
        cpo = await stack.enter_async_context(DemoPlatform("Charger", roles).running())
        admin = {"Authorization": f"Bearer {hub.admin_token}"}
        reader = await stack.enter_async_context(httpx.AsyncClient(base_url=hub.url, timeout=SEEN_WAIT_SECONDS))
        wanted = [{name: roles[0][name] for name in ("role", "country_code", "party_id")}]
        invited = await reader.post("/admin/invitations", json={"roles": wanted}, headers=admin)
        await cpo.join(invited.json()["token"], f"{hub.url}/ocpi/versions")
        scene = Scene(cpo, reader)
        for name in (*map(busy, range(LOCATIONS)), *map(probe, range(PROBES))):
            await _put(scene, name)
        await _until(lambda: _is_complete(reader), perf_counter())
        yield scene


def busy(number_: int) -> str:
    """One of those that change all the time."""
    return f"BUSY{number_}"


def probe(number_: int) -> str:
    """One of those that are looked at."""
    return f"PROBE{number_}"


def place_of(location_id: str) -> tuple[float, float]:
    """Latitude and longitude: those that are looked at are far from each other and from all others."""
    which = int(location_id.lstrip("BUSYPROE"))
    return (45.0 + which, 20.0) if location_id.startswith("PROBE") else (50.0 + which % 25 / 50, 8.0 + which // 25 / 50)


async def _put(scene: Scene, location_id: str) -> None:
    latitude, longitude = place_of(location_id)
    content = location(id=location_id, coordinates={"latitude": f"{latitude:.6f}", "longitude": f"{longitude:.6f}"})
    heard = await scene.cpo.push("locations", CPO, (location_id,), content, receiver=None)
    require(heard.status_code == 1000, lambda: f"a Location was not taken: {heard}")


async def _is_complete(reader: httpx.AsyncClient) -> bool:
    answer = await reader.get("/open/ocpi/2.2.1/locations?limit=1")
    return bool(answer.headers.get("X-Total-Count") == str(LOCATIONS + PROBES))


async def _send(scene: Scene, ticks: Any, per_second: int, ends_at: float) -> None:
    """One of those that send: each takes the next turn, and waits for its time."""
    began = perf_counter()
    for tick in ticks:
        await asyncio.sleep(max(0.0, began + tick / per_second - perf_counter()))
        if perf_counter() > ends_at:
            return
        await scene.say(busy(tick % LOCATIONS), ("CHARGING", "AVAILABLE")[tick // LOCATIONS % 2])


async def _listen(scene: Scene) -> None:
    async with aconnect_sse(scene.reader, "GET", "/nav/v1/stream") as source:
        async for event in source.aiter_sse():
            if event.event == "status":
                said = msgspec.json.decode(event.data)
                for one in said.get("evses", ()):
                    if one["uid"] == "E1":
                        scene.told[said["location"]] = one["status"]


async def _probe(scene: Scene, lane: int, ends_at: float) -> None:
    """Change one again and again, and see how long each form takes."""
    name = probe(lane)
    for turn in count():
        await asyncio.sleep(
            PAUSE_SECONDS * (1 + lane / PROBES)
        )  # not in step with anything that the hub does at intervals
        if perf_counter() > ends_at:
            return
        status = ("CHARGING", "AVAILABLE")[turn % 2]
        before = await _tile(scene, name)
        accepted_at = await scene.say(name, status)
        forms = forms_of(scene, name, status, before)
        took = await asyncio.gather(*(_until(see, accepted_at) for see in forms.values()))
        for form, seconds in zip(forms, took, strict=True):
            scene.seconds.setdefault(form, []).append(seconds)


def forms_of(scene: Scene, name: str, status: str, tile: bytes) -> Mapping[str, See]:
    """Each public form, and how a change is seen in it."""
    latitude, longitude = place_of(name)
    box = f"{longitude - 0.01},{latitude - 0.01},{longitude + 0.01},{latitude + 0.01}"

    async def in_get() -> bool:
        answer = await scene.reader.get(f"/nav/v1/locations?bbox={box}")
        available: int = answer.json()["features"][0]["properties"]["evses"]["available"]
        return available == 1 + (status == "AVAILABLE")

    async def in_stream() -> bool:
        return scene.told.get(f"{CPO}/{name}") == status

    async def in_tile() -> bool:
        return await _tile(scene, name) != tile

    async def in_datex() -> bool:
        answer = await scene.reader.get(f"/open/datex2/v3.7/status?bbox={box}")
        return (b">charging<" in answer.content) == (status == "CHARGING")

    async def in_ocpi() -> bool:
        answer = await scene.reader.get(f"/open/ocpi/2.2.1/locations/{CPO}/{name}")
        return bool(answer.json()["data"]["evses"][0]["status"] == status)

    return {"GET": in_get, "stream": in_stream, "tile": in_tile, "DATEX II status": in_datex, "open OCPI": in_ocpi}


async def _tile(scene: Scene, name: str) -> bytes:
    latitude, longitude = place_of(name)
    size = 1 << TILE_ZOOM
    x, y = int((longitude + 180) / 360 * size), int((1 - asinh(tan(radians(latitude))) / pi) / 2 * size)
    return (await scene.reader.get(f"/nav/v1/tiles/{TILE_ZOOM}/{x}/{y}.mvt")).content


async def _until(see: See, since: float) -> float:
    while not await see():
        require(perf_counter() - since < SEEN_WAIT_SECONDS, lambda: "a change was not seen in time")
        await asyncio.sleep(LOOK_SECONDS)
    return max(0.0, perf_counter() - since)


# --- what is said -----------------------------------------------------------------------------


def cells(form: str, seconds: Sequence[float]) -> list[str]:
    """As a row of the table of forms."""
    shown = (percentile(seconds, 0.5), percentile(seconds, 0.95), max(seconds))
    return [form, str(len(seconds)), *(number(1000 * one) for one in shown)]


def report_of(found: Mapping[str, Sequence[float]], changes: Round) -> Report:
    """The slowest form beside what was asked for, and each."""
    slowest = max(found, key=lambda form: percentile(found[form], 0.95))
    row = Row(
        work=f"a status until everybody can see it, at {number(changes.rate)} changes a second",
        naive="–",
        floor=f"p95 {GOAL_SECONDS:g} s",
        goal="p95 1 s",
        measured=f"p95 {number(1000 * percentile(found[slowest], 0.95))} ms in the slowest form, {slowest}; "
        f"{number(1000 * max(map(max, found.values())))} ms at most",
        times_limit="–",
    )
    seen = (
        Detail.of(f"seen in {form}", [Round(len(seconds), sum(seconds), 0.0, tuple(seconds))])
        for form, seconds in found.items()
    )
    details = (Detail.of("the hub, PATCHes and what was asked besides", [changes]), *seen)
    remarks = (f"Each form was asked again {LOOK_SECONDS * 1000:g} ms after it did not show the change.",)
    return Report("map-latency", (row,), details, remarks)
