"""Absurd questions: what cannot be meant is refused with what is wrong, and nothing breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import polyline
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.navigation.asking import Track, checked_track, read_line, read_polyline
from hub.navigation.finding import read_question
from hub.navigation.problems import ReadingFault
from hub.navigation.route import ROUTE_POINTS_MAX
from hub.navigation.routes.querying import LINE_MAX_BYTES
from tests.navigation.land import Land
from tests.settlement.cases import location

LOCATIONS = "/nav/v1/locations"
BERLIN = "13,52,14,53"
HUGE = "9" * 400

INVALID, WHERE, LARGE, LONG = "INVALID_PARAMETER", "WHERE_MISSING", "BOX_TOO_LARGE", "ROUTE_TOO_LONG"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param({}, WHERE, id="nowhere"),
        pytest.param({"bbox": BERLIN, "near": "52,13", "radius": 5}, WHERE, id="two places"),
        pytest.param({"bbox": ""}, INVALID, id="an empty box"),
        pytest.param({"bbox": "13,52,14"}, INVALID, id="three corners"),
        pytest.param({"bbox": "13,52,14,53,54"}, INVALID, id="five corners"),
        pytest.param({"bbox": "a,b,c,d"}, INVALID, id="words"),
        pytest.param({"bbox": "nan,nan,nan,nan"}, INVALID, id="no numbers"),
        pytest.param({"bbox": "-inf,-inf,inf,inf"}, INVALID, id="everything there is"),
        pytest.param({"bbox": "1e999,52,14,53"}, INVALID, id="a number too large"),
        pytest.param({"bbox": f"{HUGE},52,14,53"}, INVALID, id="a number too long"),
        pytest.param({"bbox": "1_3,52,14,53"}, INVALID, id="a number only for programmers"),
        pytest.param({"bbox": "13,53,14,52"}, INVALID, id="south above north"),
        pytest.param({"bbox": "13,-91,14,53"}, INVALID, id="south of the pole"),
        pytest.param({"bbox": "180.1,52,181,53"}, INVALID, id="east of the globe"),
        pytest.param({"bbox": "-180,-90,180,90"}, LARGE, id="the whole globe"),
        pytest.param({"bbox": "14,52,13,53"}, LARGE, id="around the globe"),
        pytest.param({"bbox": "0,0,20.1,1"}, LARGE, id="a little too wide"),
        pytest.param({"near": "52,13"}, INVALID, id="no radius"),
        pytest.param({"near": "13", "radius": 5}, INVALID, id="half a point"),
        pytest.param({"near": "91,13", "radius": 5}, INVALID, id="north of the pole"),
        pytest.param({"near": "52,181", "radius": 5}, INVALID, id="a point off the globe"),
        pytest.param({"near": "52,13", "radius": 0}, INVALID, id="no distance"),
        pytest.param({"near": "52,13", "radius": -1}, INVALID, id="less than no distance"),
        pytest.param({"near": "52,13", "radius": 100_001}, INVALID, id="too far"),
        pytest.param({"near": "52,13", "radius": "nan"}, INVALID, id="no distance at all"),
        pytest.param({"route": ""}, INVALID, id="an empty route"),
        pytest.param({"route": "_"}, INVALID, id="a route that ends in a number"),
        pytest.param({"route": "\x00\x01"}, INVALID, id="control characters"),
        pytest.param({"route": "ü" * 30}, INVALID, id="letters that no polyline has"),
        pytest.param({"route": polyline.encode([(52.5, 13.4)])}, INVALID, id="one point"),
        pytest.param({"route": polyline.encode([(95, 13), (96, 13)])}, INVALID, id="a route off the globe"),
        pytest.param({"route": "?" * 16_001}, LONG, id="a polyline too long"),
        pytest.param({"route": "~" * 400 + "??"}, INVALID, id="a number beyond all floats"),
        pytest.param({"route": polyline.encode([(-40, 0), (40, 0)])}, LONG, id="a quarter of the globe"),
        pytest.param({"route": polyline.encode([(0, 0), (50, 50), (0, 0), (50, 50)])}, LONG, id="there and back"),
        pytest.param({"route": polyline.encode([(52, 13), (53, 13)]), "corridor": 0}, INVALID, id="no corridor"),
        pytest.param({"route": polyline.encode([(52, 13), (53, 13)]), "precision": 7}, INVALID, id="seven decimals"),
        pytest.param({"bbox": "13,52,14,53", "connector": ["CHADEMO", "TESLA_S"]}, INVALID, id="a parameter twice"),
        pytest.param({"route": polyline.encode([(52, 13), (53, 13)]), "corridor": 20_001}, INVALID, id="too wide"),
        pytest.param({"bbox": BERLIN, "min_power": "strong"}, INVALID, id="power in words"),
        pytest.param({"bbox": BERLIN, "min_power": -1}, INVALID, id="power below nothing"),
        pytest.param({"bbox": BERLIN, "min_power": 100, "max_power": 50}, INVALID, id="more than most"),
        pytest.param({"bbox": BERLIN, "connector": ","}, INVALID, id="no connector"),
        pytest.param({"bbox": BERLIN, "connector": ",".join(map(str, range(51)))}, INVALID, id="all connectors"),
        pytest.param({"bbox": BERLIN, "payment": "shells"}, INVALID, id="a payment that nobody takes"),
        pytest.param({"bbox": BERLIN, "connector": "CHADEMO,*?"}, INVALID, id="no word"),
        pytest.param({"bbox": BERLIN, "vehicle": "ship"}, INVALID, id="a vehicle that does not fit"),
        pytest.param({"bbox": BERLIN, "vehicle": "motorcycle,car"}, INVALID, id="two vehicles"),
        pytest.param({"bbox": BERLIN, "open_now": "maybe"}, INVALID, id="neither true nor false"),
        pytest.param({"bbox": BERLIN, "limit": 0}, INVALID, id="nothing"),
        pytest.param({"bbox": BERLIN, "limit": 1001}, INVALID, id="more than a page"),
        pytest.param({"bbox": BERLIN, "limit": "1e2"}, INVALID, id="a count with an exponent"),
        pytest.param({"bbox": BERLIN, "limit": HUGE}, INVALID, id="a count too long"),
        pytest.param({"bbox": BERLIN, "offset": 100_001}, INVALID, id="too far down"),
        pytest.param({"bbox": BERLIN, "offset": "٣"}, INVALID, id="digits of another script"),
    ],
)
async def test_what_cannot_be_meant_is_refused(land: Land, query: dict[str, Any], code: str) -> None:
    said = (await land.get(LOCATIONS, 400, **query)).json()
    assert (said["code"], said["status"]) == (code, 400)
    assert len(said["detail"]) < 500
    assert said["parameter"]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"bbox": " 13 , 52 , 14 , 53 "}, id="blanks"),
        pytest.param({"bbox": "13,52,13,52"}, id="a box without a size"),
        pytest.param({"bbox": "-6.62,52.53,13.38,53"}, id="as wide as possible"),
        pytest.param({"near": "90,0", "radius": 100_000}, id="the pole"),
        pytest.param({"near": "-90,180", "radius": 0.001}, id="the other pole, very near"),
        pytest.param({"bbox": BERLIN, "offset": 100_000}, id="behind the last page"),
        pytest.param({"bbox": BERLIN, "connector": "NOTHING_OF_THE_KIND"}, id="a connector that may be invented"),
        pytest.param({"bbox": BERLIN, "operator": "\x00;drop table"}, id="an operator that nobody is called"),
        pytest.param({"bbox": BERLIN, "min_power": "1e300"}, id="more power than anybody has"),
        pytest.param({"bbox": BERLIN, "unknown": "parameter"}, id="a parameter that nobody knows"),
        pytest.param({"route": polyline.encode([(52.5, 13.4)] * 50)}, id="a route that stays where it is"),
        pytest.param({"route": polyline.encode([(17.0, 179.9), (17.1, -179.9)])}, id="a route over the 180th meridian"),
    ],
)
async def test_what_is_odd_but_possible_is_answered(land: Land, query: dict[str, Any]) -> None:
    answer = await land.get(LOCATIONS, **query)
    assert answer.json()["type"] == "FeatureCollection"


@pytest.mark.parametrize("connector", ["IEC_62196_T2", "iec_62196_t2", "IEC 62196-T2", "chademo,Iec_62196_T2"])
async def test_a_connector_may_be_written_as_people_write_it(land: Land, connector: str) -> None:
    assert "DE/ABC/LOC1" in await land.features(bbox=BERLIN, connector=connector)
    assert await land.features(bbox=BERLIN, connector="chademo") == {}


async def test_a_box_and_a_route_may_lie_over_the_180th_meridian(land: Land) -> None:
    content = location(id="FIJI")
    content["coordinates"] = {"latitude": "-16.500000", "longitude": "-179.900000"}
    await land.put(content)
    await land.until_found("DE/ABC/FIJI", bbox="179,-17,-179,-16")
    assert await land.features(bbox="179,-17,180,-16") == {}
    assert [*await land.features(near="-16.5,179.95", radius=20_000)] == ["DE/ABC/FIJI"]
    across = polyline.encode([(-16.5, 179.5), (-16.5, -179.5)])
    assert [*await land.features(route=across, corridor=1000)] == ["DE/ABC/FIJI"]
    line = {"type": "LineString", "coordinates": [[179.5, -16.5], [-179.5, -16.5]]}
    assert (await land.reader.post(LOCATIONS, json=line)).json()["total"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, INVALID, id="nothing"),
        pytest.param(b"\xff\xfe", 400, INVALID, id="no text"),
        pytest.param(b"[]", 400, INVALID, id="no object"),
        pytest.param(b'{"type":"Point","coordinates":[1,2]}', 400, INVALID, id="a point"),
        pytest.param(b'{"type":"LineString"}', 400, INVALID, id="a line without points"),
        pytest.param(b'{"type":"LineString","coordinates":[[1],[2]]}', 400, INVALID, id="points without latitude"),
        pytest.param(b'{"type":"LineString","coordinates":[[1,2]]}', 400, INVALID, id="one point"),
        pytest.param(b'{"type":"LineString","coordinates":[["a","b"],[1,2]]}', 400, INVALID, id="words"),
        pytest.param(b'{"type":"LineString","coordinates":[[NaN,1],[1,2]]}', 400, INVALID, id="no number"),
        pytest.param(b'{"type":"LineString","coordinates":[[1e999,1],[1,2]]}', 400, INVALID, id="too large"),
        pytest.param(b'{"type":"LineString","coordinates":[[52,113],[52,114]]}', 400, INVALID, id="latitude first"),
        pytest.param(b'{"type":"LineString","coordinates":[[1,89],[1,89.99]]}', 400, LONG, id="at the pole"),
        pytest.param(b'{"geometry":' * 5000 + b"1" + b"}" * 5000, 400, INVALID, id="deeper than anybody can dig"),
        pytest.param(b'{"type":"F","geometry":' * 5000 + b"null" + b"}" * 5000, 400, INVALID, id="deep features"),
        pytest.param(b" " * (LINE_MAX_BYTES + 1), 413, "BODY_TOO_LARGE", id="more than is read"),
    ],
)
async def test_bodies_that_are_no_route_are_refused(land: Land, body: bytes, status: int, code: str) -> None:
    answer = await land.reader.post(LOCATIONS, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_route_in_the_body_and_another_place_are_two(land: Land) -> None:
    line = {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[13, 52], [14, 53]]}}
    assert (await land.reader.post(f"{LOCATIONS}?bbox={BERLIN}", json=line)).json()["code"] == WHERE
    assert (await land.reader.post(LOCATIONS, json=line)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/nav/v1/locations/DE/ABC/%00", id="a name with NUL"),
        pytest.param("/nav/v1/locations/DE/ABC/%ED%A0%80", id="half a character"),
        pytest.param("/nav/v1/locations/DE/ABC/" + "x" * 5000, id="a long name"),
        pytest.param("/nav/v1/locations/D%00/ABC/LOC1", id="a country with NUL"),
        pytest.param("/nav/v1/locations/%F0%9F%98%80/ABC/LOC1", id="a country that is a face"),
        pytest.param("/open/ocpi/2.2.1/locations/DE/ABC/%00", id="NUL in OCPI"),
        pytest.param("/open/ocpi/2.2.1/locations/DE/ABC/%2e%2e%2f", id="a way up"),
    ],
)
async def test_names_that_nothing_has_are_not_found(land: Land, path: str) -> None:
    assert (await land.reader.get(path)).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"location": "DE/ABC/%00\x00", "evse": "E1"}, id="NUL"),
        pytest.param({"location": "99999999999999999999", "evse": "E1"}, id="a number too large"),
        pytest.param({"location": "DE/ABC/NONE", "evse": "E1", "kwh": 1}, id="no such Location"),
        pytest.param({"location": "DE/ABC/LOC1", "evse": "NONE", "kwh": 1}, id="no such EVSE"),
        pytest.param({"location": "DE/ABC/LOC1", "evse": "E1", "kwh": "nan"}, id="no energy"),
        pytest.param({"location": "DE/ABC/LOC1", "evse": "E1", "kwh": "1e999"}, id="all energy"),
        pytest.param({"location": "DE/ABC/LOC1", "evse": "E1", "minutes": "-1"}, id="time that runs back"),
        pytest.param({"location": "DE/ABC/LOC1", "evse": "E1", "kwh": 1, "start": "0000-00-00"}, id="no day"),
        pytest.param({"location": "DE/ABC/LOC1", "evse": "E1", "kwh": 1, "as": "NL/MSP"}, id="in a name of another"),
    ],
)
async def test_absurd_questions_for_a_price(land: Land, query: dict[str, Any]) -> None:
    answer = await land.reader.get("/nav/v1/price", params=query)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


# --- whatever is asked ---

Read = TypeVar("Read")

TEXTS = st.one_of(st.text(max_size=40), st.from_regex(r"-?[0-9]{0,4}\.?[0-9]*(e[0-9]{1,4})?(,-?[0-9.]{0,5}){0,4}"))
NAMES = ("bbox", "near", "radius", "route", "corridor", "min_power", "max_power", "limit", "offset", "vehicle")


def read_or_refused(read: Callable[[], Read]) -> Read | None:
    """What was read; None where it was refused as it has to be."""
    try:
        return read()
    except ReadingFault as fault:
        if fault.status != 400:
            raise
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=4))
def test_every_question_is_read_or_refused(said: dict[str, str]) -> None:
    question = read_or_refused(lambda: read_question(said))
    assert question is None or sum(map(bool, (question.box, question.near, question.track))) == 1


def test_a_polyline_has_five_decimals_or_six() -> None:
    points = [(5.123456, 8.5), (5.2, 8.654321)]
    for precision in (5, 6):
        said = {"route": polyline.encode(points, precision), "precision": str(precision)}
        track = read_question(said).track
        assert track is not None
        there = [*zip(track.latitudes.tolist(), track.longitudes.tolist(), strict=True)]
        assert there == [(round(latitude, precision), round(longitude, precision)) for latitude, longitude in points]


@settings(max_examples=150, deadline=None)
@example("~" * 400 + "??").via("a number beyond all floats")
@example("~" * 16_000).via("a number without an end")
@given(st.one_of(st.text(st.characters(codec="utf-8"), max_size=60), st.text("?@_`abcxyz{|}~", max_size=60)))
def test_every_polyline_is_read_or_refused(text: str) -> None:
    track = read_or_refused(lambda: read_polyline(text))
    assert track is None or (abs(track.longitudes).max() <= 180 and abs(track.latitudes).max() <= 90)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(("type", "coordinates", "geometry")), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=40), JSON.map(lambda one: json.dumps(one).encode())))
def test_every_body_is_read_or_refused(body: bytes) -> None:
    track = read_or_refused(lambda: read_line(body))
    assert track is None or len(track) >= 2


def test_a_route_has_as_many_points_as_can_be_followed() -> None:
    points = [(13 + n / 1e6, 52.0) for n in range(ROUTE_POINTS_MAX)]
    assert len(checked_track(Track.of(points))) == ROUTE_POINTS_MAX
    with pytest.raises(ReadingFault, match="points"):
        checked_track(Track.of([*points, (13.0, 52.0)]))


def test_a_route_may_say_how_high_its_points_are() -> None:
    body = b'{"type":"LineString","coordinates":[[13, 52, 34.5],[13.5,52.25,1],[14,53]]}'
    track = read_line(body)
    assert (track.longitudes.tolist(), track.latitudes.tolist()) == ([13, 13.5, 14], [52, 52.25, 53])


async def test_answers_along_two_routes_are_told_apart(land: Land) -> None:
    """The tag of an answer says along which route it was asked, though neither passes anything."""
    tags = set[str]()
    for east in (13.0, 13.1, 13.1):
        line = {"type": "LineString", "coordinates": [[12.0, 10.0], [east, 10.0]]}
        tags.add((await land.reader.post(LOCATIONS, json=line)).headers["ETag"])
    assert len(tags) == 2
