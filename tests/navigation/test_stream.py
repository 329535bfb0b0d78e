"""The stream of changes, read by a client that knows server-sent events (N-T2, N9)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse
from starlette.types import Message

from hub.demo.party import DemoPlatform, role
from hub.demo.server import free_port
from hub.navigation import streams
from hub.navigation.follower import Follower, Memory
from hub.navigation.streams import Broadcast
from hub.store.direct import Direct
from hub.store.publicplaces import PublicPlaces
from ocpi_modules.errors import OcpiError
from ocpi_modules.types import format_datetime
from tests.conftest import World, loopback_client, running_hub
from tests.databases import Databases
from tests.navigation.land import CPO, Land, open_land, until
from tests.settlement.cases import location

STREAM = "/nav/v1/stream"
WAIT_SECONDS = 60.0
SOME_CHANGES, PAUSE_SECONDS = 3, 0.05
STATUSES = ("CHARGING", "AVAILABLE", "OUTOFORDER")


class Ear:
    """Somebody who listens: what came so far, and a way to wait for more."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], last_id: str = "") -> None:
        self._events = events
        self.last_id = last_id

    async def next(self) -> ServerSentEvent:
        """The next event that is one; an id without data only says where the stream stands."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                event = await anext(self._events)
                self.last_id = event.id or self.last_id
                if event.data:
                    return event

    async def told(self, count: int) -> list[dict[str, Any]]:
        """The next changes."""
        found = [await self.next() for _ in range(count)]
        assert {one.event for one in found} == {"status"}, found
        return [json.loads(one.data) for one in found]

    async def is_cut_off(self) -> bool:
        """Whether the stream ends, and no reset was told before that."""
        with suppress(StopAsyncIteration, RuntimeError, httpx.RemoteProtocolError, httpx.ReadError):
            while True:
                if (await self.next()).event != "status":
                    return False
        return True

    async def is_over(self) -> bool:
        """Whether nothing more comes; a hub that stops may cut the connection."""
        found = []
        with suppress(httpx.RemoteProtocolError, httpx.ReadError):
            async with asyncio.timeout(WAIT_SECONDS):
                found = [event async for event in self._events if event.data]
        return not found


@asynccontextmanager
async def listening(world: World, cursor: str = "", **query: str) -> AsyncIterator[Ear]:
    """Listen until the block ends, from the event on that was seen last."""
    headers = {"Last-Event-ID": cursor} if cursor else {}
    async with (
        loopback_client(base_url=world.url) as client,
        aconnect_sse(client, "GET", STREAM, params=query, headers=headers) as source,
    ):
        assert source.response.status_code == 200, await source.response.aread()
        ear = Ear(source.aiter_sse(), cursor)
        hello = await ear.next()
        assert (hello.event, hello.retry) == ("hello", streams.RETRY_MILLISECONDS)
        yield ear


async def put_and_see(land: Land, location_id: str, latitude: str = "52.530644") -> None:
    content = location(id=location_id)
    content["coordinates"]["latitude"] = latitude
    before = await place_of_newcomers(land)
    await land.put(content)

    async def is_told() -> bool:
        return await place_of_newcomers(land) > before

    await land.until(is_told)


async def place_of_newcomers(land: Land) -> int:
    """The change after which somebody is told who begins to listen now: who reads a Location may be a moment ahead of that."""
    async with listening(land.world) as ear:
        return int(ear.last_id)


def statuses(told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["location"], one["evses"][0]["status"]) for one in told]


async def seen(land: Land, status: str, evse: str = "E1", location_id: str = "LOC1") -> None:
    """A change that was told before the next one is made: changes of one moment are one."""
    cursor = (await land.get("/nav/v1/changes", limit=1000)).json()["next"]
    await land.says(status, evse, location_id)

    async def is_told() -> bool:
        return bool((await land.get("/nav/v1/changes", cursor=cursor)).json()["items"])

    await land.until(is_told)


async def test_who_was_cut_off_gets_exactly_what_was_missed_in_order(land: Land) -> None:
    async with listening(land.world) as ear:
        await seen(land, "RESERVED")
        await ear.told(1)
    for status in STATUSES:
        await seen(land, status)
    async with listening(land.world, ear.last_id) as again:
        assert statuses(await again.told(3)) == [("DE/ABC/LOC1", status) for status in STATUSES]
        await seen(land, "AVAILABLE")
        assert statuses(await again.told(1)) == [("DE/ABC/LOC1", "AVAILABLE")]


async def test_what_was_missed_of_three_locations_comes_in_the_order_of_commits(land: Land) -> None:
    names = ["A", "B", "C"]
    for name in names:
        await put_and_see(land, name)
    async with listening(land.world) as ear:
        await seen(land, "RESERVED", location_id="A")
        await ear.told(1)
    for name in ("C", "A", "B"):
        await seen(land, "CHARGING", location_id=name)
    async with listening(land.world, ear.last_id) as again:
        found = await again.told(3)
    assert statuses(found) == [(f"DE/ABC/{name}", "CHARGING") for name in ("C", "A", "B")]
    seqs = [int(one["seq"]) for one in (await land.get("/nav/v1/changes", cursor=ear.last_id)).json()["items"]]
    assert seqs == sorted(seqs)


async def test_the_cursor_may_be_in_the_address_for_those_who_set_no_header(land: Land) -> None:
    cursor = (await land.get("/nav/v1/changes", limit=1000)).json()["next"]
    await seen(land, "CHARGING", "E2")
    async with listening(land.world, cursor=cursor) as ear:
        assert (await ear.told(1))[0]["evses"][0]["uid"] == "E2"
    await land.says("AVAILABLE", "E2")


async def test_who_asks_for_a_box_or_for_names_is_told_of_nothing_else(land: Land) -> None:
    await put_and_see(land, "NORTH", "59.900000")
    number = (await land.get("/nav/v1/locations/DE/ABC/LOC1")).json()["id"]
    async with (
        listening(land.world, bbox="13,59,14,60") as in_box,
        listening(land.world, ids="de/abc/loc1,DE/ABC/NONE") as by_name,
        listening(land.world, ids=str(number)) as by_number,
        listening(land.world, bbox="170,-90,-170,90") as elsewhere,
    ):
        await seen(land, "BLOCKED", location_id="NORTH")
        await seen(land, "BLOCKED", location_id="LOC1")
        assert statuses(await in_box.told(1)) == [("DE/ABC/NORTH", "BLOCKED")]
        assert statuses(await by_name.told(1)) == [("DE/ABC/LOC1", "BLOCKED")]
        assert statuses(await by_number.told(1)) == [("DE/ABC/LOC1", "BLOCKED")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await elsewhere.next()


async def test_what_is_gone_is_told_where_it_was(land: Land) -> None:
    await put_and_see(land, "GOING", "58.500000")
    async with listening(land.world, bbox="13,58,14,59") as ear, listening(land.world, bbox="13,52,14,53") as other:
        await land.put(location(id="GOING", publish=False))
        (told,) = await ear.told(1)
        assert (told["kind"], told["location"]) == ("gone", "DE/ABC/GOING")
        assert set(told) == {"kind", "location", "number"}
        await seen(land, "RESERVED")
        assert statuses(await other.told(1)) == [("DE/ABC/LOC1", "RESERVED")]


@pytest.mark.parametrize("cursor", [pytest.param("999999", id="from the future"), pytest.param("1", id="forgotten")])
async def test_who_cannot_be_told_everything_has_to_read_anew(land: Land, cursor: str) -> None:
    if cursor == "1":
        direct = Direct(land.world.database_url)
        await direct.execute("delete from public_change where seq <= 3")
        await direct.close()
    async with listening(land.world, cursor) as ear:
        event = await ear.next()
        newest = (await land.get("/nav/v1/changes", limit=1000)).json()["next"]
        assert (event.event, event.id, json.loads(event.data)) == ("reset", newest, {"cursor": newest})
        assert await ear.is_over()
    async with listening(land.world, event.id) as again:
        await seen(land, "CHARGING")
        await again.told(1)
    await seen(land, "AVAILABLE")


@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", "9" * 19, "٣"])
async def test_a_cursor_that_nobody_gave_is_refused(land: Land, cursor: str) -> None:
    for path in (STREAM, "/nav/v1/changes"):
        answer = await land.reader.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_CURSOR")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"bbox": "1,2,3"}, id="three numbers"),
        pytest.param({"ids": ","}, id="no names"),
        pytest.param({"ids": ",".join(map(str, range(501)))}, id="too many names"),
        pytest.param({"ids": "1", "bbox": "1,2,3,4"}, id="both"),
        pytest.param({"ids": "1,DE/ABC"}, id="a party is no Location"),
        pytest.param({"ids": "DE*ABC*E1"}, id="nor is an EVSE id"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_the_stream_begins(land: Land, query: dict[str, str]) -> None:
    answer = await land.reader.get(STREAM, params=query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


async def test_more_listeners_than_there_may_be_are_sent_away(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LISTENERS_MAX", 2)
    async with listening(land.world), listening(land.world):
        answer = await land.reader.get(STREAM)
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (
            503,
            "TOO_MANY_STREAMS",
            "30",
        )

    async def is_let_in() -> bool:
        try:
            async with listening(land.world):
                return True
        except AssertionError:
            return False

    await land.until(is_let_in)  # whoever left makes room


async def test_one_visitor_does_not_take_the_place_of_all_others(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LISTENERS_MAX_PER_VISITOR", 2)
    key = (await land.world.admin.post("/admin/readers", json={"name": "Another"})).json()["key"]
    async with listening(land.world), listening(land.world):
        answer = await land.reader.get(STREAM)
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (
            429,
            "TOO_MANY_STREAMS",
            "30",
        )
        async with land.reader.stream("GET", STREAM, headers={"X-API-Key": key}) as another:
            assert another.status_code == 200


async def test_a_quiet_stream_says_that_it_lives_and_where_it_stands(
    land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.2)
    async with land.reader.stream("GET", STREAM, params={"bbox": "0,0,1,1"}) as answer:
        chunks = answer.aiter_text()
        hello = await anext(chunks)
        assert (await anext(chunks)).startswith(": still here\n")
        await seen(land, "CHARGING")  # elsewhere
        newest = (await land.get("/nav/v1/changes", limit=1000)).json()["next"]
        assert f"id: {newest}\n" not in hello
        async with asyncio.timeout(WAIT_SECONDS):
            while f"id: {newest}\n\n" not in await anext(chunks):
                pass
    await seen(land, "AVAILABLE")


class SlowReader:
    """Somebody whose connection takes no more for a while, as a server sees it."""

    def __init__(self) -> None:
        self.said, self.goes_on = b"", asyncio.Event()

    async def listen(self, world: World) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": STREAM,
            "query_string": b"",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        await world.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        self.said += message.get("body", b"")
        if b"event: status" in self.said:
            await self.goes_on.wait()


async def test_who_is_too_slow_begins_again_and_keeps_nobody_waiting(
    land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for one who does not read has an end; all others get everything at once."""
    monkeypatch.setattr(streams, "QUEUE_MAX_EVENTS", 3)
    slow = SlowReader()
    async with listening(land.world) as quick:
        listen = asyncio.create_task(slow.listen(land.world))
        await land.until(partial(has, slow, b"event: hello"))
        for turn in range(6):
            await land.says(STATUSES[turn % 2])
            assert statuses(await quick.told(1)) == [("DE/ABC/LOC1", STATUSES[turn % 2])]
        slow.goes_on.set()
        async with asyncio.timeout(WAIT_SECONDS):
            await listen
    events = [line for line in slow.said.splitlines() if line.startswith(b"event: ")]
    assert events == [b"event: hello", b"event: status", b"event: reset"]
    assert f"id: {quick.last_id}\nevent: reset".encode() in slow.said


