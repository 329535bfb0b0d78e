"""The file of tiles holds what the index holds, and takes the place of the one before as a whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from pmtiles.reader import MmapSource, Reader, all_tiles

from hub.navigation.index import Index
from hub.navigation.snapshot import addresses, write_snapshot, writing
from hub.navigation.tiles import LOCATIONS_ZOOM, Address, tile_of
from tests.navigation.mvt import decoded
from tests.navigation.naive import Spot
from tests.navigation.test_index import loaded
from tests.navigation.test_tiles import home, neighbours
from tests.navigation.worlds import clustered_spots, entry_at, often

CITIES = [(10.2, 56.16), (10.2001, 56.16), (12.57, 55.68), (-0.12, 51.5), (179.9999, -17.0)]
LICENCE = "CC BY 4.0, the hub of the tests"


def test_each_tile_of_the_file_is_that_of_the_index(tmp_path: Path) -> None:
    index = loaded(CITIES)
    written = write_snapshot(index, tmp_path / "all.pmtiles", LICENCE)
    with (tmp_path / "all.pmtiles").open("rb") as file:
        tiles = {Address(*zxy): gzip.decompress(content) for zxy, content in all_tiles(MmapSource(file))}
        reader = Reader(MmapSource(file))
        header, metadata = reader.header(), reader.metadata()
    assert tiles == {address: tile_of(index, address, is_live=False) for address in addresses(index)}
    assert (written.locations, written.tiles) == (5, len(tiles))
    assert (header["min_zoom"], header["max_zoom"], header["clustered"]) == (0, LOCATIONS_ZOOM, True)
    assert (header["min_lon_e7"], header["max_lat_e7"]) == (-1_200_000, 561_600_000)
    assert metadata["attribution"] == LICENCE
    properties = {
        name: set(feature.properties)
        for content in tiles.values()
        for name, features in decoded(content).items()
        for feature in features
    }
    assert properties == {layer["id"]: set(layer["fields"]) for layer in metadata["vector_layers"]}


@often
@given(spots=clustered_spots())
def test_every_tile_that_holds_anything_is_named(spots: list[Spot]) -> None:
    """At LOCATIONS_ZOOM those beside a home too, where a Location is in the buffer."""
    index = loaded(spots)
    named = set(addresses(index))
    around = {near for spot in spots for near in neighbours(home(spot, LOCATIONS_ZOOM))}
    above = {home(spot, zoom) for spot in spots for zoom in range(LOCATIONS_ZOOM)}
    filled = {address for address in around | above if tile_of(index, address)}
    assert filled <= named <= filled | {Address(0, 0, 0)}


def test_a_file_without_locations_can_be_read(tmp_path: Path) -> None:
    write_snapshot(Index(), tmp_path / "none.pmtiles", LICENCE)
    with (tmp_path / "none.pmtiles").open("rb") as file:
        ((zxy, content),) = all_tiles(MmapSource(file))
    assert (zxy, gzip.decompress(content)) == ((0, 0, 0), b"")


def test_the_file_before_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "all.pmtiles"
    write_snapshot(loaded(CITIES[:1]), path, LICENCE)
    before = path.read_bytes()
    steps = writing(loaded(CITIES), path, LICENCE)
    assert [next(steps), next(steps)] == [1, 2]
    assert path.read_bytes() == before
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_changes_meanwhile_does_no_harm(tmp_path: Path) -> None:
    index, path = loaded(CITIES), tmp_path / "all.pmtiles"
    for step in writing(index, path, LICENCE):
        if step == 3:
            index.remove(0, 100)
            index.put(9, 101, entry_at((-70.0, -33.0)))
            index.tidy()
    with path.open("rb") as file:
        contents = [
            gzip.decompress(content) for zxy, content in all_tiles(MmapSource(file)) if zxy[0] == LOCATIONS_ZOOM
        ]
    assert {one.id for content in contents for one in decoded(content).get("locations", [])} == {1, 2, 3, 4}


def test_where_it_cannot_be_written_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "all.pmtiles").mkdir()
    with pytest.raises(OSError, match=r"all\.pmtiles"):
        write_snapshot(loaded(CITIES), tmp_path / "all.pmtiles", LICENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["all.pmtiles"]
