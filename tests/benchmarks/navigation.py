"""The index of public Locations in one process on one core: boxes, circles, routes, tiles, and what it takes to load it.

Locations are made up: towns all over Europe, a few of them large, with three EVSEs a Location. Beside each search is the same one done by a
loop over all Locations in Python, in the same run; along a route the loop is run for some Locations and reckoned for all. Each
search has to find what the loop finds.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from math import cos, radians
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from hub.navigation.entry import ALWAYS, Entry, Group, Kind, Vehicles, pack_entry
from hub.navigation.geometry import Box
from hub.navigation.index import Index, Numbered
from hub.navigation.route import Route
from hub.navigation.tiles import Address, TileCache, box_of, tile_of
from tests.benchmarks.figures import MILLISECONDS, Detail, Report, Round, Row, number, percentile, ratio
from tests.benchmarks.price import on_the_measured_core
from tests.benchmarks.stage import Options, require
from tests.navigation import naive
from tests.navigation.naive import Spot

TOWNS = 3_000
EVSES = 3
HITS = 100
QUERIES = 400
ROUTE_POINTS, ROUTE_KM, CORRIDOR_METRES = 5_000, 450, 2_000.0
ROUTES = 20
LOOPED_PLACES = 40
ZOOMS = (4, 8, 10, 12)
BYTES_A_MEBIBYTE = 1 << 20

LIMITS_MS = {"box": 10.0, "near": 10.0, "route": 50.0, "cold": 150.0, "cached": 20.0}
"""What is asked for at the 95th percentile."""


@dataclass(frozen=True, slots=True)
class Stock:
    """The index, where all Locations are, and what loading took."""

    index: Index
    spots: dict[int, Spot]
    load_cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Search:
    """One that is measured: what is asked each time, how often, and how long the loop takes for one (seconds)."""

    name: str
    limit: str
    asks: Sequence[Callable[[], int]]
    times: int
    loop_seconds: float | None = None
    unit: str = "found"


@dataclass(frozen=True, slots=True)
class Answered:
    """How long it took, and how much came of it on average."""

    round: Round
    mean: float


def navigation(options: Options) -> Report:
    """With as many Locations as `options` say."""
    with on_the_measured_core(options):
        stock = stocked(options.objects)
        rounds = [(search, _measured(search)) for search in (*_searches(stock), *_tiles(stock))]
        remarks = _remarks(stock)
    details = tuple(Detail.of(f"navigation, {search.name}", [one.round]) for search, one in rounds)
    rows = tuple(_row(search, one, len(stock.index)) for search, one in rounds)
    return Report("navigation", rows, details, remarks)


# --- Locations ----------------------------------------------------------------------------------


def stocked(count: int) -> Stock:
    """An index of made-up Locations, loaded as at a start."""
    spots = made_up_spots(count)
    gc.collect()
    before = resident_bytes()
    rows = _Timed(_rows(spots))
    began = process_time()
    index = Index.load(rows)
    took = process_time() - began - rows.seconds
    resident = resident_bytes() - before
    return Stock(index, dict(enumerate(zip(*(column.tolist() for column in spots.T), strict=True))), took, resident)


def made_up_spots(count: int) -> Any:
    """Longitudes and latitudes: towns from Lisbon to Helsinki, the larger the wider."""
    noise = np.random.default_rng(8)
    towns = noise.uniform((-9.0, 38.0), (28.0, 60.0), (TOWNS, 2))
    sizes = 1 / np.arange(20, TOWNS + 20) ** 0.8
    chosen = noise.choice(TOWNS, count, p=sizes / sizes.sum())
    widths = 0.02 + 0.25 * np.sqrt(sizes / sizes[0])[chosen]
    beside = noise.normal(0, 1, (count, 2)) * widths[:, None] * (1.5, 1.0)
    return (towns[chosen] + beside).round(6)


def _rows(spots: Any) -> Iterator[Numbered]:
    kinds = [
        Kind(standard, watts, current, payments, Vehicles.CAR | Vehicles.MOTORCYCLE)
        for standard, watts, current in (
            ("IEC_62196_T2", 11_000, "AC_3_PHASE"),
            ("IEC_62196_T2", 22_000, "AC_3_PHASE"),
            ("IEC_62196_T2_COMBO", 150_000, "DC"),
            ("IEC_62196_T2_COMBO", 300_000, "DC"),
        )
        for payments in (64, 66, 98)
    ]
    for place, (longitude, latitude) in enumerate(spots.tolist()):
        party, free = f"DE/{place % 400:03d}", place % (EVSES + 1)
        groups = (
            Group(kinds[place % len(kinds)], (f"T{place % 5_000}",), 1, min(free, 1), 0, 1_770_000_000 + place),
            Group(kinds[(place + 5) % len(kinds)], ("T1",), 2, max(free - 1, 0), 0, 1_770_000_000 + place),
        )
        entry = Entry(longitude, latitude, party, f"Operator {place % 700}", ALWAYS, EVSES, free, 0, 0, groups)
        yield place, place + 1, pack_entry(entry)


class _Timed(Iterator[Numbered]):
    """Rows, and how long it took to make them."""

    def __init__(self, rows: Iterator[Numbered]) -> None:
        self._rows, self.seconds = rows, 0.0
        self._batch: Iterator[Numbered] = iter(())

    def __next__(self) -> Numbered:
        row: Numbered | None = next(self._batch, None)
        if row is None:
            began = process_time()
            batch = list(islice(self._rows, 5_000))
            self.seconds += process_time() - began
            self._batch = iter(batch)
            row = next(self._batch)
        return row


def resident_bytes() -> int:
    """What the process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


