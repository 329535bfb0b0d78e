"""Whoever folds the pages of changes has what the hub has, whatever happens meanwhile (N-T3, N4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.navigation.feature import split_feature
from hub.navigation.follower import Follower, Memory
from hub.navigation.problems import ReadingFault
from hub.navigation.projector import Projecting, Projector
from hub.navigation.routes.door import Licence
from hub.navigation.routes.following import FollowingDesk
from hub.navigation.streams import Broadcast
from hub.store.copies import Copies, Crawled
from hub.store.database import Database
from hub.store.publicplaces import GONE_KEPT_DAYS, PublicPlaces, Standing
from ocpi_modules.catalog import MODULES
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime
from tests.databases import Databases
from tests.navigation.land import Land
from tests.settlement.cases import location
from tests.store import CP1, CP2, MS1, NOW, owned_by, push

OWNERS = (CP1, CP2)
IDS = ("L0", "L1", "L2")
STATUSES = ("AVAILABLE", "CHARGING", "OUTOFORDER", "UNKNOWN")
THERE = Standing(is_member=True, silent_since=None)
TABLES = ("public_change", "public_location", "public_counter", "public_source", "place_quality", "place", "copy")
ALL = 1000

Content = dict[str, Any]


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    moment: Any = NOW

    def now(self) -> Any:
        return self.moment


@dataclass
class Reader:
    """Somebody who folds pages; who is told to begin again does so."""

    known: dict[int, Content] = field(default_factory=dict)
    cursor: int = 0
    begun_again: int = 0

    async def read(self, desk: FollowingDesk, limit: int) -> bool:
        """Fold one page; whether there is more."""
        try:
            page = msgspec.json.decode(await desk.changes(self.cursor, limit))
        except ReadingFault as fault:
            if fault.code != "CURSOR_TOO_OLD":
                raise
            self.known, self.cursor, self.begun_again = {}, 0, self.begun_again + 1
            return True
        seqs = [item["seq"] for item in page["items"]]
        assert seqs == sorted(set(seqs))
        assert all(seq > self.cursor for seq in seqs)
        assert len(seqs) <= limit
        for item in page["items"]:
            if item["change"] == "gone":
                self.known.pop(item["number"], None)
            else:
                self.known[item["number"]] = item["feature"]
        self.cursor = int(page["next"])
        return bool(page["has_more"])


class Hub:
    """What writes and reads public Locations, on a real database, without HTTP."""

    def __init__(self, database: Database) -> None:
        self.direct, self.copies = database.direct, Copies(database.direct)
        self.places, self.clock = PublicPlaces(self.direct), HandClock()
        self.standing = dict.fromkeys(OWNERS, THERE)
        self.memory, broadcast = Memory(), Broadcast()
        self.follower = Follower(self.places, self.memory, broadcast)
        means = Projecting(
            places=self.places, clock=self.clock, standings=lambda: self.standing, changed=self.follower.wake
        )
        self.projector = Projector(means)
        self.desk = FollowingDesk(self.places, self.follower, broadcast, Licence("L", "https://l.example", "A"))
        self._said = 0

    async def push(self, owner: Party, id_: str, **changes: Any) -> None:
        audience = changes.pop("audience", None)
        self._said += 1
        said_at = format_datetime(NOW + timedelta(seconds=self._said))
        content = location(**owned_by(owner, id=id_, last_updated=said_at), **changes)
        await self.copies.keep(push("locations", content, audience=audience, at=self.clock.now()))

    async def crawl(self, owner: Party, *ids: str) -> None:
        """A complete list of an owner that holds only these."""
        at = self.clock.now() + timedelta(hours=1)
        seen = {(one.lower(), "") for one in ids}
        await self.copies.mark_missing(
            Crawled(module=MODULES["locations"], owner=owner, seen=seen, at=at, crawled_before=at)
        )

    async def export(self) -> dict[int, Content]:
        """All that is public now."""
        numbers = [entry.number for entry in await self.places.all_entries(0, ALL)]
        features = await self.places.features(numbers)
        texts = {number: one.text for number, one in features.items() if one.text is not None}
        return {number: msgspec.json.decode(split_feature(text)[1]) for number, text in texts.items()}

    async def do(self, step: tuple[Any, ...], reader: Reader) -> None:
        """One step of a walk."""
        match step:
            case ("push", owner, id_, status):
                await self.push(owner, id_, evses__0__status=status)
            case ("hide", owner, id_):
                await self.push(owner, id_, publish=False)
            case ("tell one", owner, id_):
                await self.push(owner, id_, audience=MS1)
            case ("crawl", owner, ids):
                await self.crawl(owner, *ids)
            case ("stand", owner, standing):
                self.standing = {**self.standing, owner: standing}
            case ("look",):
                await self.projector.look()
            case ("wait",):
                self.clock.moment += timedelta(days=GONE_KEPT_DAYS + 1)
                await self.places.tidy(self.clock.now())
            case ("read", limit):
                if not await reader.read(self.desk, limit):
                    assert reader.known == await self.export()


owners = st.sampled_from(OWNERS)
ids = st.sampled_from(IDS)
steps = st.one_of(
    st.tuples(st.just("push"), owners, ids, st.sampled_from(STATUSES)),
    st.tuples(st.just("hide"), owners, ids),
    st.tuples(st.just("tell one"), owners, ids),
    st.tuples(st.just("crawl"), owners, st.lists(ids, max_size=3)),
    st.tuples(st.just("stand"), owners, st.sampled_from((THERE, Standing(False, None), Standing(True, NOW)))),
    st.tuples(st.just("look")),
    st.tuples(st.just("look")),
    st.tuples(st.just("wait")),
    st.tuples(st.just("read"), st.integers(1, 4)),
    st.tuples(st.just("read"), st.integers(1, 4)),
)


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    async with databases.lent() as url:
        opened = Database(url)
        yield opened
        await opened.close()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, min_size=5, max_size=25))
async def test_the_folded_pages_are_the_full_export_at_every_stop(
    database: Database, walk: list[tuple[Any, ...]]
) -> None:
    await database.direct.execute("truncate " + ", ".join(TABLES))
    hub, reader = Hub(database), Reader()
    try:
        for step in walk:
            await hub.do(step, reader)
        await hub.projector.look()
        while await reader.read(hub.desk, 2):
            pass
        assert reader.known == await hub.export()
        late = Reader()
        while await late.read(hub.desk, 3):
            pass
        assert late.known == reader.known
        await hub.follower.look()
        index = hub.memory.index
        assert sorted(index.places.number[index.rows()].tolist()) == sorted(reader.known)
    finally:
        await hub.copies.close()


async def test_pages_are_whole_while_a_writer_goes_on(database: Database) -> None:
    await database.direct.execute("truncate " + ", ".join(TABLES))
    hub, reader, is_written = Hub(database), Reader(), asyncio.Event()

    async def write() -> None:
        for turn in range(40):
            owner, id_ = OWNERS[turn % 2], IDS[turn % 3]
            await hub.push(owner, id_, publish=turn % 5 != 0, evses__0__status=STATUSES[turn % 4])
            await hub.projector.look()
        is_written.set()

    writer = asyncio.create_task(write())
    limit, stops = 1, 0
    while not is_written.is_set():
        limit, stops = limit % 4 + 1, stops + (not await reader.read(hub.desk, limit))
    await writer
    while await reader.read(hub.desk, 2):
        pass
    assert reader.known == await hub.export()
    assert (stops > 0, len(reader.known) > 0, reader.begun_again) == (True, True, 0)
    await hub.copies.close()


async def test_what_is_gone_is_told_until_it_is_forgotten_and_then_one_begins_again(database: Database) -> None:
    await database.direct.execute("truncate " + ", ".join(TABLES))
    hub, early, late = Hub(database), Reader(), Reader()
    for id_ in IDS:
        await hub.push(CP1, id_)
    await hub.projector.look()
    await early.read(hub.desk, ALL)
    await late.read(hub.desk, ALL)
    await hub.push(CP1, "L1", publish=False)
    await hub.projector.look()
    page = msgspec.json.decode(await hub.desk.changes(early.cursor, ALL))
    (item,) = page["items"]
    assert (item["change"], item["ref"], set(item)) == (
        "gone",
        "DE/CP1/L1",
        {"change", "seq", "ref", "number", "changed_at"},
    )
    await early.read(hub.desk, ALL)
    hub.clock.moment += timedelta(days=GONE_KEPT_DAYS - 1)
    await hub.places.tidy(hub.clock.now())
    assert msgspec.json.decode(await hub.desk.changes(late.cursor, ALL))["items"] == page["items"]
    hub.clock.moment += timedelta(days=2)
    await hub.places.tidy(hub.clock.now())
    with pytest.raises(ReadingFault) as caught:
        await hub.desk.changes(late.cursor, ALL)
    assert (caught.value.status, caught.value.code) == (410, "CURSOR_TOO_OLD")
    assert (
        msgspec.json.decode(await hub.desk.changes(early.cursor, ALL))["items"] == []
    )  # it had heard of all that went
    await late.read(hub.desk, ALL)
    await late.read(hub.desk, ALL)
    assert (late.begun_again, late.known) == (1, await hub.export())
    await hub.copies.close()


async def test_a_cursor_of_another_hub_or_of_before_a_backup_is_too_old(database: Database) -> None:
    await database.direct.execute("truncate " + ", ".join(TABLES))
    hub = Hub(database)
    await hub.push(CP1, "L0")
    await hub.projector.look()
    with pytest.raises(ReadingFault) as caught:
        await hub.desk.changes(2, ALL)
    assert (caught.value.status, caught.value.code) == (410, "CURSOR_TOO_OLD")
    await hub.copies.close()


async def test_over_http_a_page_says_where_the_next_one_begins(land: Land) -> None:
    await land.put(location(id="LOC2"))
    await land.until_seen("/nav/v1/locations/DE/ABC/LOC2")
    first = (await land.get("/nav/v1/changes", limit=1)).json()
    assert (len(first["items"]), first["has_more"]) == (1, True)
    second = (await land.get("/nav/v1/changes", cursor=first["next"])).json()
    assert (second["items"][-1]["ref"], second["has_more"]) == ("DE/ABC/LOC2", False)
    assert (await land.get("/nav/v1/changes", cursor=second["next"])).json()["items"] == []
    too_new = await land.get("/nav/v1/changes", 410, cursor=str(int(second["next"]) + 1))
    assert too_new.json()["code"] == "CURSOR_TOO_OLD"
    for limit in ("0", "1001", "-1", "many"):
        assert (await land.get("/nav/v1/changes", 400, limit=limit)).json()["parameter"] == "limit"
