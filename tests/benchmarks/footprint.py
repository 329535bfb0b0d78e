"""What an object costs below the hub: bytes of its row and of each index, WAL and CPU of PostgreSQL a write, bytes and CPU of NATS a push.

`python -m tests.benchmarks.footprint` prints it, in about two minutes. Objects go through `Copies`, as the hub writes them, into an
embedded PostgreSQL; pushes go through `StreamLanes` into a NATS server, to receivers that take them at once. Nothing of HTTP is in it.
`docs/reference/scale.md` counts with these figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import psycopg
import structlog

from hub.clock import SystemClock
from hub.partners.client import Answer, Call, Place, join_url
from hub.partners.delivery import Parcel
from hub.partners.directory import Directory, Member, Partner, Presence
from hub.partners.natsserver import running_server
from hub.partners.stream import Stream
from hub.partners.streamlanes import StreamLanes
from hub.store.changes import Change
from hub.store.copies import Copies, PageQuery
from hub.store.database import Database
from hub.store.embedded import attach_or_start
from hub.store.ledger import Ledger
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json
from tests.benchmarks.figures import number, table
from tests.benchmarks.machine import cpu_seconds, descendants
from tests.benchmarks.objects import CPO, STATUSES, cdr_template, evse_uid, location_id, location_template, moment
from tests.benchmarks.objects import status_patch as patch_body
from tests.benchmarks.stage import plain_url

OBJECTS = 20_000
AT_ONCE = 64
PAYERS = 20
FEW_SHARE = 20  # one in so many: then each is on a page of its own
SIGNED = b"T0NNRnx7Ikd3" * 27  # what a template has for a signature
PAGES = 100
DUE_PAYERS = 2
LANES = 20
PUSHES = 10_000
ROOM_PUSHES = 400
BATCH_PUSHES = 200
TAKEN_WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.01

_OBJECTS = Path(__file__).resolve().parents[2] / "fixtures" / "objects"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_HUB = Party("NL", "HUB")
_TABLES = ("copy", "copy_count", "claim", "due")

_SIZES = """
    select c.relname, pg_relation_size(c.oid) as bytes from pg_class c
    where c.oid in (select %(table)s::regclass union select indexrelid from pg_index where indrelid = %(table)s::regclass
                    union select reltoastrelid from pg_class where oid = %(table)s::regclass)
    order by c.relkind desc, c.relname
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What some writes took: WAL and CPU of PostgreSQL for one of them."""

    what: str
    writes: int
    wal_bytes: float
    cpu_us: float

    def cells(self) -> list[str]:
        """As a row of the table."""
        return [self.what, f"{self.writes:,}", number(self.wal_bytes), number(self.cpu_us)]


# --- objects -------------------------------------------------------------------------------


def locations(count: int, again: int = 0) -> Iterator[Change]:
    """Location PUTs to the hub."""
    template = location_template()
    for index in range(count):
        name = location_id(index)
        yield _replacement("locations", template.fill(name, moment(count * again + index)), name.decode())


def statuses(count: int, seed: int, again: int) -> Iterator[Change]:
    """A PATCH of the status of an EVSE of each Location, in no order."""
    module, order = MODULES["locations"], list(range(count))
    Random(seed).shuffle(order)
    for index in order:
        name, text = location_id(index), patch_body(STATUSES[again % len(STATUSES)], moment(count * again + index))
        yield Change(
            module=module,
            purpose=Purpose.UPDATE,
            owner=CPO,
            ids=(name.decode(), evse_uid(name, 1).decode()),
            variant="",
            content=decode_json(text),
            text=text,
            at=_START,
        )


def cdrs(count: int, seed: int = 1) -> Iterator[Change]:
    """CDRs to the hub, for some payers in turn: their ids are UUIDs, and their signatures cannot be compressed."""
    payers, random = [_party(index) for index in range(PAYERS)], Random(seed)
    templates = [cdr_template(payer=payer) for payer in payers]
    for index in range(count):
        name, payer = _uuid(random), payers[index % PAYERS]
        text = templates[index % PAYERS].fill(name.encode(), moment(index))
        while SIGNED in text:
            text = text.replace(SIGNED, b64encode(random.randbytes(len(SIGNED) * 3 // 4)), 1)
        yield _replacement("cdrs", text, name, addressee=payer, debtor=payer, payer=payer)


def sessions(count: int, minutes: int = 0) -> Iterator[Change]:
    """Session PUTs to the hub, as they stand some minutes after their start."""
    form, random = json.loads((_OBJECTS / "session.json").read_text()), Random(1)
    for index in range(count):
        payer, name = _party(index % PAYERS), _uuid(random)
        owned = {"country_code": CPO.country_code, "party_id": CPO.party_id, "id": name}
        at = moment(index + minutes * 60_000).decode()
        text = encode_json(form | owned | {"kwh": minutes * 0.25, "last_updated": at})
        yield _replacement("sessions", text, name, addressee=payer, debtor=payer)


def tokens(count: int) -> Iterator[Change]:
    """Token PUTs to the hub."""
    form, random = json.loads((_OBJECTS / "token.json").read_text()), Random(1)
    for index in range(count):
        uid, at = random.randbytes(7).hex().upper(), moment(index).decode()
        named = {"country_code": CPO.country_code, "party_id": CPO.party_id, "uid": uid, "last_updated": at}
        yield _replacement("tokens", encode_json(form | named), uid)


def _replacement(module_id: str, text: bytes, name: str, **more: Any) -> Change:
    content = decode_json(text)
    return Change(
        module=MODULES[module_id],
        purpose=Purpose.ADD if module_id == "cdrs" else Purpose.REPLACE,
        owner=CPO,
        ids=(name,),
        variant=MODULES[module_id].variant_of({}, content),
        content=content,
        text=text,
        at=_START,
        **more,
    )


def _uuid(random: Random) -> str:
    return str(UUID(bytes=random.randbytes(16), version=4))


def _party(index: int) -> Party:
    return Party("NL", f"P{index:02}")


# --- PostgreSQL ----------------------------------------------------------------------------


class Store:
    """A database of its own, and what writing into it costs."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.ledger = Ledger(self._database)
        self.copies = Copies(self._database.direct)
        self._admin = psycopg.connect(plain_url(url), autocommit=True)

    async def open(self) -> None:
        """Make the tables."""
        await self._database.migrate()
        self._admin.execute(
            "alter table copy set (autovacuum_enabled = off)"
        )  # its work would fall into one figure by chance

    async def close(self) -> None:
        """Close every connection."""
        await self.copies.close()
        await self._database.close()
        self._admin.close()

    async def cost(
        self, what: str, changes: Iterable[Change], *, at_once: int = AT_ONCE, is_cold: bool = False
    ) -> Cost:
        """Keep so many changes; `is_cold`: just after a checkpoint, when the first change of each page writes the page whole."""
        waiting = list(changes)
        if is_cold:
            self._admin.execute("checkpoint")
        wal, cpu = self._wal(), _cpu_of("postgres")
        await self.keep(waiting, at_once)
        count, used = len(waiting), _cpu_of("postgres") - cpu
        return Cost(what, count, (self._wal() - wal) / count, used / count * 1e6)

    async def keep(self, changes: Sequence[Change], at_once: int = AT_ONCE) -> None:
        """Keep changes, so many at a time."""
        for some in _batches(changes, at_once):
            await asyncio.gather(*(self.copies.keep(change) for change in some))

    async def first(self, what: str, changes: Iterable[Change]) -> Cost:
        """Fill an empty table; what is measured begins when the server knows that the table is not empty any more."""
        waiting = list(changes)
        begun = len(waiting) // 2
        await self.keep(waiting[:begun])
        self._admin.execute("analyze copy")
        return await self.cost(what, waiting[begun:])

    async def read_seconds(self, query: PageQuery, times: int) -> tuple[float, int]:
        """CPU seconds of PostgreSQL for a page, and its total."""
        before = _cpu_of("postgres")
        for _ in range(times):
            page = await self.copies.page(query)
        return (_cpu_of("postgres") - before) / times, page.total

    def sizes(self) -> list[tuple[str, int, int]]:
        """Each table, its overflow (TOAST) and each index: rows of the table, bytes."""
        found = []
        for name in _TABLES:
            self._admin.execute(f"vacuum (analyze) {name}".encode())
            rows = self._admin.execute(f"select count(*) from {name}".encode()).fetchone()
            assert rows is not None
            found += [(each[0], rows[0], each[1]) for each in self._admin.execute(_SIZES, {"table": name})]
        return [
            (f"{name} (overflow)" if name.startswith("pg_toast") else name, rows, size) for name, rows, size in found
        ]

    def hot_share(self) -> float:
        """The share of updates of copies that wrote no index."""
        self._admin.execute("select pg_stat_force_next_flush()")
        row = self._admin.execute(
            "select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables where relname = 'copy'"
        ).fetchone()
        assert row is not None
        return float(row[0] / max(1, row[1]))

    def _wal(self) -> int:
        row = self._admin.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        assert row is not None
        return int(row[0])


