"""Tiles hold every Location once, where it is; what is kept of them is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import asinh, pi, radians, tan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.navigation.entry import entry_of, pack_entry
from hub.navigation.index import Index
from hub.navigation.mvt import Points, Property, layer, tile
from hub.navigation.tiles import BUFFER, LOCATIONS_ZOOM, Address, TileCache, box_of, tile_of
from ocpi_modules.locations import Status
from tests.navigation.mvt import Feature, decoded
from tests.navigation.naive import Spot
from tests.navigation.test_index import loaded
from tests.navigation.worlds import clustered_spots, connector, entry_at, evse, location, often, spots

EXTENT = 4096


def world(spot: Spot) -> tuple[float, float]:
    """Where a point is in the square of Web Mercator, by the book: 0 to 1 from the north-western corner."""
    latitude = max(-85.0511287798, min(85.0511287798, spot[1]))
    across = (spot[0] + 180) / 360 % 1
    return across, min(1 - 1e-12, max(0.0, 0.5 - asinh(tan(radians(latitude))) / (2 * pi)))


def home(spot: Spot, zoom: int) -> Address:
    """The tile that a point is in."""
    x, y = world(spot)
    return Address(zoom, int(x * 2**zoom), int(y * 2**zoom))


def neighbours(address: Address) -> Iterable[Address]:
    size = 1 << address.zoom
    for x in (-1, 0, 1):
        for y in (-1, 0, 1):
            if 0 <= address.y + y < size:
                yield Address(address.zoom, (address.x + x) % size, address.y + y)


def features(index: Index, addresses: Iterable[Address], name: str) -> list[tuple[Address, Feature]]:
    return [
        (address, feature)
        for address in sorted(set(addresses), key=lambda one: (one.y, one.x))
        for feature in decoded(tile_of(index, address)).get(name, [])
    ]


# --- where tiles are ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "edges"),
    [
        pytest.param(Address(0, 0, 0), (-180, -90, 180, 90), id="the world, to the poles"),
        pytest.param(Address(1, 0, 0), (-180, 0, 0, 90), id="a quarter"),
        pytest.param(
            Address(3, 4, 2),
            (0, 40.9798981, 45, 66.5132604),
            id="Europe: not 45 to 67.5, as it were if y were linear (N5)",
        ),
        pytest.param(Address(10, 550, 335), (13.359375, 52.4827802, 13.7109375, 52.6963611), id="Berlin"),
    ],
)
def test_a_tile_covers_what_web_mercator_says(address: Address, edges: tuple[float, ...]) -> None:
    box = box_of(address)
    assert (box.west, box.south, box.east, box.north) == pytest.approx(edges, abs=1e-6)


@pytest.mark.parametrize(
    ("zoom", "x", "y"),
    [
        pytest.param(-1, 0, 0, id="above the world"),
        pytest.param(21, 0, 0, id="too deep"),
        pytest.param(3, 8, 0, id="east of the last column"),
        pytest.param(3, 0, -1, id="north of the first row"),
    ],
)
def test_a_tile_that_is_none_is_refused(zoom: int, x: int, y: int) -> None:
    with pytest.raises(ValueError, match=f"there is no tile {zoom}/{x}/{y}"):
        Address(zoom, x, y)


# --- single Locations ---------------------------------------------------------------------------


@often
@given(places=clustered_spots(), zoom=st.sampled_from((10, 12, 16, 20)))
def test_each_location_is_in_its_tile_once_and_elsewhere_only_in_buffers(places: list[Spot], zoom: int) -> None:
    homes = [home(spot, zoom) for spot in places]
    found = features(loaded(places), (near for one in homes for near in neighbours(one)), "locations")
    inside = [feature.id for _, feature in found if 0 <= feature.x < EXTENT and 0 <= feature.y < EXTENT]
    assert sorted(inside) == list(range(len(places)))
    for address, feature in found:
        x, y = world(places[feature.id])
        across, down = (x * 2**zoom - address.x + 2 ** (zoom - 1)) % 2**zoom - 2 ** (zoom - 1), y * 2**zoom - address.y
        assert (feature.x, feature.y) == pytest.approx((across * EXTENT, down * EXTENT), abs=3)
        assert -BUFFER <= min(feature.x, feature.y) <= max(feature.x, feature.y) < EXTENT + BUFFER


def test_a_location_near_an_edge_is_in_the_buffer_of_the_tile_beside_it_over_the_180th_meridian_too() -> None:
    spot = (179.999, -17.0)
    beside = Address(10, 0, home(spot, 10).y)
    ((_, feature),) = features(loaded([spot]), [beside], "locations")
    assert -20 < feature.x < 0


AVAILABLE, CHARGING, BROKEN, UNKNOWN = Status.AVAILABLE, Status.CHARGING, Status.OUTOFORDER, Status.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "state", "available"),
    [
        pytest.param((AVAILABLE, BROKEN, UNKNOWN), "available", 1, id="one is free"),
        pytest.param((CHARGING, UNKNOWN), "unknown", 0, id="one may be"),
        pytest.param((CHARGING, BROKEN), "occupied", 0, id="none is, some work"),
        pytest.param((BROKEN, Status.INOPERATIVE, Status.PLANNED), "out_of_service", 0, id="none works"),
        pytest.param((), "unknown", 0, id="there are none"),
    ],
)
def test_a_point_tells_how_its_location_is(statuses: Sequence[Status], state: str, available: int) -> None:
    plugs = (connector(max_electric_power=None), connector(id="2", max_electric_power=22_100))
    place = location(evses=tuple(evse(str(uid), status, connectors=plugs) for uid, status in enumerate(statuses)))
    index = Index.load([(7, 1, pack_entry(entry_of(place)))])
    address = home((place.longitude, place.latitude), 14)
    ((_, feature),) = features(index, [address], "locations")
    told = {"party": "DK/BLA", "evses": len(statuses), "kw": 22.1 if statuses else 0}
    assert (feature.id, feature.properties) == (7, {**told, "available": available, "state": state})
    (static,) = decoded(tile_of(index, address, is_live=False))["locations"]
    assert static.properties == told


# --- clusters -----------------------------------------------------------------------------------


@often
@given(places=st.one_of(clustered_spots(), st.lists(spots, max_size=20)), zoom=st.integers(0, LOCATIONS_ZOOM - 1))
def test_clusters_count_each_location_once_in_its_own_cell(places: list[Spot], zoom: int) -> None:
    index, cells = loaded(places), Counter(cell(spot, zoom) for spot in places)
    found = features(index, (home(spot, zoom) for spot in places), "clusters")
    assert {feature.id: feature.properties["count"] for _, feature in found} == cells
    assert len({feature.id for _, feature in found}) == len(found), "an id is given once in the world"
    for address, feature in found:
        mean = np.mean([world(spot) for spot in places if cell(spot, zoom) == feature.id], axis=0)
        where = (mean * 2**zoom - (address.x, address.y)) * EXTENT
        assert (feature.x, feature.y) == pytest.approx(where.tolist(), abs=3)
        assert (feature.properties["evses"], feature.properties["available"]) == (
            2 * cells[feature.id],
            cells[feature.id],
        )


def cell(spot: Spot, zoom: int) -> int:
    """The number of a point's cell in the world."""
    side = 16 << zoom
    x, y = world(spot)
    return int(y * side) * side + int(x * side)