# --- searches -----------------------------------------------------------------------------------


def _searches(stock: Stock) -> Iterator[Search]:
    index, noise = stock.index, np.random.default_rng(9)
    here = [stock.spots[place] for place in noise.integers(0, len(index), 50).tolist()]
    boxes = [box_of_hits(index, spot) for spot in here]
    asks = [partial(_in_box, index, box) for box in boxes]
    yield Search(f"box of some {HITS} hits", "box", asks, QUERIES, _loop_box(stock, boxes[0]))
    radii = [(spot, _radius_of(box)) for spot, box in zip(here, boxes, strict=True)]
    asks = [partial(_in_circle, index, spot, metres) for spot, metres in radii]
    yield Search("circle of as many, by distance", "near", asks, QUERIES, _loop_near(stock, *radii[0]))
    routes = [made_up_route(spot, seed) for seed, spot in enumerate(here[:ROUTES])]
    asks = [partial(_in_corridor, index, route) for route in routes]
    name = f"route of {ROUTE_KM} km and {ROUTE_POINTS:,} points, {CORRIDOR_METRES / 1000:g} km to each side"
    yield Search(name, "route", asks, 3 * ROUTES, _loop_route(stock, routes[0]()))


def _in_box(index: Index, box: Box) -> int:
    return len(index.within(box))


def _in_circle(index: Index, spot: Spot, radius_m: float) -> int:
    return len(index.near(spot[1], spot[0], radius_m).numbers)


def _in_corridor(index: Index, route: Callable[[], Route]) -> int:
    return len(index.along(route(), CORRIDOR_METRES).numbers)


def _in_tile(index: Index, address: Address) -> int:
    return len(tile_of(index, address))


def _in_cached_tile(cache: TileCache, address: Address) -> int:
    return len(cache.tile(address, 0.0).content)


def box_of_hits(index: Index, spot: Spot) -> Box:
    """A box around a spot with HITS hits or somewhat more."""
    half = 0.0005
    while len(index.within(box := _box_around(spot, half))) < HITS and half < 5:
        half *= 1.2
    return box


def _box_around(spot: Spot, half: float) -> Box:
    return Box(spot[0] - 1.5 * half, spot[1] - half, spot[0] + 1.5 * half, spot[1] + half)


def _radius_of(box: Box) -> float:
    return (box.north - box.south) / 2 * 111_195


def made_up_route(start: Spot, seed: int) -> Callable[[], Route]:
    """A made-up road, read anew each time as in a request."""
    points = made_up_points(start, seed)
    return lambda: Route.of(points[:, 0], points[:, 1])


def made_up_points(start: Spot, seed: int) -> Any:
    """A road with bends of all sizes from somewhere towards the middle of the continent: longitudes and latitudes."""
    noise = np.random.default_rng(seed)
    bends = np.cumsum(noise.normal(0, 1, (2, ROUTE_POINTS)), axis=1) * 0.0003
    away = np.array((10.0, 50.0)) - start
    scale = ROUTE_KM * 1000 / 111_195 / max(0.1, float(np.hypot(away[0] * cos(radians(start[1])), away[1])))
    share = np.linspace(0, scale, ROUTE_POINTS)
    east, north = start[0] + away[0] * share + bends[0], start[1] + away[1] * share + bends[1]
    return np.column_stack((east, north))


def _loop_box(stock: Stock, box: Box) -> float:
    began = perf_counter()
    found = naive.within(stock.spots, box.west, box.south, box.east, box.north)
    took = perf_counter() - began
    require(found == stock.index.within(box).tolist(), "the index finds something else in a box than the loop")
    return took