async def measure_store(url: str, module_id: str, count: int) -> str:
    """One kind of object in an empty database: what it costs and what it takes."""
    store = Store(url)
    await store.open()
    try:
        return "\n\n".join(await _KINDS[module_id](store, count))
    finally:
        await store.close()


async def _of_locations(store: Store, count: int) -> list[str]:
    costs = [await store.first("Location, first PUT", locations(count))]
    lines = [_sizes(store, "Locations")]
    few = count // FEW_SHARE
    costs += [
        await store.cost("status PATCH of all, after a checkpoint", statuses(count, 1, 1), is_cold=True),
        await store.cost("status PATCH of all once more", statuses(count, 2, 2)),
        await store.cost("status PATCH of few, after a checkpoint", _few(statuses(count, 3, 3), few), is_cold=True),
        await store.cost("status PATCH of few, one at a time", _few(statuses(count, 4, 4), few), at_once=1),
        await store.cost("Location PUT of few, after a checkpoint", _few(locations(count, 5), few), is_cold=True),
    ]
    lines.append(_sizes(store, "Locations after these changes, vacuumed only then"))
    return [_costs(costs), *lines, f"changes that wrote no index: {number(store.hot_share())}"]


async def _of_cdrs(store: Store, count: int) -> list[str]:
    costs = [await store.first("CDR POST", cdrs(count))]
    lines = [_sizes(store, "CDRs, all of them due")]
    one_by_one = cdrs(count // FEW_SHARE, seed=2)
    costs.append(await store.cost("CDR POST after a checkpoint, one at a time", one_by_one, at_once=1, is_cold=True))
    return [_costs(costs), *lines, *await _reads(store, count), await _counts(store), *await _money(store)]


async def _of_sessions(store: Store, count: int) -> list[str]:
    costs = [await store.first("Session, first PUT", sessions(count))]
    lines = [_sizes(store, "Sessions")]
    few = list(sessions(count // FEW_SHARE, minutes=15))
    costs.append(await store.cost("Session PUT again, after a checkpoint", few, is_cold=True))
    few = list(sessions(count // FEW_SHARE, minutes=30))
    costs.append(await store.cost("Session PUT again, one at a time", few, at_once=1))
    return [_costs(costs), *lines]


async def _of_tokens(store: Store, count: int) -> list[str]:
    costs = [await store.first("Token, first PUT", tokens(count))]
    return [_costs(costs), _sizes(store, "Tokens")]


_KINDS = {"tokens": _of_tokens, "locations": _of_locations, "cdrs": _of_cdrs, "sessions": _of_sessions}


def _few(changes: Iterator[Change], count: int) -> list[Change]:
    """Some of the changes, spread over all."""
    every = list(changes)
    return every[:: max(1, len(every) // count)]


def _costs(costs: Iterable[Cost]) -> str:
    return table(("write", "writes", "WAL bytes", "PostgreSQL CPU µs"), (cost.cells() for cost in costs))


async def _reads(store: Store, count: int) -> list[str]:
    base: dict[str, Any] = {"module": MODULES["cdrs"], "sees_shared": True, "limit": 50}
    since: dict[str, Any] = {"date_from": _START + timedelta(milliseconds=count // 2)}
    lines = []
    for who, reader in (("a payer", _party(1)), ("the owner", CPO)):
        for what, more in (("no filter", dict[str, Any]()), ("date_from at half of all", since)):
            seconds, total = await store.read_seconds(PageQuery(**base, **more, reader=reader), PAGES)
            lines.append(
                f"page of 50 CDRs for {who}, {what}: PostgreSQL CPU {number(seconds * 1e6)} µs, total {total:,}"
            )
    return lines


async def _counts(store: Store) -> str:
    before = _cpu_of("postgres")
    for _ in range(PAGES):
        counted = await store.copies.count()
    used = (_cpu_of("postgres") - before) / PAGES / sum(counted.values())
    return f"the count of all copies on the operator's page: PostgreSQL CPU {number(used * 1e6)} µs a row"


async def _money(store: Store) -> list[str]:
    """The claims of all CDRs as a statement reads them, and due CDRs as the process that leads settles them."""
    month = (_START - timedelta(days=1), _START + timedelta(days=31))
    own, claims = time.process_time(), await store.ledger.claims(*month)
    own = time.process_time() - own
    del claims
    tracemalloc.start()
    claims = await store.ledger.claims(*month)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    lines = [
        f"claims of a statement: {number(memory / len(claims))} bytes, {number(own / len(claims) * 1e6)} µs of the hub each"
    ]
    own, database, start = time.process_time(), _cpu_of("postgres"), time.perf_counter()
    settled = 0
    for payer in list(await store.ledger.payers())[:DUE_PAYERS]:
        for due in await store.ledger.due(payer):
            await store.ledger.settle_due(due)
            settled += 1
    own, database, took = time.process_time() - own, _cpu_of("postgres") - database, time.perf_counter() - start
    each = [number(used / settled * 1e6) for used in (own, database, took)]
    return [
        *lines,
        f"a due CDR read and settled, without HTTP: hub CPU {each[0]} µs, PostgreSQL CPU {each[1]} µs, {each[2]} µs in all",
    ]


def _sizes(store: Store, what: str) -> str:
    rows = (
        (name, f"{rows:,}", f"{size:,}", number(size / rows) if rows else "")
        for name, rows, size in store.sizes()
        if size and rows
    )
    return f"{what}\n\n" + table(("relation", "rows", "bytes", "bytes a row"), rows)


# --- NATS ----------------------------------------------------------------------------------


class _Picture:
    """A roster that shows one directory."""

    def __init__(self, directory: Directory) -> None:
        self.directory, self.read_at = directory, datetime.now(UTC)

    async def reread(self) -> Directory:
        """What the tables say: the same."""
        return self.directory


class Carrier:
    """One process with its lanes; `taken` counts what it delivered. `is_taking` says whether it delivers at all."""

    def __init__(self, url: str, partners: Sequence[Partner]) -> None:
        members = tuple(
            Member(_party(one.id), Role.EMSP, one.name, Presence.CONNECTED, _START, one.id) for one in partners
        )
        picture: Any = _Picture(Directory(_HUB, {one.id: one for one in partners}, members))
        self.stream = Stream(url, _HUB)
        outcomes = (self._send, self._lose, lambda _: None)
        self.lanes = StreamLanes(self.stream, picture, SystemClock(), outcomes, max_messages=PUSHES)
        self.lanes.on_change(Directory(_HUB), picture.directory)
        self.taken = 0

    async def _send(self, call: Call) -> Answer:
        self.taken += 1
        return Answer(200, {}, b"")

    async def _lose(self, partner: Partner) -> None:
        raise AssertionError(partner.name)

    async def takes(self, count: int) -> None:
        """Wait until so many were delivered."""
        async with asyncio.timeout(TAKEN_WAIT_SECONDS):
            while self.taken < count:  # noqa: ASYNC110 - looked at rarely, to cost nothing
                await asyncio.sleep(LOOK_SECONDS)

    async def state(self) -> dict[str, Any]:
        """What the stream says of itself."""
        answer = await self.stream.api(f"STREAM.INFO.{self.stream.name}-LANES", {})
        found: dict[str, Any] = answer["state"]
        return found


async def measure_pushes(url: str, what: str, body: bytes) -> str:
    """Pushes of one body: bytes in the stream, then CPU of NATS and of this process for one on its way through."""
    partners = [_partner(number) for number in range(LANES)]
    carrier = Carrier(url, partners)
    await carrier.stream.start()
    try:
        await carrier.lanes.push_all(_parcels(partners, body, LANES))
        state = await carrier.state()
        waiting = state["bytes"] / state["messages"]
        await carrier.lanes.start()
        await carrier.takes(LANES)
        nats, own = _cpu_of("nats-server"), time.process_time()
        start = time.perf_counter()
        for pushed in range(LANES, LANES + PUSHES, BATCH_PUSHES):
            await carrier.takes(pushed - ROOM_PUSHES)
            await carrier.lanes.push_all(_parcels(partners, body, BATCH_PUSHES))
        await carrier.takes(LANES + PUSHES)
        nats, own, took = _cpu_of("nats-server") - nats, time.process_time() - own, time.perf_counter() - start
    finally:
        await carrier.lanes.close(1.0)
        await carrier.stream.close()
    return (
        f"{what} ({len(body):,} bytes): {number(waiting)} bytes in the stream; a push on its way through: NATS CPU "
        f"{number(nats / PUSHES * 1e6)} µs, hub CPU without HTTP {number(own / PUSHES * 1e6)} µs, {number(PUSHES / took)}/s"
    )


def _partner(index: int) -> Partner:
    base = f"https://p{index}.example/ocpi/2.2.1/locations"
    endpoints = {("locations", Interface.RECEIVER): base}
    return Partner(index, f"p{index}", "https://x.example", True, bytes([index]), "token", endpoints)


def _parcels(partners: Sequence[Partner], body: bytes, count: int) -> list[Parcel]:
    place = Place("locations", Interface.RECEIVER, "DE/BEN/L0000001/L0000001-1", "")
    headers = {
        "Content-Type": "application/json",
        "X-Request-ID": "c6b5a2ba-7cf2-4a3c-9b0e-3ff4f7ed1f11",
        "X-Correlation-ID": "c6b5a2ba-7cf2-4a3c-9b0e-3ff4f7ed1f12",
        "OCPI-from-country-code": "DE",
        "OCPI-from-party-id": "BEN",
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "P01",
    }
    made = []
    for index in range(count):
        to = partners[index % len(partners)]
        url = join_url(to.endpoints["locations", Interface.RECEIVER], place.suffix, place.query)
        call = Call(
            method="PUT", url=url, headers={"Authorization": to.authorization, **headers}, body=body, place=place
        )
        made.append(Parcel(name=str(_party(to.id)), partner=to, call=call))
    return made


# --- by hand -------------------------------------------------------------------------------


def _cpu_of(program: str) -> float:
    """CPU seconds of those below this process that run a program."""
    return sum(cpu_seconds(pid) for pid in descendants(os.getpid()) if _runs(pid, program))


def _runs(pid: int, program: str) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip().startswith(program)
    except FileNotFoundError:
        return False


def _batches(changes: Sequence[Change], most: int) -> Iterator[Sequence[Change]]:
    return (changes[start : start + most] for start in range(0, len(changes), most))


def _say(part: str) -> None:
    sys.stdout.write(part + "\n\n")
    sys.stdout.flush()


def report(count: int) -> None:
    """Print all figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory() as folder:
        for module_id in _KINDS:
            with attach_or_start(Path(folder) / module_id) as running:
                _run(measure_store(running.server.url, module_id, count), f"## {module_id}")
        name = location_id(1)
        bodies = {
            "EVSE status PATCH": patch_body(STATUSES[0], moment(1)),
            "Location PUT": location_template().fill(name, moment(1)),
        }
        for number_, (what, body) in enumerate(bodies.items()):
            with running_server(Path(folder) / f"nats-{number_}") as url:
                _run(measure_pushes(url, what, body), f"## {what} through lanes in NATS")


def _run(work: Awaitable[str], head: str) -> None:
    async def run() -> str:
        return await work

    _say(head)
    _say(asyncio.run(run()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.footprint")
    parser.add_argument("--objects", type=int, default=OBJECTS, help="how many of each kind are written")
    report(parser.parse_args().objects)
