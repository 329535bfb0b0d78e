"""The interface of Open Charge Map from outside: ids are exact, whatever the hub itself tells apart."""

from __future__ import annotations

from typing import Any

from tests.navigation.land import Land
from tests.settlement.cases import changed, location

POI = "/ocm/v3/poi"


def with_formats(**formats: str) -> dict[str, Any]:
    """LOC1's neighbour, with a Type 2 connector of each of these formats at EVSE E1."""
    content = location(id="OTHER", name="Neighbour")
    (first, *rest) = content["evses"]
    plugs = [
        changed(first["connectors"][0], id=id_, standard="IEC_62196_T2", format=format_)
        for id_, format_ in formats.items()
    ]
    return {**content, "evses": [{**first, "connectors": plugs}, *rest]}


async def names(land: Land, **query: Any) -> set[str]:
    return {one["OperatorsReference"] for one in (await land.get(POI, **query)).json()}


async def test_a_client_that_wants_a_socket_is_not_sent_to_a_cable(land: Land) -> None:
    await land.put(with_formats(a="CABLE"))
    await land.until_found("DE/ABC/LOC1", "DE/ABC/OTHER", bbox="13,52,14,53")
    assert await names(land, connectiontypeid=1036) == {"OTHER"}
    assert await names(land, connectiontypeid=25) == {"LOC1"}
    assert await names(land, connectiontypeid="25,1036") == {"LOC1", "OTHER"}
    assert await names(land, connectiontypeid=33) == {"LOC1", "OTHER"}
    assert await names(land, connectiontypeid=999) == set()


async def test_an_importer_that_goes_on_by_id_comes_to_an_end(land: Land) -> None:
    seen: list[int] = []
    while page := (await land.get(POI, maxresults=1, greaterthanid=max(seen, default=0))).json():
        seen += [one["ID"] for one in page]
        assert len(seen) <= 2
    everything = (await land.get(POI)).json()
    assert seen == sorted(one["ID"] for one in everything)


async def test_a_distance_is_told_in_the_unit_that_was_asked_for(land: Land) -> None:
    here: dict[str, Any] = {"latitude": 52.6, "longitude": 13.4, "distance": 50}
    in_km = {**here, "distanceunit": "km"}
    (km, *_), (miles, *_) = [(await land.get(POI, **asked)).json() for asked in (in_km, here)]
    units = [one["AddressInfo"]["DistanceUnit"] for one in (km, miles)]
    distances = [one["AddressInfo"]["Distance"] for one in (km, miles)]
    assert (units, km["ID"]) == ([1, 2], miles["ID"])
    assert abs(distances[0] - 1.609344 * distances[1]) < 0.01 < distances[1]


async def test_what_cannot_be_meant_is_refused_whatever_its_reader_has(land: Land) -> None:
    """RFC 9110, 13.2.1: conditions count where the answer would have been one of success."""
    answer = await land.reader.get(POI, params={"statustypeid": "free"}, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PARAMETER")
