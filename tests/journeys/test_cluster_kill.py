"""Whatever is killed under load: nothing acknowledged is lost, no CDR counts twice, order per object holds, every CDR arrives as it was."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest

from hub.demo.party import DemoPlatform, role
from hub.store.database import Database
from hub.store.embedded import start as start_postgres
from hub.store.ledger import Ledger
from tests.cluster.processes import (
    MS1,
    SECRET_KEY,
    HubProcess,
    Process,
    Writer,
    free_ports,
    join,
    kill,
    nats_cluster,
    processes_on,
    until,
    url_of,
    workers_of,
)
from tests.conftest import ADMIN_TOKEN, HUB, loopback_client

pytestmark = pytest.mark.kill

WRITERS = 6
CDRS_MIN = 30
SETTLED_WAIT_SECONDS = 90.0
LEFT_WAIT_SECONDS = 60.0


@dataclass
class Field:
    """Hubs, a CPO that writes to them, and an eMSP that is to hear of it."""

    hubs: list[HubProcess]
    writer: Writer
    cpo: DemoPlatform
    emsp: DemoPlatform
    database_url: Callable[[], str]

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Write while the block lasts."""
        self.writer.is_stopping = False
        writing = asyncio.create_task(self.writer.run(WRITERS))
        try:
            await asyncio.sleep(1.0)
            assert not writing.done(), writing.result()
            yield
        finally:
            self.writer.is_stopping = True
            await writing

    async def check(self) -> None:
        """All that has to hold, once everything has settled."""
        assert len(self.writer.cdrs) > CDRS_MIN
        await until(lambda: self._missing_cdrs() == set(), SETTLED_WAIT_SECONDS)
        await self._check_copies()
        self._check_order()
        await self._check_money()

    def _cdrs_seen(self) -> dict[str, set[bytes]]:
        seen: dict[str, set[bytes]] = {}
        for request in self.emsp.seen:
            if request.module_id == "cdrs" and request.method == "POST":
                seen.setdefault(request.content["id"], set()).add(request.body)
        return seen

    def _missing_cdrs(self) -> set[str]:
        return self.writer.cdrs.keys() - self._cdrs_seen().keys()

    async def _check_copies(self) -> None:
        """No acknowledged write is lost: each Location is at least as new as what was acknowledged last."""
        crawl = await self.emsp.get_all("locations", sender=MS1, receiver=HUB, query="limit=100")
        kept = {entry["id"]: int(entry["name"]) for entry in crawl.objects}
        assert all(kept[name] >= version for name, version in self.writer.acknowledged.items()), kept

    def _check_order(self) -> None:
        """What the receiver hears of an object never goes back."""
        last: dict[str, int] = {}
        pushes = [seen for seen in self.emsp.seen if seen.module_id == "locations" and seen.method in {"PUT", "PATCH"}]
        assert len(pushes) > WRITERS
        for seen in pushes:
            name, version = seen.path.rstrip("/").rpartition("/")[2], int(seen.content["name"])
            assert version >= last.get(name, 0), f"{name} goes from {last[name]} back to {version}"
            last[name] = version

    async def _check_money(self) -> None:
        """Each accepted CDR is claimed once, is due to nobody any more, and arrived byte for byte."""
        seen = self._cdrs_seen()
        assert all(seen[name] == {body} for name, body in self.writer.cdrs.items())
        database = Database(self.database_url())
        try:
            ledger = Ledger(database)
            claims = await ledger.claims(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
            counted = Counter(claim.cdr_id for claim in claims)
            assert counted.keys() >= self.writer.cdrs.keys()
            assert set(counted.values()) == {1}
            deadline = time.monotonic() + SETTLED_WAIT_SECONDS
            while await ledger.payers():
                assert time.monotonic() < deadline, "CDRs stay due"
                await asyncio.sleep(0.2)
        finally:
            await database.close()


@asynccontextmanager
async def field_of(hubs: list[HubProcess], example: Any, database_url: Callable[[], str]) -> AsyncIterator[Field]:
    location = example("location", country_code="DE", party_id="CP1")
    cdr = example("cdr", country_code="DE", party_id="CP1")
    cdr["cdr_token"] |= {"country_code": "NL", "party_id": "MS1"}
    cpo = DemoPlatform("P1", [role("CPO", "DE/CP1")])
    emsp = DemoPlatform("P3", [role("EMSP", "NL/MS1")])
    emsp.seen = type(emsp.seen)(maxlen=200_000)
    for hub in hubs:
        hub.start()
    try:
        for hub in hubs:
            hub.wait_until_ready()
        async with cpo.running(), emsp.running():
            await join(hubs[0].url, cpo, ("CPO", "DE/CP1"))
            await join(hubs[-1].url, emsp, ("EMSP", "NL/MS1"))
            writer = Writer(cpo, [hub.url for hub in hubs], location, cdr)
            await asyncio.sleep(0.5)
            yield Field(hubs, writer, cpo, emsp, database_url)
    finally:
        for hub in hubs:
            hub.kill()


async def test_the_worker_that_leads_is_killed_again_and_again_and_another_takes_over(
    tmp_path: Path, example: Any
) -> None:
    """It may hold messages of a lane too."""
    [port] = free_ports(1)
    hub = HubProcess(tmp_path, port, "--workers", "3")

    def database_url() -> str:
        raise AssertionError("the embedded server is asked through the hub")

    async with field_of([hub], example, database_url) as field:
        await until(lambda: len(workers_of(hub)) == 3, LEFT_WAIT_SECONDS)
        async with field.load():
            for _ in range(3):
                before, leaders = set(workers_of(hub)), len(hub.said("leading"))
                kill(leader_of(hub))
                await until(partial(has_new_worker, hub, before), LEFT_WAIT_SECONDS)
                await until(partial(has_led, hub, leaders + 1), LEFT_WAIT_SECONDS)
                await asyncio.sleep(3.0)
        await until(lambda: field._missing_cdrs() == set(), SETTLED_WAIT_SECONDS)
        await field._check_copies()
        field._check_order()
        assert {name: len(bodies) for name, bodies in field._cdrs_seen().items() if len(bodies) > 1} == {}
        assert len(hub.said("worker_ended")) == 3
        assert len({line["process"] for line in hub.said("leading")}) > 1, "another one took over"
        assert hub.stop() == 0
    assert processes_on(tmp_path) == []


def leader_of(hub: HubProcess) -> int:
    """The process id of the worker that leads."""
    leader = hub.said("leading")[-1]["process"]
    started = [line["pid"] for line in hub.said("worker_started") if leader.endswith(f"-{line['number']}")]
    return int(started[-1])


def has_led(hub: HubProcess, times: int) -> bool:
    return len(hub.said("leading")) >= times


def has_new_worker(hub: HubProcess, before: set[int]) -> bool:
    return len(set(workers_of(hub)) - before) == 1


async def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path, example: Any) -> None:
    [port] = free_ports(1)
    hub = HubProcess(tmp_path, port, "--workers", "2")
    hub.start()
    try:
        hub.wait_until_ready()
        workers = workers_of(hub)
        assert len(workers) == 2
    finally:
        hub.kill()

    def is_left() -> bool:
        return bool(processes_on(tmp_path)) or any(Path(f"/proc/{pid}").exists() for pid in workers)

    await until(lambda: not is_left(), LEFT_WAIT_SECONDS)
    hub.start()
    hub.wait_until_ready()
    assert hub.stop() == 0


