"""The page for drivers and what it is drawn from: its headers, its files, tiles, and the file of all Locations."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pmtiles.reader import Reader, all_tiles

from hub.console.rendering import STATIC_PATH
from tests.databases import Databases
from tests.navigation.land import Land, open_land
from tests.navigation.mvt import decoded
from tests.settlement.cases import location

BERLIN = "13,52,14,53"
LOC1 = "DE/ABC/LOC1"
TILE = "/nav/v1/tiles/14/8801/5372.mvt"
"""Where LOC1 is."""
FILE = "/nav/v1/snapshot.pmtiles"
LINKS = re.compile(r'(?:href|src|data-library|data-worker|data-shared|data-world)="(/[^"]+)"')


@pytest.fixture(scope="module")
async def land(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Land]:
    async with databases.lent() as url, open_land(url, tmp_path_factory.mktemp("hub")) as made:
        await made.until_found(LOC1, bbox=BERLIN)
        yield made


async def until_written(land: Land) -> bytes:
    """The file of all Locations, as soon as it is there."""

    async def is_there() -> bool:
        return (await land.reader.get(FILE)).status_code == 200

    await land.until(is_there)
    return (await land.get(FILE)).content


def numbers_in(file: bytes) -> set[int]:
    """Which Locations a file holds."""

    def read(offset: int, length: int) -> bytes:
        return file[offset : offset + length]

    assert Reader(read).header()["max_zoom"] == 10
    tiles = (gzip.decompress(content) for _, content in all_tiles(read))
    return {feature.id for content in tiles for feature in decoded(content).get("locations", [])}


# --- the page ---


async def test_nothing_on_the_page_is_inline_or_from_elsewhere(land: Land) -> None:
    answer = await land.get("/map")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    text = answer.text
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on[a-z]+=", text)
    links = LINKS.findall(text)
    assert len(links) == 11, links
    for address in links:
        assert (await land.reader.get(address)).is_success, address


async def test_the_page_says_whose_data_it_is_and_begins_where_they_are(land: Land) -> None:
    text = (await land.get("/map")).text
    assert '<a href="https://creativecommons.org/licenses/by/4.0/" rel="license">CC-BY-4.0</a>' in text
    assert 'data-bounds="13.37,52.52,13.39,52.54"' in text


async def test_the_page_is_asked_for_again_and_its_files_are_kept(land: Land) -> None:
    page = await land.get("/map")
    assert page.headers["cache-control"] == "no-cache"
    again = await land.reader.get("/map", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    own = [address for address in LINKS.findall(page.text) if address.startswith("/map/")]
    assert len(own) == 2
    for address in own:
        kept = await land.reader.get(address)
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        plain = await land.get(address.partition("?")[0])
        assert (plain.headers["cache-control"], plain.content) == ("no-cache", kept.content)
        known = await land.reader.get(address, headers={"If-None-Match": kept.headers["etag"]})
        assert known.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/map/", id="the page has one address"),
        pytest.param("/map/map.html", id="its template is none of its files"),
        pytest.param("/map/other.js", id="no such file"),
        pytest.param("/map/..%2Froutes%2Fpage.py", id="not out of its folder"),
        pytest.param("/map/maplibre-gl.mjs", id="what the console has is there only"),
    ],
)
async def test_there_are_no_other_files(land: Land, path: str) -> None:
    answer = await land.reader.get(path)
    assert answer.status_code == 404


async def test_what_is_shared_with_the_console_is_there_once(land: Land) -> None:
    shared = [address for address in LINKS.findall((await land.get("/map")).text) if STATIC_PATH in address]
    assert {address.rpartition("/")[2].partition("?")[0] for address in shared} == {
        "logo.svg",
        "maplibre-gl.css",
        "maplibre-gl.mjs",
        "maplibre-gl-worker.mjs",
        "topojson-client.min.js",
        "world.js",
        "countries-50m.json",
    }
    folder = Path(__file__).parents[2] / "hub" / "navigation" / "static"
    assert {path.name for path in folder.iterdir()} == {"map.html", "map.js", "map.css"}


# --- tiles ---


async def test_a_tile_has_the_dot_as_it_is_and_is_not_sent_twice(land: Land) -> None:
    answer = await land.get(TILE)
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    (feature,) = decoded(answer.content)["locations"]
    (listed,) = (await land.features(bbox=BERLIN)).values()
    assert feature.id == listed["id"]
    assert feature.properties["state"] == listed["properties"]["state"] == "available"
    again = await land.reader.get(TILE, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await land.says("CHARGING", "E1", at="2027-03-01T12:00:01Z")
    await land.says("CHARGING", "E2", at="2027-03-01T12:00:01Z")

    async def is_seen() -> bool:
        (now,) = decoded((await land.get(TILE)).content)["locations"]
        return (now.properties["available"], now.properties["state"]) == (0, "occupied")

    await land.until(is_seen)
    other = await land.reader.get(TILE, headers={"If-None-Match": answer.headers["etag"]})
    assert other.status_code == 200


async def test_a_tile_of_clusters_counts(land: Land) -> None:
    (cluster,) = decoded((await land.get("/nav/v1/tiles/3/4/2.mvt")).content)["clusters"]
    assert (cluster.properties["count"], cluster.properties["evses"]) == (1, 2)


async def test_a_tile_without_anything_is_empty(land: Land) -> None:
    answer = await land.get("/nav/v1/tiles/14/0/0.mvt")
    assert answer.content == b""
    assert answer.headers["etag"]


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        pytest.param("21/0/0", 404, "NO_SUCH_TILE", id="too deep"),
        pytest.param("3/8/0", 404, "NO_SUCH_TILE", id="a column that the zoom has not"),
        pytest.param("3/0/8", 404, "NO_SUCH_TILE", id="a row that the zoom has not"),
        pytest.param("-1/0/0", 400, "INVALID_PARAMETER", id="below zero"),
        pytest.param("z/0/0", 400, "INVALID_PARAMETER", id="no number"),
        pytest.param("3/1.5/0", 400, "INVALID_PARAMETER", id="half a column"),
        pytest.param("3/٣/0", 400, "INVALID_PARAMETER", id="digits of another script"),
        pytest.param("3/" + "9" * 5000 + "/0", 400, "INVALID_PARAMETER", id="a number longer than any tile's"),
    ],
)
async def test_a_tile_that_is_none_is_said_to_be_none(land: Land, address: str, status: int, code: str) -> None:
    answer = await land.get(f"/nav/v1/tiles/{address}.mvt", status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


# --- all Locations in a file ---


async def test_the_file_comes_in_parts_and_loses_at_once_what_is_taken_back(land: Land) -> None:
    await land.put(location(id="LOC2"))
    await land.until_found(LOC1, "DE/ABC/LOC2", bbox=BERLIN)
    first = await land.reader.get(FILE)
    assert (first.status_code, first.json()["code"], first.headers["retry-after"]) == (503, "WRITING", "5")
    whole = await until_written(land)
    numbers = {feature["id"] for feature in (await land.features(bbox=BERLIN)).values()}
    assert numbers_in(whole) == numbers
    part = await land.reader.get(FILE, headers={"Range": "bytes=0-126", "Accept-Encoding": "gzip"})
    assert (part.status_code, part.content) == (206, whole[:127])
    assert "content-encoding" not in part.headers
    for no_range in ("lines=0-5", "bytes=9-5", "bytes=x", "bytes"):
        all_of_it = await land.reader.get(FILE, headers={"Range": no_range})
        assert (all_of_it.status_code, all_of_it.content) == (200, whole), no_range
    beyond = await land.reader.get(FILE, headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    two = await land.reader.get(FILE, headers={"Range": "bytes=0-0, -1"})
    assert (two.status_code, two.headers["content-type"].split(";")[0]) == (206, "multipart/byteranges")
    kept = part.headers["etag"]
    for said in (
        {"If-None-Match": kept},
        {"If-None-Match": f'"other", W/{kept}', "Range": "bytes=0-126"},
        {"If-Modified-Since": part.headers["last-modified"]},
    ):
        known = await land.reader.get(FILE, headers=said)
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", kept), said
    other = await land.reader.get(
        FILE, headers={"If-None-Match": '"other"', "If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"}
    )
    assert other.status_code == 200
    await land.put(location(id="LOC2", publish=False, last_updated="2027-03-02T12:00:00Z"))
    await land.until_found(LOC1, bbox=BERLIN)
    assert (await land.reader.get(FILE)).status_code == 503
    assert numbers_in(await until_written(land)) == {
        feature["id"] for feature in (await land.features(bbox=BERLIN)).values()
    }
