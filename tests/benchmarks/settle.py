"""A month from CDRs as the hub keeps them to a sealed period, in the real database: price, check, post, state, net, seal.

Each stage is timed: wall, CPU of the hub (all its processes) and CPU of PostgreSQL, beside reading the rows once. At the end
the books have to be right: the checklist is met, the seal verifies, net positions add up to zero. Nothing is pinned: two cores for all.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import psycopg

from hub.settings import Settings
from hub.settlement.agreements import Agreements
from hub.settlement.engine import Closing, Settler, open_books, open_closing
from hub.settlement.engine.crew import Crew, Means
from hub.store.database import Database
from hub.store.embedded import attach_or_start
from hub.store.pack import unpack
from hub.store.secrets import SealKey
from tests.benchmarks.figures import MICROSECONDS, Detail, Report, Round, Row, number, ratio, table
from tests.benchmarks.machine import (
    on_all_cores,
    peak_memory_bytes,
    peak_memory_of_children_bytes,
    tree_cpu_seconds,
)
from tests.benchmarks.month_rows import seed
from tests.benchmarks.stage import Options, plain_url, require, say

PERIOD = "2026-10"
AFTER_CLOSE = datetime(2026, 11, 5, 18, 0, 1, tzinfo=UTC)
QUICK_CDRS, FULL_CDRS = 10_000, 1_000_000
READ_AT_ONCE = 5_000

READ, SETTLE, SEAL, VERIFY = "read the rows once", "price, check, post", "seal", "verify"
CLOSING = ("cut off", "draft statements", "advise", "net", "close", SEAL)
WORK = (SETTLE, *CLOSING)

COLUMNS = ("stage", "s", "µs a CDR", "to reading once", "CPU s, hub", "CPU s, PostgreSQL", "peak MB, one process")
FLOOR, GOAL = "240 s for a million, 2 GB", "120 s for a million"

_READ = (
    "select c.packed from claim join copy c on c.module || '' = 'cdrs' and c.audience || '' = '' and c.variant = '' "
    "and c.key = claim.cdr_key and c.country_code || '/' || c.party_id = claim.creditor order by claim.accepted_at"
)


class AfterTheMonth:
    """The moment at which everything is done."""

    def now(self) -> datetime:
        """A second after the period closes."""
        return AFTER_CLOSE


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage took: wall, CPU of the hub's process and of PostgreSQL, the peak memory
    of the largest process so far, its calls.
    """

    name: str
    seconds: float
    cpu_seconds: float
    database_cpu_seconds: float
    peak_bytes: int
    calls: tuple[float, ...]

    def cells(self, cdrs: int, read: Stage) -> list[str]:
        """As a row of the table of stages."""
        return [
            self.name,
            number(self.seconds),
            number(self.seconds / cdrs * MICROSECONDS),
            ratio(self.seconds, read.seconds),
            number(self.cpu_seconds),
            number(self.database_cpu_seconds),
            number(self.peak_bytes / 1e6),
        ]


def settle(options: Options) -> Report:
    """The whole way."""
    return settle_of(options, options.cdrs)


def settle_of(options: Options, cdrs: int) -> Report:
    """The same with so many CDRs. Raises RuntimeError when the books are not right at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpi-hub-bench-")))
        stack.enter_context(on_all_cores(options.cores))
        url = stack.enter_context(attach_or_start(folder)).server.url
        asyncio.run(_migrate(url))
        say(f"making a month of {cdrs:,} CDRs")
        began = perf_counter()
        seed(url, cdrs)
        say(f"made in {perf_counter() - began:,.0f} s")
        stages = _in_a_fresh_process(url, _server_pid(folder))
    say(stage_table(stages, cdrs))
    return report_of(stages, cdrs)


def _server_pid(folder: Path) -> int:
    """The first process of the PostgreSQL of a folder."""
    (told,) = folder.rglob("postmaster.pid")
    return int(told.read_text().split("\n", 1)[0])


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()


def _in_a_fresh_process(url: str, server: int) -> list[Stage]:
    """The stages in a process whose memory holds nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as hub:
        return hub.submit(run_stages, url, server).result()


# --- what is measured ------------------------------------------------------------------------


def run_stages(url: str, server: int) -> list[Stage]:
    """All stages in this process; `server` is the first process of PostgreSQL."""
    return asyncio.run(_run_stages(url, server))


async def _run_stages(url: str, server: int) -> list[Stage]:
    database, meter = Database(url), Meter(server)
    try:
        office = _office(database)
        await meter.measure(READ, lambda: asyncio.to_thread(_read_once, url))
        crew = _crew(database, url)
        await meter.measure(SETTLE, crew.settle_due, until_nothing_is_left=True)
        crew.close()
        for name, steps in _closing_steps(office).items():
            await meter.measure(name, *steps)
        await meter.measure(VERIFY, lambda: require_right(office))
    finally:
        await database.close()
    return meter.stages


