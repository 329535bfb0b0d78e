"""The snapshot in the JavaScript reader that maps use, over HTTP (N-T10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.navigation.geometry import Box
from hub.navigation.index import Index
from hub.navigation.snapshot import write_snapshot
from hub.navigation.tiles import LOCATIONS_ZOOM, Address, tile_of
from tests.navigation.mvt import Feature, decoded
from tests.navigation.ranges import served
from tests.navigation.test_index import loaded
from tests.npm.harness import Node

pytestmark = pytest.mark.browser

READ_TILES = Path(__file__).parents[1] / "npm" / "read_tiles.mjs"
LOCATIONS, LICENCE = 400, "CC BY 4.0, the hub of the tests"


@pytest.fixture(scope="module")
def index() -> Index:
    """Locations all over the north of Jutland and beyond, some of them on one spot."""
    noise = np.random.default_rng(10)
    spots = noise.uniform((9, 56), (12, 58), (LOCATIONS, 2)).round(3)
    return loaded([(longitude, latitude) for longitude, latitude in [*spots.tolist(), *spots[:20].tolist()]])


@pytest.fixture(scope="module")
def read(node: Node, index: Index, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the JavaScript reader makes of it."""
    path = tmp_path_factory.mktemp("snapshot") / "locations.pmtiles"
    write_snapshot(index, path, LICENCE)
    with served(path) as (url, ranges):
        found: dict[str, Any] = node.run(READ_TILES, url)
    return {**found, "ranges": ranges}


def test_the_ids_of_the_snapshot_are_those_of_the_index(read: dict[str, Any], index: Index) -> None:
    layers = [tile["locations"] for name, tile in read["tiles"].items() if name.startswith(f"{LOCATIONS_ZOOM}/")]
    inside = [
        one["id"]
        for layer in layers
        for one in layer["features"]
        if 0 <= min(one["x"], one["y"]) <= max(one["x"], one["y"]) < 4096
    ]
    assert sorted(inside) == index.within(Box(-180, -90, 180, 90)).tolist()


@pytest.mark.parametrize("zoom", range(LOCATIONS_ZOOM))
def test_clusters_of_each_zoom_count_all_locations(read: dict[str, Any], index: Index, zoom: int) -> None:
    layers = [tile["clusters"] for name, tile in read["tiles"].items() if name.startswith(f"{zoom}/")]
    assert sum(one["properties"]["count"] for layer in layers for one in layer["features"]) == len(index)


def test_two_readers_see_the_same_in_every_tile(read: dict[str, Any], index: Index) -> None:
    """The decoder that all other tests of tiles stand on reads as the one of the map does."""
    for name, layers in read["tiles"].items():
        zoom, x, y = map(int, name.split("/"))
        assert all((layer["version"], layer["extent"]) == (2, 4096) for layer in layers.values())
        assert all(one["type"] == 1 for layer in layers.values() for one in layer["features"])
        told = {
            layer: [Feature(one["id"], one["x"], one["y"], one["properties"]) for one in content["features"]]
            for layer, content in layers.items()
        }
        assert told == decoded(tile_of(index, Address(zoom, x, y), is_live=False)), name


def test_the_reader_asks_for_parts_and_sees_the_licence(read: dict[str, Any]) -> None:
    assert read["metadata"]["attribution"] == LICENCE
    assert len(read["ranges"]) > len(read["tiles"])