Damage = Callable[[Field, "Machines"], Awaitable[None]]


@dataclass
class Machines:
    """What the hubs stand on."""

    nats: list[Process]
    postgres_folder: Path
    postgres: Any

    def restart_postgres(self) -> None:
        self.postgres.stop()
        self.postgres = start_postgres(self.postgres_folder)


async def kill_hubs(field: Field, machines: Machines) -> None:
    """One hub after another, the leader too; each comes back."""
    for hub in field.hubs:
        hub.kill()
        await asyncio.sleep(3.0)
        hub.start()
        await asyncio.to_thread(hub.wait_until_ready)
        await asyncio.sleep(1.0)


async def kill_nats_leader(field: Field, machines: Machines) -> None:
    """The server that leads the stream; it comes back."""
    leader = await stream_leader(machines.nats)
    machines.nats[leader].kill()
    await asyncio.sleep(8.0)
    machines.nats[leader].start()
    await asyncio.sleep(3.0)


async def restart_postgres(field: Field, machines: Machines) -> None:
    await asyncio.to_thread(machines.restart_postgres)
    await asyncio.sleep(4.0)


async def stream_leader(servers: list[Process]) -> int:
    client = await nats.connect(url_of(servers).split(","))
    try:
        info = await client.jetstream().stream_info("OCPI-NLHUB-LANES")
        assert info.config.num_replicas == 3
        assert info.cluster is not None
        assert info.cluster.leader is not None
        return int(info.cluster.leader.removeprefix("n"))
    finally:
        await client.close()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(kill_hubs, id="each hub, one after another"),
        pytest.param(kill_nats_leader, id="the leader of the NATS cluster"),
        pytest.param(restart_postgres, id="PostgreSQL restarts"),
    ],
)
async def test_three_hubs_three_nats_servers_and_postgres(damage: Damage, tmp_path: Path, example: Any) -> None:
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(nats_cluster(tmp_path / "nats"))
        machines = Machines(servers, tmp_path / "pg", start_postgres(tmp_path / "pg"))
        stack.callback(lambda: machines.postgres.stop())
        url = machines.postgres.server.url
        hubs = [
            HubProcess(
                tmp_path / f"hub{number}",
                port,
                HUB_DATABASE_URL=url,
                HUB_NATS_URL=url_of(servers),
                HUB_SECRET_KEY=SECRET_KEY,
                HUB_PROCESS_NAME=f"hub-{number}",
            )
            for number, port in enumerate(free_ports(3))
        ]
        field = await stack.enter_async_context(field_of(hubs, example, lambda: url))
        async with field.load():
            await damage(field, machines)
        await field.check()
        async with loopback_client(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as http:
            text = (await http.get(f"{hubs[1].url}/metrics")).text
        assert all(f'process="hub-{number}"' in text for number in range(3)), "all are there again"
