"""What apps read of the map: where one can charge and how it is there now."""

from __future__ import annotations

from functools import partial

from tests.navigation.land import EMSP, Land
from tests.settlement.cases import location

BERLIN = "13,52,14,53"
LOC1 = "DE/ABC/LOC1"


async def test_a_location_is_found_in_a_box_around_a_point_and_along_a_route(land: Land) -> None:
    feature = (await land.features(bbox=BERLIN))[LOC1]
    assert feature["geometry"] == {"type": "Point", "coordinates": [13.383068, 52.530644]}
    said = feature["properties"]
    assert (said["operator"]["party"], said["evses"]["total"]) == ("DE/ABC", 2)
    assert {(one["connector"], one["kw"], one["count"]) for one in said["summary"]} == {
        ("IEC_62196_T2", 22.0, 1),
        ("IEC_62196_T2_COMBO", 150.0, 1),
    }
    near = (await land.features(near="52.53,13.38", radius=1000))[LOC1]
    assert 150 < near["properties"]["distance_m"] < 300
    line = {"type": "LineString", "coordinates": [[13.0, 52.53], [13.8, 52.53]]}
    answer = await land.reader.post("/nav/v1/locations?corridor=500", json=line)
    (along,) = answer.json()["features"]
    assert along["properties"]["offset_m"] < 500
    assert 25_000 < along["properties"]["route_position_m"] < 27_000


async def test_a_location_is_read_by_its_links_whatever_its_id_is_made_of(land: Land) -> None:
    for id_ in ("A/B", "A?b=c#d", "100% / 2", "A%2FB"):
        ref = f"DE/ABC/{id_}"
        await land.put(location(id=id_))
        await land.until(partial(is_found, land, ref))
        links = (await land.features(bbox=BERLIN))[ref]["properties"]["links"]
        assert (await land.get(links["self"])).json()["properties"]["ref"] == ref
        assert (await land.get(links["ocpi"])).json()["data"]["id"] == id_


async def is_found(land: Land, ref: str) -> bool:
    return ref in await land.features(bbox=BERLIN)


async def test_what_an_evse_is_now_is_seen_soon(land: Land) -> None:
    await land.says("CHARGING", "E1")

    async def is_seen() -> bool:
        feature = (await land.features(bbox=BERLIN))[LOC1]
        return bool(feature["properties"]["evses"]["occupied"] == 1)

    await land.until(is_seen)


async def test_what_is_for_one_party_or_not_published_is_never_found(land: Land) -> None:
    await land.put(location(id="DEPOT", publish=False))
    await land.put(location(id="SECRET"), receiver=EMSP)
    await land.put(location(id="LOC2"))
    await land.until(partial(is_found, land, "DE/ABC/LOC2"))
    assert not {"DE/ABC/DEPOT", "DE/ABC/SECRET"} & {*await land.features(bbox=BERLIN)}