class Meter:
    """Times stages."""

    def __init__(self, server: int) -> None:
        self._server = server
        self.stages: list[Stage] = []

    async def measure(
        self, name: str, *works: Callable[[], Awaitable[object]], until_nothing_is_left: bool = False
    ) -> None:
        """Do some works and keep what they took; one of which some is left after each call is done until it returns nothing."""
        before, calls = self._cpu(), list[float]()
        for work in works:
            calls.append(began := perf_counter())
            while await work() and until_nothing_is_left:
                calls[-1], began = perf_counter() - began, perf_counter()
                calls.append(0.0)
            calls[-1] = perf_counter() - began
        own, theirs = (now - then for now, then in zip(self._cpu(), before, strict=True))
        peak = max(peak_memory_bytes(), peak_memory_of_children_bytes())
        stage = Stage(name, sum(calls), own, theirs, peak, tuple(calls))
        say(f"{name}: {number(stage.seconds)} s")
        self.stages.append(stage)

    def _cpu(self) -> tuple[float, float]:
        return tree_cpu_seconds(os.getpid()), tree_cpu_seconds(self._server)


def _crew(database: Database, url: str) -> Crew:
    clock = AfterTheMonth()
    settler = Settler(open_books(database.direct, clock), clock, Agreements())
    return Crew(settler, Means(url=url, clock=clock, agreements=Agreements()), settings_default("settle_processes"))


def settings_default(name: str) -> int:
    """What a number is when nobody sets it."""
    return int(Settings.model_fields[name].default)


def _office(database: Database) -> Closing:
    return open_closing(database.direct, AfterTheMonth(), _in_force, SealKey(b"a key of the benchmarks"))


async def _in_force() -> Agreements:
    return Agreements()


def _closing_steps(office: Closing) -> dict[str, Sequence[Callable[[], Awaitable[object]]]]:
    """The steps of the period, each by whoever takes it; closing takes two."""
    steps: list[Sequence[Callable[[], Awaitable[object]]]] = [
        [lambda: office.cut_off(PERIOD, "Ada")],
        [lambda: office.draft(PERIOD, "Ada")],
        [lambda: office.advise(PERIOD, "Ada")],
        [lambda: office.net(PERIOD, "Ada")],
        [lambda: office.close(PERIOD, "Ada"), lambda: office.close(PERIOD, "Bo")],
        [lambda: office.seal(PERIOD, "Ada")],
    ]
    return dict(zip(CLOSING, steps, strict=True))


def _read_once(url: str) -> None:
    with psycopg.connect(plain_url(url)) as connection, connection.cursor("once", binary=True) as cursor:
        cursor.itersize = READ_AT_ONCE
        cursor.execute(_READ.encode())
        for (packed,) in cursor:
            unpack(packed)


# --- the books are right ---------------------------------------------------------------------


async def require_right(office: Closing) -> None:
    """The seal holds, the checklist is met, and net positions add up to zero in every currency. Raises RuntimeError."""
    faults, view, net = await office.faults_of(PERIOD), await office.view(PERIOD), await office.net_of(PERIOD)
    require(not faults, lambda: f"the seal does not hold: {faults}")
    unmet = [item.sentence for item in view.counts.items if not item.is_met]
    require(not unmet, lambda: f"the checklist is not met: {unmet}")
    require(bool(net["is_final"] and net["net"]), "nothing was netted")
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in net["net"]:
        sums[one["currency"]] += Decimal(one["excl_vat"])
    require(not any(sums.values()), lambda: f"net positions add up to {dict(sums)}")


# --- the report ------------------------------------------------------------------------------


def stage_table(stages: Sequence[Stage], cdrs: int) -> str:
    """What every stage took."""
    read, *_ = stages
    return table(COLUMNS, (stage.cells(cdrs, read) for stage in (*stages, whole_of(stages))))


def whole_of(stages: Sequence[Stage]) -> Stage:
    """All the work of settlement as one, without what is only there to compare and to verify."""
    works = [stage for stage in stages if stage.name in WORK]
    return Stage(
        "all",
        sum(work.seconds for work in works),
        sum(work.cpu_seconds for work in works),
        sum(work.database_cpu_seconds for work in works),
        max(work.peak_bytes for work in works),
        tuple(work.seconds for work in works),
    )


def report_of(stages: Sequence[Stage], cdrs: int) -> Report:
    """The whole beside what was asked for, and every stage."""
    whole, read = whole_of(stages), stages[0]
    row = Row(
        work=f"settlement of {cdrs:,} CDRs, 300 pairs, three currencies: price, check, post, state, net, seal",
        naive="–",
        floor=FLOOR,
        goal=GOAL,
        measured=f"{number(whole.seconds)} s, {number(whole.seconds / cdrs * MICROSECONDS)} µs a CDR, {number(whole.peak_bytes / 1e6)} MB",
        times_limit=f"{ratio(whole.seconds, read.seconds)} reading the rows once",
    )
    details = tuple(_detail(stage, cdrs) for stage in (*stages, whole))
    return Report("settle", (row,), details, (remark(stages, cdrs),))


def _detail(stage: Stage, cdrs: int) -> Detail:
    """A request is a CDR here, a latency that of a call: a batch, or a whole step."""
    return Detail.of(f"settle, {stage.name}", [Round(cdrs, stage.seconds, stage.cpu_seconds, stage.calls)])


def remark(stages: Sequence[Stage], cdrs: int) -> str:
    """What a stage takes of reading the rows once, in one sentence."""
    read = stages[0]
    took = ", ".join(f"{one.name} {number(one.seconds)} s ({ratio(one.seconds, read.seconds)})" for one in stages)
    database = number(whole_of(stages).database_cpu_seconds / cdrs * MICROSECONDS)
    return (
        f"Settlement of {cdrs:,} CDRs by stage, and to reading the rows once: {took}; PostgreSQL took {database} µs CPU a CDR. "
        "The checklist was met, the seal verified, net positions added up to zero."
    )