@often
@given(places=clustered_spots(), zoom=st.integers(0, LOCATIONS_ZOOM - 1))
def test_a_cluster_says_at_which_zoom_it_falls_apart(places: list[Spot], zoom: int) -> None:
    for _, feature in features(loaded(places), (home(spot, zoom) for spot in places), "clusters"):
        members = [spot for spot in places if cell(spot, zoom) == feature.id]
        apart = (deeper for deeper in range(zoom + 1, 10) if len({cell(spot, deeper) for spot in members}) > 1)
        deepest = 7 if zoom <= 6 and len(members) > 1 else LOCATIONS_ZOOM
        assert feature.properties["expansion_zoom"] == min(next(apart, deepest), deepest)


def test_clusters_follow_what_changes() -> None:
    index, spot = loaded([(10.2, 56.1), (10.3, 56.1)]), (10.2, 56.1)
    index.put(0, 10, entry_at((10.2, 56.1), available=2))
    index.remove(1, 11)
    index.put(2, 12, entry_at((10.2, 56.1), available=0))
    index.put(2, 13, entry_at((-70.0, -33.0), available=0))
    for zoom in range(LOCATIONS_ZOOM):
        found = features(index, {home(spot, zoom), home((-70.0, -33.0), zoom)}, "clusters")
        told = sorted((one.properties["count"], one.properties["available"]) for _, one in found)
        assert told == [(1, 0), (1, 2)], zoom


