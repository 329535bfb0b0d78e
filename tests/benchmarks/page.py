"""A page of 50 Locations (about 220 kB) from the copies, over 8 connections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tests.benchmarks.feeds import LOCATIONS_PER_CONNECTION, GetFeed, StatusFeed, locations_of
from tests.benchmarks.figures import Detail, Report, Row, number, ratio
from tests.benchmarks.load import drive
from tests.benchmarks.party import RequestForm
from tests.benchmarks.processes import Program
from tests.benchmarks.stage import Options, naive_request, require, stage
from tests.benchmarks.writes import (
    CONNECTIONS,
    OWNER_PATH,
    Crew,
    acknowledged_statuses,
    gather,
    put_locations,
    require_same,
    statuses_in,
)

PAGE_OBJECTS = 50
READERS = 8
LOCATIONS = CONNECTIONS * LOCATIONS_PER_CONNECTION
PAGE_BYTES = 220_000
CHANGES = 20
CHANGE_WAIT_SECONDS = 10.0

FirstIds = Mapping[bytes, bytes]


def page(options: Options) -> Report:
    """Pages in turn, each checked: how many Locations, which one is first, how many there are in all."""
    with stage(options) as made:
        crew = gather(made, "--page", str(PAGE_BYTES))
        hub_form, naive_form = crew.reader.pull("locations"), naive_request(crew.naive, "GET", "/locations")
        put_locations(crew.hub, crew.cpo.push("PUT", "locations", below=OWNER_PATH), CONNECTIONS)
        put_locations(crew.naive, naive_request(crew.naive, "PUT", f"/locations{OWNER_PATH}"), CONNECTIONS)
        hub_feeds, naive_feeds = _feeds(hub_form, crew.hub), _feeds(naive_form, crew.naive)
        limit = [GetFeed(naive_form, paths(), lambda asked, head, body: True) for _ in range(READERS)]
        rounds = made.measure(*crew.subjects(hub_feeds, naive_feeds, limit))
        require_fresh(crew)
    hub, naive, limit_ = (
        Detail.of(f"page, {who}", each) for who, each in zip(("hub", "naive", "limit"), rounds, strict=True)
    )
    row = Row(
        work="page of 50 Locations (220 kB), 8 connections",
        naive=f"{number(naive.rate.middle)}/s, {number(naive.cpu_us.middle)} µs CPU",
        floor="400 µs CPU",
        goal="250 µs CPU",
        measured=f"{hub.cpu_us} µs CPU, {hub.rate}/s",
        times_naive=ratio(naive.cpu_us.middle, hub.cpu_us.middle),
        times_limit=ratio(limit_.cpu_us.middle, hub.cpu_us.middle),
    )
    return Report("page", (row,), (hub, naive, limit_))


def paths() -> list[bytes]:
    """Every full page."""
    return [b"?limit=%d&offset=%d" % (PAGE_OBJECTS, at) for at in range(0, LOCATIONS - PAGE_OBJECTS + 1, PAGE_OBJECTS)]


def is_page(first_ids: FirstIds, asked: bytes, head: bytes, body: bytes) -> bool:
    """Whether an answer is the page that was asked for: 50 Locations, the known one first, and the total in the head."""
    start = body.find(b'"id":"') + len(b'"id":"')
    is_first = body.startswith(first_ids[asked] + b'"', start)
    return is_first and body.count(b'"publish":') == PAGE_OBJECTS and b": %d\r\n" % LOCATIONS in head + b"\r\n"


def require_fresh(crew: Crew) -> None:
    """After each of some PATCHes the pages show it. Raises RuntimeError: a page from a cache is only good while it is true."""
    feed = StatusFeed(crew.cpo.push("PATCH", "locations", below=OWNER_PATH), locations_of(0))
    for _ in range(CHANGES):
        drive(crew.hub.port, [feed], seconds=0.0)
        shown = statuses_in(crew.reader.crawl("locations"))
        require_same(acknowledged_statuses([feed]), shown, "page after a PATCH")


def _feeds(form: RequestForm, program: Program) -> list[GetFeed]:
    first_ids = _first_ids(form, program)
    return [
        GetFeed(form, paths(), lambda asked, head, body: is_page(first_ids, asked, head, body)) for _ in range(READERS)
    ]


def _first_ids(form: RequestForm, program: Program) -> FirstIds:
    """What every page begins with; all pages together hold different Locations only. Raises RuntimeError."""
    read: dict[bytes, Sequence[str]] = {}

    def note(asked: bytes, head: bytes, body: bytes) -> bool:
        read[asked] = [one["id"] for one in json.loads(body)["data"]]
        return True

    feed = GetFeed(form, paths(), note)
    while len(read) < len(paths()):
        drive(program.port, [feed], seconds=0.0)
    ids = [one for page_ids in read.values() for one in page_ids]
    require(len(set(ids)) == len(ids) == len(paths()) * PAGE_OBJECTS, "the pages overlap, or some are not full")
    return {asked: page_ids[0].encode() for asked, page_ids in read.items()}
