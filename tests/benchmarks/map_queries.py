"""What readers of the map ask, over HTTP, of a hub as an operator starts it with as many public Locations as one wants.

Locations are put into the database as the hub writes them; then the hub is started and asked: boxes, routes, tiles, one Location, a page of
open OCPI and DATEX II, one request at a time over loopback, from the request to the last byte. Beside boxes, routes and pages is the
same answer made without HTTP of a table with an index of latitudes and longitudes and the JSON of each Location, which is read and
written as GeoJSON. Along a route that is the box around it and a loop over what is there, which is run for some and reckoned for all.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import asinh, cos, pi, radians, tan
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import httpx
import numpy as np
import psycopg

from hub.demo.server import free_port
from hub.navigation.asking import LIMIT_MAX
from hub.navigation.geometry import Box
from hub.navigation.tiles import Address
from tests.benchmarks.figures import MILLISECONDS, Detail, Report, Round, Row, number, percentile, ratio
from tests.benchmarks.load import Run, drive
from tests.benchmarks.machine import on_all_cores, peak_memory_bytes
from tests.benchmarks.map_stock import furnish, location_id, owner_id
from tests.benchmarks.navigation import (
    BYTES_A_MEBIBYTE,
    CORRIDOR_METRES,
    HITS,
    LIMITS_MS,
    ROUTE_KM,
    ROUTE_POINTS,
    ZOOMS,
    made_up_points,
)
from tests.benchmarks.processes import Program, hub_database, hub_running
from tests.benchmarks.stage import Options, plain_url, require
from tests.navigation import naive

QUERIES = 200
ROUTES = 40
TILES = 60
NAIVE_QUERIES = 5
LOOPED_PLACES = 20
PAGE_LOCATIONS = 100
READY_WAIT_SECONDS = 120.0
READY_LOOK_SECONDS = 0.2
DRIVE_SECONDS_MAX = 300.0

IN_BOX = "select number, content from obvious_location where latitude between %s and %s and longitude between %s and %s"
PLACES_IN_BOX = IN_BOX.replace("content", "longitude, latitude", 1)
PAGE = "select number, content from obvious_location order by number offset %s limit %s"

Table = psycopg.Connection[Any]
Line = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of the same question put to the table: seconds, and how many there are (None where not all were looked at)."""

    seconds: float
    count: int | None = None


Ask = Callable[[Table], Told]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: a path and a body, and the same question to the table (None where it is not asked)."""

    path: str
    body: bytes = b""
    naive: Ask | None = None

    @property
    def request(self) -> bytes:
        """The whole request."""
        head = f"{'POST' if self.body else 'GET'} {self.path} HTTP/1.1\r\nHost: hub\r\n"
        said = f"Content-Type: application/geo+json\r\nContent-Length: {len(self.body)}\r\n" if self.body else ""
        return f"{head}{said}\r\n".encode() + self.body


@dataclass(frozen=True, slots=True)
class Kind:
    """Questions of one kind, and what was asked for at the 95th percentile (ms; None: nothing). `is_counted`: the answer says how many."""

    name: str
    queries: Sequence[Query]
    limit_ms: float | None = None
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """How long the answers took, how many Locations each found (empty where it does not say), and how long the table took (seconds)."""

    round: Round
    totals: Sequence[int]
    naive_seconds: float | None


class Queries:
    """A connection that asks each question once; `totals` is what the answers say that there is."""

    def __init__(self, kind: Kind) -> None:
        self._requests = iter([query.request for query in kind.queries])
        self._is_counted = kind.is_counted
        self.totals: list[int] = []

    def next(self) -> bytes:
        """The next question, once."""
        return next(self._requests, b"")

    def answered(self, head: bytes, body: bytes) -> bool:
        """Whether it is an answer, with what was counted."""
        if head[9:12] not in {b"200", b"204"}:
            return False
        if self._is_counted:
            self.totals.append(json.loads(body)["total"])
        return True


def map_queries(options: Options) -> Report:
    """All kinds, with as many Locations as `options` say."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpi-hub-bench-")))
        stack.enter_context(on_all_cores(options.cores))
        spots = furnish(folder, options.objects)
        env = {"HUB_MAP_ANONYMOUS_PER_SECOND": "10000"}
        hub = stack.enter_context(hub_running(folder, free_port(), options.cores, **env))
        began = perf_counter()
        await_map(hub.url)
        loaded_seconds = perf_counter() - began
        url = stack.enter_context(hub_database(folder))
        table = stack.enter_context(psycopg.connect(plain_url(url), autocommit=True))
        asked = list(kinds(spots))
        answered = [(kind, measured(hub.port, hub.cpu_seconds, kind, table)) for kind in asked]
        require_along(hub.url, table, next(query for kind in asked for query in kind.queries if query.body))
        remark = _remark(hub, options.objects, loaded_seconds)
    details = tuple(Detail.of(f"map, {kind.name}", [one.round]) for kind, one in answered)
    rows = tuple(row(kind, one, options.objects) for kind, one in answered)
    return Report("map-queries", rows, details, (remark,))