async def has(reader: SlowReader, text: bytes) -> bool:
    return text in reader.said


async def test_a_burst_is_no_slowness(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    """More changes in one look than may wait: whoever reads gets them all (a whole party fell silent, say)."""
    monkeypatch.setattr(streams, "QUEUE_MAX_EVENTS", 300)
    direct = Direct(land.world.database_url)
    places, broadcast = PublicPlaces(direct), Broadcast()
    follower = Follower(places, Memory(), broadcast)
    await follower.look()
    first = broadcast.seq
    event = b'{"kind":"gone","location":"DE/ABC/BURST","number":1}'
    await direct.execute(
        "insert into public_change (seq, number, at, longitude, latitude, event) "
        "select n, 1, now(), 0, 0, $1 from generate_series($2::bigint, $3::bigint) n",
        event,
        first + 1,
        first + 1000,
    )
    follower._seq = first + 1000
    listener = broadcast.join(lambda _: True)
    got: list[int] = []

    async def listen() -> None:
        while len(got) < 1000 and (told := await listener.waiting.get()) is not None:
            got.append(told.seq)

    task = asyncio.create_task(listen())
    await follower._tell()
    async with asyncio.timeout(WAIT_SECONDS):
        await task
    await direct.execute("delete from public_change where seq > $1", first)
    await direct.close()
    assert got == list(range(first + 1, first + 1001))


async def test_another_process_tells_the_same_and_knows_its_cursors(databases: Databases, tmp_path: Any) -> None:
    key = {"secret_key": "the-key-of-both-processes-of-one-hub"}
    async with databases.lent() as url, open_land(url, tmp_path / "a", **key) as land:
        await land.until_seen("/nav/v1/locations/DE/ABC/LOC1")
        async with running_hub(url, tmp_path / "b", navigation=True, **key) as other:
            await until_ready(other)
            async with listening(land.world) as here, listening(other) as there:
                for status in STATUSES:
                    await seen(land, status)
                first, second = await here.told(3), await there.told(3)
                assert first == second
                assert here.last_id == there.last_id
            await ahead_of(other, land, here.last_id)
        async with listening(land.world) as last:
            ended = asyncio.create_task(last.is_over())
            await land.world.stack.aclose()
            assert await ended  # no reset: whoever comes back says where it stands


async def test_who_comes_back_after_a_restart_has_missed_nothing(databases: Databases, tmp_path: Path) -> None:
    """Changes go on while the hub stops and starts. Who comes back at once is let in as soon as the map is read, and not sent away."""
    same = {"port": free_port(), "navigation": True, "pull_settle_seconds": 3600.0}
    roles = [role("CPO", str(CPO))]
    async with (
        databases.lent() as url,
        DemoPlatform("Charger", roles).running() as cpo,
        running_hub(url, tmp_path, **same) as world,
    ):
        await cpo.join(await world.invite(roles), world.versions_url)
        await cpo.push("locations", CPO, ("LOC1",), location(), receiver=None)
        await until_ready(world)
        async with listening(world) as ear, asyncio.TaskGroup() as tasks:
            changes = Changes(cpo)
            tasks.create_task(changes.run())
            await ear.told(3)
            ended = tasks.create_task(ear.is_cut_off())
            await world.stack.aclose()
            assert await ended
            async with running_hub(url, tmp_path, **same) as anew, listening(anew, ear.last_id) as again:
                await all_is_told(again, changes, url)


async def all_is_told(again: Ear, changes: Changes, url: str) -> None:
    """Some more changes come, and then who came back is told each that is in the log, to the last."""
    cursor, direct = int(again.last_id), Direct(url)

    async def log() -> list[int]:
        rows = await direct.fetch("select seq from public_change where seq > $1 and event <> '' order by seq", cursor)
        return [row["seq"] for row in rows]

    async def has_some() -> bool:
        return len(await log()) >= SOME_CHANGES

    async def is_done() -> bool:
        return not await direct.fetch("select 1 from place where is_due")

    try:
        await until(has_some)
        await changes.stop()
        await until(is_done)
        due = await log()
    finally:
        await direct.close()
    found = [await again.next() for _ in due]
    assert [(one.event, int(one.id)) for one in found] == [("status", seq) for seq in due]


@dataclass
class Changes:
    """EVSE E1 of LOC1 changes again and again, whether the hub is there or not."""

    cpo: DemoPlatform
    is_enough: bool = False
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        """Return when none is under way any more."""
        self.is_enough = True
        async with asyncio.timeout(WAIT_SECONDS):
            await self.is_over.wait()

    async def run(self) -> None:
        """Change it."""
        moment, statuses = datetime(2027, 4, 1, tzinfo=UTC), cycle(STATUSES)
        while not self.is_enough:
            moment += timedelta(seconds=1)
            change = {"status": next(statuses), "last_updated": format_datetime(moment)}
            with suppress(TimeoutError, OcpiError):
                await self.cpo.patch("locations", CPO, ("LOC1", "E1"), change, receiver=None)
            await asyncio.sleep(PAUSE_SECONDS)
        self.is_over.set()


async def until_ready(world: World) -> None:
    async with world.nobody() as reader:

        async def is_so() -> bool:
            return (await reader.get("/nav/v1/locations/DE/ABC/LOC1")).status_code == 200

        await until(is_so)


async def ahead_of(late: World, land: Land, cursor: str) -> None:
    """A process that has not read a change yet does not take the cursor of one that has for a stranger's."""
    with pytest.MonkeyPatch.context() as patched:

        async def still(_: Follower) -> None:
            await asyncio.sleep(0.05)

        patched.setattr(Follower, "look", still)
        await asyncio.sleep(0.3)
        await land.says("BLOCKED", "E2")
        direct = Direct(land.world.database_url)
        newest = cursor
        async with asyncio.timeout(WAIT_SECONDS):
            while newest == cursor:
                await asyncio.sleep(0.05)
                newest = str((await PublicPlaces(direct).counters()).seq)
        await direct.close()
        listener = listening(late, newest)
        ear = await listener.__aenter__()
    try:
        await seen(land, "RESERVED", "E2")
        assert statuses(await ear.told(1)) == [("DE/ABC/LOC1", "RESERVED")]
    finally:
        await listener.__aexit__(None, None, None)
