"""A full crawl of all Locations by Link, one client, pages of 1,000; the copies are loaded straight into the hub's table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import psycopg

from hub.store.pack import pack
from hub.store.tables import CopyCountRow, CopyRow
from ocpi_modules.types import fold
from tests.benchmarks.feeds import CrawlFeed, GetFeed
from tests.benchmarks.figures import Detail, Figure, Report, Round, Row, number, ratio
from tests.benchmarks.load import drive
from tests.benchmarks.objects import CPO, location_id, location_template, moment
from tests.benchmarks.party import Member, join
from tests.benchmarks.processes import Program
from tests.benchmarks.stage import Options, naive_request, plain_url, require, say, stage
from tests.benchmarks.writes import READER

PAGE_OBJECTS = 1000
NAIVE_PAGES = 6
ENDS_SHARE = 20  # a twentieth of the pages at each end is compared
CRAWL_WAIT_SECONDS = 3600.0
QUICK_OBJECTS, FULL_OBJECTS = 100_000, 1_000_000


def crawl(options: Options) -> Report:
    """Every Location once, in pages that do not grow slower."""
    with stage(options) as made:
        hub, partners = made.hub(), made.partners(2)
        join(hub, "CPO", CPO, partners.base_url(0, "tokens.RECEIVER"))
        reader = join(hub, "NSP", READER, partners.base_url(1, "nothing"))
        say(f"loading {options.objects:,} Locations")
        load_copies(made.database_url, options.objects)
        hub = made.hub()  # what it may remember of its table is as old as its start
        naive = made.naive()
        load_naive(made.naive_database_url, options.objects)
        repeats = options.repeats if options.objects <= QUICK_OBJECTS else 1
        rounds = [crawl_once(hub, reader, options.objects) for _ in range(repeats)]
        sample = sample_naive(naive, options.objects)
    return _report(options.objects, rounds, sample)


def crawl_once(hub: Program, reader: Member, objects: int) -> Round:
    """One crawl; its seconds are those of the pages, without what this client does between two. Raises RuntimeError unless it is whole."""
    form, path = reader.follow("locations")
    feed, before = CrawlFeed(form, b"%b?limit=%d" % (path, PAGE_OBJECTS)), hub.cpu_seconds()
    run = drive(hub.port, [feed], CRAWL_WAIT_SECONDS)
    require(feed.is_done and len(feed.ids) == objects, f"the crawl ended after {len(feed.ids)} of {objects} Locations")
    require(len(set(feed.ids)) == objects, f"only {len(set(feed.ids))} of {objects} Locations are different")
    require(feed.totals == {b"%d" % objects}, f"the total was {feed.totals}")
    return Round(run.requests, sum(run.latencies), hub.cpu_seconds() - before, run.latencies)


def sample_naive(naive: Program, objects: int) -> Round:
    """Some pages of the obvious design, evenly spread: all of them would take too long."""
    step = max(PAGE_OBJECTS, objects // NAIVE_PAGES)
    paths = [b"?limit=%d&offset=%d" % (PAGE_OBJECTS, at) for at in range(0, objects - PAGE_OBJECTS + 1, step)]
    form, before, latencies = naive_request(naive, "GET", "/locations"), naive.cpu_seconds(), list[float]()
    for path in paths:
        feed = GetFeed(form, [path], lambda asked, head, body: body.count(b'"publish":') == PAGE_OBJECTS)
        latencies += drive(naive.port, [feed], seconds=0.0).latencies
    return Round(len(latencies), sum(latencies), naive.cpu_seconds() - before, latencies)


def last_to_first(latencies: Sequence[float]) -> float:
    """How much longer the last pages took than the first ones: medians of a twentieth of all pages at each end."""
    count = max(1, len(latencies) // ENDS_SHARE)
    return median(latencies[-count:]) / median(latencies[:count])


# --- loading ---------------------------------------------------------------------------------


def load_copies(url: str, objects: int) -> None:
    """Fill the hub's table of copies, and say how many there are: what is not set here, the database sets."""
    owner = {"module": "locations", "country_code": CPO.country_code, "party_id": CPO.party_id}
    row = owner | dict.fromkeys(("variant", "audience", "addressee"), "")
    columns = (*row, "key", "last_updated", "packed", "pushed_at")
    rows = ((*row.values(), fold(name), at, pack(text), at) for name, at, text in locations(objects))
    _copy_in(url, CopyRow.__tablename__, columns, rows)
    counted = owner | {"audience": "", "addressee": "", "slot": 0, "n": objects}
    _copy_in(url, CopyCountRow.__tablename__, tuple(counted), [tuple(counted.values())])


def load_naive(url: str, objects: int) -> None:
    """Fill the table of the obvious design."""
    rows = ((name, at, text.decode()) for name, at, text in locations(objects))
    _copy_in(url, "naive_location", ("id", "last_updated", "content"), rows)


def locations(objects: int) -> Iterator[tuple[str, datetime, bytes]]:
    """Id, moment and text of so many Locations."""
    template, start = location_template(), datetime(2026, 1, 1, tzinfo=UTC)
    for index in range(objects):
        name = location_id(index)
        yield name.decode(), start + timedelta(milliseconds=index), template.fill(name, moment(index))


def _copy_in(url: str, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        with connection.cursor().copy(f"copy {table} ({', '.join(columns)}) from stdin".encode()) as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute(f"vacuum (analyze) {table}".encode())


# --- the report ------------------------------------------------------------------------------


def _report(objects: int, rounds: Sequence[Round], naive: Round) -> Report:
    pages = objects / PAGE_OBJECTS
    seconds = Figure.of(each.seconds for each in rounds)
    growth = Figure.of(last_to_first(each.latencies) for each in rounds)
    naive_seconds = naive.seconds / naive.requests * pages
    row = Row(
        work=f"crawl of {objects:,} Locations by Link, one client, pages of {PAGE_OBJECTS:,}",
        naive=f"{number(naive_seconds)} s, from {naive.requests} pages",
        floor="30 s for a million",
        goal="18 s for a million; last page ≤ 1.2 × the first",
        measured=f"{seconds} s; last pages {growth} × the first",
        times_naive=ratio(naive_seconds, seconds.middle),
    )
    return Report("crawl", (row,), (Detail.of("crawl, hub", rounds), Detail.of("crawl, naive", [naive])))