def await_map(url: str) -> None:
    """Until the hub has all Locations in memory. Raises RuntimeError."""
    until = perf_counter() + READY_WAIT_SECONDS
    while httpx.get(f"{url}/nav/v1/locations?bbox=1,50,1.1,50.1").status_code != 200:
        require(perf_counter() < until, "the map did not come up")
        sleep(READY_LOOK_SECONDS)


def _remark(hub: Program, count: int, loaded_seconds: float) -> str:
    peak = peak_memory_bytes(hub.process.pid) / BYTES_A_MEBIBYTE
    started = f"a hub with {count:,} Locations answers {number(loaded_seconds)} s after it started"
    return f"map-queries: {started}; the most that it held is {number(peak)} MiB"


# --- questions ----------------------------------------------------------------------------------


def kinds(spots: Any) -> Iterator[Kind]:
    """What is asked, in turn."""
    noise = np.random.default_rng(11)
    here = spots[noise.integers(0, len(spots), QUERIES)]
    boxes = [box_of_hits(spots, spot) for spot in here[:50]]
    asked = [Query(f"/nav/v1/locations?bbox={_corners(box)}", naive=_in_box(box)) for box in boxes] * (QUERIES // 50)
    yield Kind(f"box of some {HITS} hits", asked, LIMITS_MS["box"], is_counted=True)
    yield Kind(
        f"route of {ROUTE_KM} km and {ROUTE_POINTS:,} points, {CORRIDOR_METRES / 1000:g} km to each side",
        [_along(made_up_points(spot, seed).round(6)) for seed, spot in enumerate(here[:ROUTES])],
        LIMITS_MS["route"],
        is_counted=True,
    )
    yield from _tiles(here)
    numbers = noise.integers(1, len(spots) + 1, QUERIES).tolist()
    yield Kind("one Location in full", [_one(place) for place in numbers])
    offsets = noise.integers(0, max(1, len(spots) - PAGE_LOCATIONS), 50).tolist()
    yield Kind(f"page of {PAGE_LOCATIONS} in open OCPI", [_page(offset) for offset in offsets])
    status = [Query(f"/open/datex2/v3.7/status?bbox={_corners(box)}") for box in boxes]
    yield Kind(f"DATEX II status of some {HITS} Locations", status)


def box_of_hits(spots: Any, spot: Any) -> Box:
    """A box around a spot with some HITS hits, or fewer where nothing else is near."""
    half = 0.0005
    while half < 5 and len(_inside(spots, box := _box_around(spot, half))) < HITS:
        half *= 1.2
    return box


def _box_around(spot: Any, half: float) -> Box:
    longitude, latitude = float(spot[0]), float(spot[1])
    west, south = round(longitude - 1.5 * half, 6), round(latitude - half, 6)
    return Box(west, south, round(longitude + 1.5 * half, 6), round(latitude + half, 6))


def _inside(spots: Any, box: Box) -> Any:
    return np.flatnonzero(box.holds(spots[:, 0], spots[:, 1]))


def _corners(box: Box) -> str:
    return f"{box.west},{box.south},{box.east},{box.north}"


def _in_box(box: Box) -> Ask:
    return _counted(IN_BOX, (box.south, box.north, box.west, box.east))


def _counted(statement: str, values: Sequence[float]) -> Ask:
    def ask(table: Table) -> Told:
        began = perf_counter()
        rows = table.execute(statement.encode(), values).fetchall()
        plain_collection(content for _, content in rows)
        return Told(perf_counter() - began, len(rows))

    return ask


def plain_collection(contents: Iterable[str]) -> bytes:
    """A FeatureCollection of the JSON of some Locations."""
    return json.dumps({"type": "FeatureCollection", "features": [*map(_plain_feature, contents)]}).encode()


def _plain_feature(content: str) -> dict[str, Any]:
    one = json.loads(content)
    groups = Counter(
        (connector["standard"], connector["max_electric_power"], evse["status"])
        for evse in one["evses"]
        for connector in evse["connectors"]
    )
    shown = [
        {"connector": plug, "kw": watts / 1000, "status": status, "count": count}
        for (plug, watts, status), count in groups.items()
    ]
    properties = {name: one[name] for name in ("id", "name", "address", "city", "operator")} | {"summary": shown}
    point = {"type": "Point", "coordinates": [one["longitude"], one["latitude"]]}
    return {"type": "Feature", "id": one["number"], "geometry": point, "properties": properties}


def _along(points: Any) -> Query:
    line: list[list[float]] = points.tolist()
    body = json.dumps({"type": "LineString", "coordinates": line}).encode()
    return Query(
        f"/nav/v1/locations?corridor={CORRIDOR_METRES:g}", body, lambda table: Told(looped(table, line).seconds)
    )


def _tiles(here: Any) -> Iterator[Kind]:
    for zoom in ZOOMS:
        addresses = dict.fromkeys(_address(zoom, *spot) for spot in here[:TILES].tolist())
        asked = [Query(f"/nav/v1/tiles/{zoom}/{one.x}/{one.y}.mvt") for one in addresses]
        yield Kind(f"tile of zoom {zoom}, cold", asked, LIMITS_MS["cold"])
        yield Kind(f"tile of zoom {zoom}, cached", [Query(one.path) for one in asked] * 3, LIMITS_MS["cached"])


def _address(zoom: int, longitude: float, latitude: float) -> Address:
    size = 1 << zoom
    return Address(zoom, int((longitude + 180) / 360 * size), int((1 - asinh(tan(radians(latitude))) / pi) / 2 * size))


def _one(place: int) -> Query:
    return Query(f"/nav/v1/locations/DE/{owner_id(place)}/{location_id(place)}")


def _page(offset: int) -> Query:
    path = f"/open/ocpi/2.2.1/locations?offset={offset}&limit={PAGE_LOCATIONS}"
    return Query(path, naive=_counted(PAGE, [offset, PAGE_LOCATIONS]))


# --- the same along a route, said plainly -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Looped:
    """Of some places whether they are along a route, and how long the loop takes over all that are in the box around it (seconds)."""

    along: dict[int, bool]
    seconds: float


def looped(table: Table, line: Line) -> Looped:
    """The loop over LOOPED_PLACES of them or a few more, evenly spread."""
    began = perf_counter()
    points = [(longitude, latitude) for longitude, latitude in line]
    rows = table.execute(PLACES_IN_BOX.encode(), _around(points)).fetchall()
    read_seconds, began = perf_counter() - began, perf_counter()
    some = rows[:: max(1, len(rows) // LOOPED_PLACES)]
    along = {place: naive.foot(points, spot).offset_m <= CORRIDOR_METRES for place, *spot in some}
    each_seconds = (perf_counter() - began) / max(1, len(along))
    return Looped(along, read_seconds + each_seconds * len(rows))


def _around(points: Sequence[naive.Spot]) -> tuple[float, float, float, float]:
    """South, north, west and east of all that may be in the corridor."""
    east, north = np.array(points).T
    height = CORRIDOR_METRES / 111_000
    width = height / cos(radians(min(89.0, float(np.abs(north).max()) + height)))
    return (
        float(north.min()) - height,
        float(north.max()) + height,
        float(east.min()) - width,
        float(east.max()) + width,
    )


def _found_along(url: str, query: Query) -> Iterator[int]:
    offset: int | None = 0
    while offset is not None:
        path = f"{query.path}&limit={LIMIT_MAX}&offset={offset}"
        answer = httpx.post(url + path, content=query.body, timeout=READY_WAIT_SECONDS).json()
        yield from (feature["id"] for feature in answer["features"])
        offset = answer.get("next_offset")


def require_along(url: str, table: Table, query: Query) -> int:
    """The hub finds along a route what the loop finds. Returns how many places that looked at; raises RuntimeError."""
    found = set(_found_along(url, query))
    along = looped(table, json.loads(query.body)["coordinates"]).along
    wrong = {place for place, is_along in along.items() if is_along != (place in found)}
    require(not wrong, f"the hub finds something else along a route than the loop: {sorted(wrong)[:5]}")
    return len(along)


# --- what came of it ----------------------------------------------------------------------------


def measured(port: int, cpu_seconds: Callable[[], float], kind: Kind, table: Table) -> Answered:
    """Ask everything once, and some of it of the table. Raises RuntimeError where both count otherwise."""
    feed = Queries(kind)
    before = cpu_seconds()
    run: Run = drive(port, [feed], DRIVE_SECONDS_MAX)
    one = Round(run.requests, run.seconds, cpu_seconds() - before, run.latencies)
    told = [query.naive(table) for query in kind.queries[:NAIVE_QUERIES] if query.naive is not None]
    for total, other in zip(feed.totals, told, strict=False):
        require(other.count in {None, total}, f"{kind.name}: the hub counts {total}, the table {other.count}")
    return Answered(one, feed.totals, median(one.seconds for one in told) if told else None)


def row(kind: Kind, answered: Answered, count: int) -> Row:
    """Beside what was asked for and the table."""
    one, naive_seconds = answered.round, answered.naive_seconds
    p50, p95 = (percentile(one.latencies, share) * MILLISECONDS for share in (0.5, 0.95))
    naive_ms = None if naive_seconds is None else naive_seconds * MILLISECONDS
    found = f"; {median(answered.totals):,.0f} found" if answered.totals else ""
    return Row(
        work=f"{kind.name}, over HTTP, of {count:,} Locations",
        naive="–" if naive_ms is None else f"{number(naive_ms)} ms",
        floor="–" if kind.limit_ms is None else f"{kind.limit_ms:g} ms (p95)",
        goal="–",
        measured=f"{number(p50)} ms, p95 {number(p95)} ms; CPU {number(one.cpu_us / 1000)} ms{found}",
        times_naive="–" if naive_ms is None else f"{ratio(naive_ms, p50)} as fast",
        times_limit="–" if kind.limit_ms is None else f"{ratio(kind.limit_ms, p95)} as fast",
    )