def _loop_near(stock: Stock, spot: Spot, radius_m: float) -> float:
    began = perf_counter()
    found = naive.near(stock.spots, spot, radius_m)
    took = perf_counter() - began
    numbers = stock.index.near(spot[1], spot[0], radius_m).numbers.tolist()
    require(
        sorted(place for _, place in found) == sorted(numbers),
        "the index finds something else in a circle than the loop",
    )
    return took


def _loop_route(stock: Stock, route: Route) -> float:
    """Reckoned from some Locations, half of which are along the route."""
    line = list(zip(route.longitudes.tolist(), route.latitudes.tolist(), strict=True))
    found = set(stock.index.along(route, CORRIDOR_METRES).numbers.tolist())
    looked_at = list(islice(found, LOOPED_PLACES // 2)) + list(range(LOOPED_PLACES // 2))
    began = perf_counter()
    feet = {place: naive.foot(line, stock.spots[place]) for place in looked_at}
    took = perf_counter() - began
    near = {place for place, foot in feet.items() if foot.offset_m <= CORRIDOR_METRES}
    require(near == found & feet.keys(), "the index finds something else along a route than the loop")
    return took / len(feet) * len(stock.spots)


def _tiles(stock: Stock) -> Iterator[Search]:
    index = stock.index
    for zoom in ZOOMS:
        addresses = _tiles_with_most(index, zoom)
        looped = _loop_tile(stock, addresses[0])
        cold = [partial(_in_tile, index, address) for address in addresses]
        yield Search(f"tile of zoom {zoom}, cold", "cold", cold, 60, looped, "bytes")
        cache = TileCache(index)
        cached = [partial(_in_cached_tile, cache, address) for address in addresses]
        for ask in cached:
            ask()
        yield Search(f"tile of zoom {zoom}, cached", "cached", cached, QUERIES, unit="bytes")


def _tiles_with_most(index: Index, zoom: int) -> list[Address]:
    rows = index.rows()
    x, y = (column[rows].astype(np.int64) >> (32 - zoom) for column in (index.places.x, index.places.y))
    keys, counts = np.unique((y << zoom) + x, return_counts=True)
    most = keys[np.argsort(-counts)][:20].tolist()
    return [Address(zoom, key & ((1 << zoom) - 1), key >> zoom) for key in most]


def _loop_tile(stock: Stock, address: Address) -> float:
    """Which Locations are in it, without the rest of the work."""
    box = box_of(address)
    began = perf_counter()
    naive.within(stock.spots, box.west, box.south, box.east, box.north)
    return perf_counter() - began


# --- what came of it ----------------------------------------------------------------------------


def _measured(search: Search) -> Answered:
    """Ask in turn, after a first time that is not counted."""
    found = [ask() for ask in search.asks]
    require(min(found) > 0, f"{search.name}: nothing was found")
    took, busy = list[float](), process_time()
    for ask in islice(cycle(search.asks), search.times):
        began = perf_counter()
        ask()
        took.append(perf_counter() - began)
    return Answered(Round(len(took), sum(took), process_time() - busy, took), sum(found) / len(found))


def _row(search: Search, answered: Answered, count: int) -> Row:
    one = answered.round
    p50, p95 = (percentile(one.latencies, share) * MILLISECONDS for share in (0.5, 0.95))
    loop_ms = None if search.loop_seconds is None else search.loop_seconds * MILLISECONDS
    limit = LIMITS_MS[search.limit]
    return Row(
        work=f"{search.name}, of {count:,} Locations",
        naive="–" if loop_ms is None else f"{number(loop_ms)} ms",
        floor=f"{limit:g} ms (p95)",
        goal="–",
        measured=f"{number(p50)} ms, p95 {number(p95)} ms; CPU {number(one.cpu_us / 1000)} ms; "
        f"{answered.mean:,.0f} {search.unit}",
        times_naive="–" if loop_ms is None else f"{ratio(loop_ms, p50)} as fast",
        times_limit=f"{ratio(limit, p95)} as fast",
    )


def _remarks(stock: Stock) -> tuple[str, ...]:
    count, index = len(stock.index), stock.index
    columns, resident = index.size_bytes / BYTES_A_MEBIBYTE, stock.resident_bytes / BYTES_A_MEBIBYTE
    return (
        f"navigation: {count:,} Locations with {count * EVSES:,} EVSEs were loaded in {number(stock.load_cpu_seconds)} s of CPU; "
        f"their columns take {number(columns)} MiB, the process grew by {number(resident)} MiB",
        f"navigation: {_tidied(index)}",
    )


def _tidied(index: Index) -> str:
    began = process_time()
    index.tidy()
    return f"all is put in order anew in {number((process_time() - began) * MILLISECONDS)} ms of CPU"