# --- encoding -----------------------------------------------------------------------------------


@often
@given(
    points=st.lists(
        st.tuples(st.integers(0, 2**31), st.integers(-5000, 70_000), st.integers(-5000, 70_000), st.integers(0, 2**31)),
        max_size=5,
    )
)
def test_whatever_is_encoded_is_read_again(points: list[tuple[int, int, int, int]]) -> None:
    ids, x, y, amounts = (np.array(column, np.int64) for column in (zip(*points, strict=True) if points else ([],) * 4))
    words = Property(["Zürich", ""], np.arange(len(points)) % 2)
    properties = {"amount": Property.of(amounts), "word": words, "half": Property.of(amounts / 2)}
    expected = [
        Feature(one[0], one[1], one[2], {"amount": one[3], "word": ["Zürich", ""][place % 2], "half": one[3] / 2})
        for place, one in enumerate(points)
    ]
    assert decoded(tile([layer("p", Points(ids, x, y), properties)])) == ({"p": expected} if points else {})


# --- the cache ----------------------------------------------------------------------------------

HERE, THERE = (10.2, 56.1), (-3.7, 40.4)


def test_a_tile_is_made_anew_when_something_changed_in_it_and_only_then() -> None:
    index = loaded([HERE, THERE])
    cache, address = TileCache(index), home(HERE, 12)
    first = cache.tile(address, 0.0)
    index.put(1, 10, entry_at(THERE, available=0))
    assert cache.tile(address, 1.0) is first
    index.put(0, 11, entry_at(HERE, available=0))
    second = cache.tile(address, 1.0)
    assert decoded(second.content)["locations"][0].properties["available"] == 0
    assert second.digest != first.digest


def test_a_change_just_beyond_the_edge_is_seen_in_the_buffer() -> None:
    beside = (box_of(home(HERE, 12)).east + 0.0005, HERE[1])
    index = loaded([HERE])
    cache = TileCache(index)
    cache.tile(home(HERE, 12), 0.0)
    index.put(5, 10, entry_at(beside))
    assert [one.id for one in decoded(cache.tile(home(HERE, 12), 0.0).content)["locations"]] == [0, 5]


def test_a_tile_of_clusters_is_a_second_old_at_most() -> None:
    index = loaded([HERE])
    cache, address = TileCache(index), home(HERE, 4)
    first = cache.tile(address, 10.0)
    index.put(0, 10, entry_at(HERE, available=0))
    assert cache.tile(address, 10.9) is first
    assert decoded(cache.tile(address, 11.0).content)["clusters"][0].properties["available"] == 0


def test_a_tile_that_was_given_long_ago_is_made_anew_where_changes_are_not_known() -> None:
    index = loaded([HERE])
    cache, address = TileCache(index), home(HERE, 12)
    first = cache.tile(address, 0.0)
    index.recent.forget_up_to(50)
    index.put(1, 60, entry_at(THERE))
    assert cache.tile(address, 1.0) is not first


def test_the_cache_keeps_what_was_asked_for_last_and_no_more_than_it_may() -> None:
    index = loaded([HERE])
    cache, tiles = TileCache(index, bytes_max=1_500), [Address(14, x, 0) for x in range(4)]
    kept = cache.tile(tiles[0], 0.0)
    for one in tiles[1:]:
        cache.tile(one, 0.0)
        assert cache.tile(tiles[0], 0.0) is kept
    assert cache.size_bytes == 1_500
    assert TileCache(index, bytes_max=0).tile(home(HERE, 12), 0.0).content, (
        "one that is too large is given, and not kept"
    )
