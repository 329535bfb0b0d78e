"""The open formats of a hub whose CPO sends what real feeds send: importers, clients and schemas of others read them (N-T4 to N-T6)."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from lxml import etree

from ocpi_modules.locations import Location
from ocpi_modules.parties import Party
from tests.databases import Databases
from tests.navigation.corpus import locations
from tests.navigation.formats.test_datex2 import SCHEMAS
from tests.navigation.formats.test_irve import DYNAMIC_FORMS, STATIC_FORMS, wrong
from tests.navigation.land import Content, Land, open_land
from tests.settlement.cases import location, tariff

DIRTY = Party("DE", "DRT")
PUBLISHED = 382
"""All of the corpus but three without coordinates, and LOC1."""
IMPORTER_STEP = 100
OCPI = "/open/ocpi/2.2.1/locations"
AT_ONCE = 8


@pytest.fixture(scope="module")
async def land(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Land]:
    """A land with the dirty corpus in it."""
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, open_land(url, folder, map_anonymous_per_second=10_000) as made:
        dirty = await made.world.join("Dirty", ("CPO", str(DIRTY)))
        await made.be_lenient(dirty)
        gate = asyncio.Semaphore(AT_ONCE)

        async def put(content: Content) -> None:
            async with gate:
                heard = await dirty.push("locations", DIRTY, (content["id"],), content, receiver=None)
                assert heard.status_code == 1000, heard

        await asyncio.gather(*map(put, locations()))

        async def is_there() -> bool:
            return (await made.get(OCPI, limit=1)).headers["X-Total-Count"] == str(PUBLISHED)

        await made.until(is_there)
        yield made


# --- OCPI without a handshake ---


async def test_an_importer_that_steps_by_a_hundred_gets_each_location_once(land: Land) -> None:
    """N1, N-T5: it says no limit at first, and goes on by 100 whatever it got."""
    first = await land.get(OCPI)
    found: list[Content] = first.json()["data"]
    total, offset = int(first.headers["X-Total-Count"]), IMPORTER_STEP
    while offset < total:
        found += (await land.get(OCPI, offset=offset, limit=IMPORTER_STEP)).json()["data"]
        offset += IMPORTER_STEP
    names = Counter((one["party_id"], one["id"]) for one in found)
    assert (len(names), set(names.values())) == (PUBLISHED, {1})
    assert [Location.model_validate(one).publish for one in found] == [True] * PUBLISHED


async def test_links_lead_through_all_pages(land: Land) -> None:
    found, url = [], f"{land.world.url}{OCPI}?limit=150"
    while url:
        answer = await land.reader.get(url)
        found += [one["id"] for one in answer.json()["data"]]
        assert answer.headers["X-Total-Count"] == str(PUBLISHED)
        url = answer.links.get("next", {}).get("url", "")
    assert len(found) == len(set(found)) == PUBLISHED


@pytest.mark.parametrize(
    ("query", "count"),
    [
        pytest.param({"offset": PUBLISHED}, 0, id="an offset at the end"),
        pytest.param({"offset": 9_999_999}, 0, id="an offset far beyond the end"),
        pytest.param({"limit": 999_999}, PUBLISHED, id="a limit above the most is the most (P-05)"),
        pytest.param({"limit": 1, "offset": PUBLISHED - 1}, 1, id="the last one"),
        pytest.param({"date_from": "2026-03-01T00:00:00Z", "date_to": "2026-03-01T00:00:00Z"}, 0, id="no time at all"),
        pytest.param({"date_to": "0001-01-01T00:00:00Z"}, 0, id="before everything"),
        pytest.param({"date_from": "9999-12-31T23:59:59Z"}, 0, id="after everything"),
        pytest.param({"date_from": "2020-01-01T00:00:00", "limit": 1000}, PUBLISHED, id="no Z is UTC"),
    ],
)
async def test_a_page_has_what_is_asked_for(land: Land, query: Any, count: int) -> None:
    answer = await land.get(OCPI, **query)
    assert len(answer.json()["data"]) == count
    assert answer.json()["status_code"] == 1000


async def test_dates_cut_everything_in_two(land: Land) -> None:
    """P-02, P-03: from a moment on, and before it."""
    moment = "2026-03-15T00:00:00Z"
    queries: list[dict[str, Any]] = [{"date_to": moment}, {"date_from": moment}]
    before, after = [
        {one["id"]: one for one in (await land.get(OCPI, limit=1000, **query)).json()["data"]} for query in queries
    ]
    assert not before.keys() & after.keys()
    assert len(before) + len(after) == PUBLISHED
    assert min(map(len, (before, after))) > 50


@pytest.mark.parametrize("query", [{"limit": "-1"}, {"offset": "x"}, {"date_from": "now"}, {"offset": "1e3"}])
async def test_what_cannot_be_meant_is_refused(land: Land, query: Any) -> None:
    assert (await land.get(OCPI, 400, **query)).json()["status_code"] == 2001


# --- Open Charge Map ---


@pytest.fixture(scope="module")
def ocm() -> Any:
    """A client of Open Charge Map, as it was published."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # it compares numbers by identity
        import ocmpy.base
    return ocmpy.base


async def test_a_client_of_open_charge_map_finds_strong_stations_near_a_point(
    land: Land, ocm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N-T4."""
    monkeypatch.setattr(ocm, "_BASEURL", f"{land.world.url}/ocm/v3/")

    def ask() -> list[Any]:
        client = ocm.Ocmpy()
        assert client.open()
        strong = ocm.OcmpyArgs(
            latitude=51.3127, longitude=9.4797, distance=20, distanceunit="KM", minpowerkw=150, maxresults=500
        )
        found: list[Any] = client.getstations(strong)
        words = {client.lookupconnectiontypebyid(one.ConnectionTypeID)["Title"] for one in found[0].Connections}
        assert words <= {"CCS (Type 2)", "Type 2 (Socket Only)"}
        assert client.lookupoperatorbyid(found[0].OperatorID)["Title"]
        assert len(client.getstationsbylocation(51.3127, 9.4797, 20, 5)) == 5
        return found

    found = await asyncio.to_thread(ask)
    assert len(found) > 10
    assert all(max(one.PowerKW or 0 for one in station.Connections) >= 150 for station in found)
    kassel = (
        await land.get("/nav/v1/locations", near="51.3127,9.4797", radius=20_000, min_power=150, limit=500)
    ).json()
    assert {one.ID for one in found} == {one["id"] for one in kassel["features"]}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"boundingbox": "(1.2.3,4),(5,6)"}, id="a corner that is no number"),
        pytest.param({"boundingbox": "(91,4),(5,6)"}, id="a corner off the globe"),
        pytest.param({"latitude": "91", "longitude": "0"}, id="a point off the globe"),
        pytest.param({"latitude": "0", "longitude": "1000", "distance": "5"}, id="another"),
        pytest.param({"latitude": "nan", "longitude": "0"}, id="no number"),
        pytest.param({"latitude": "0", "longitude": "0", "distance": "1e999"}, id="farther than anything"),
        pytest.param({"latitude": "0", "longitude": "0", "distanceunit": "furlongs"}, id="a unit that nobody knows"),
        pytest.param({"polyline": "\x7f\x01"}, id="no polyline"),
        pytest.param({"polyline": "~" * 400 + "??"}, id="a polyline beyond all numbers"),
        pytest.param({"modifiedsince": "2026-13-45"}, id="no date"),
        pytest.param({"minpowerkw": "200", "maxpowerkw": "100"}, id="more than most"),
        pytest.param({"chargepointid": "99999999999"}, id="a number too large"),
        pytest.param({"compact": "perhaps"}, id="neither true nor false"),
    ],
)
async def test_absurd_questions_in_words_of_open_charge_map(land: Land, query: Any) -> None:
    assert (await land.get("/ocm/v3/poi", 400, **query)).json()["code"] == "INVALID_PARAMETER"


async def test_names_of_parameters_are_in_any_case_there(land: Land) -> None:
    found = (await land.get("/ocm/v3/poi", MaxResults=3, CountryCode="de", Compact="true")).json()
    assert len(found) == 3
    assert {one["AddressInfo"]["CountryID"] for one in found} == {87}


# --- DATEX II, AFIR, IRVE ---


@pytest.fixture(scope="module")
def schema() -> Any:
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "DATEXII_3_D2Payload.xsd")))


async def document(land: Land, kind: str, schema: Any, **query: Any) -> Any:
    found = etree.fromstring((await land.get(f"/open/datex2/v3.7/{kind}", **query)).content)
    schema.validate(found)
    assert [str(error.message) for error in schema.error_log] == []
    return found


Versioned = set[tuple[str, str]]


def versions(found: Any, *, referred: bool = False) -> Versioned:
    """The ids and versions of what a document holds, or refers to."""
    return {
        (one.get("id"), one.get("version"))
        for one in found.iter()
        if one.get("id") and bool(one.get("targetClass")) == referred
    }


def sites(found: Any) -> int:
    return sum(one.get("id", "").count("/") == 2 and "#" not in one.get("id") for one in found.iter())


async def test_table_and_status_are_valid_and_the_status_refers_to_the_table(land: Land, schema: Any) -> None:
    """N-T6, N8."""
    table, status = await document(land, "table", schema), await document(land, "status", schema)
    referred = versions(status, referred=True)
    assert len(referred) > PUBLISHED
    assert referred <= versions(table)


async def test_a_part_of_the_table_is_valid_too(land: Land, schema: Any) -> None:
    whole = await document(land, "table", schema)
    part = await document(land, "table", schema, bbox="9,51,10,52")
    small = await document(land, "table", schema, operator="DE/ABC")
    count = [sites(one) for one in (whole, part, small)]
    assert count[0] > count[1] > count[2] == 1
    nothing = await land.get("/open/datex2/v3.7/table", 404, bbox="0,0,1,1")
    assert nothing.json()["code"] == "NOTHING_TO_PUBLISH"


async def test_a_changed_status_changes_its_version_and_not_that_of_the_table(land: Land, schema: Any) -> None:
    """N8."""
    before = await document(land, "table", schema, operator="DE/ABC"), (await status_of_loc1(land, schema))
    await land.turn()

    async def is_new() -> bool:
        return (await status_of_loc1(land, schema)) != before[1]

    await land.until(is_new)
    table = await document(land, "table", schema, operator="DE/ABC")
    assert versions(table) == versions(before[0])
    await land.put(location(id="LOC1", name="Neue Mühle", last_updated="2027-03-02T12:00:00Z"))

    async def is_renamed() -> bool:
        now = await document(land, "table", schema, operator="DE/ABC")
        return versions(now) - versions(table) >= {("DE/ABC/LOC1", "2")}

    await land.until(is_renamed)


async def test_a_price_that_changes_changes_the_versions_of_what_shows_it(land: Land, schema: Any) -> None:
    """N8."""
    before = await document(land, "table", schema, operator="DE/ABC")
    located = (await land.get("/open/ocpi/2.2.1/locations/DE/ABC/LOC1")).json()["data"]
    content = tariff(id=located["evses"][0]["connectors"][0]["tariff_ids"][0], type="AD_HOC_PAYMENT")
    assert (await land.cpo.push("tariffs", Party("DE", "ABC"), (content["id"],), content, receiver=None)).is_success

    async def is_priced() -> bool:
        return bool((await document(land, "table", schema, operator="DE/ABC")).findall(".//{*}energyRate"))

    await land.until(is_priced)
    table, status = [await document(land, kind, schema, operator="DE/ABC") for kind in ("table", "status")]
    assert versions(table) & versions(before) <= {one for one in versions(table) if "#" in one[0]}
    assert versions(status, referred=True) <= versions(table)


async def status_of_loc1(land: Land, schema: Any) -> list[str]:
    found = await document(land, "status", schema, operator="DE/ABC")
    return [one.text for one in found.iter() if isinstance(one.tag, str) and etree.QName(one).localname == "status"]


async def test_the_german_profile_is_json_of_the_same_places(land: Land) -> None:
    static = (await land.get("/open/datex2/de-afir-01-00-00/static")).text
    dynamic = (await land.get("/open/datex2/de-afir-01-00-00/dynamic")).text
    ids = [{*re.findall(r'"idG": ?"([^"]+)"', json.dumps(json.loads(one)))} for one in (static, dynamic)]
    assert len(ids[1]) > 300
    assert ids[1] <= ids[0]


async def test_the_french_files_have_the_form_of_their_schemas(land: Land) -> None:
    """N-T6."""
    static, dynamic = [rows(await land.get(f"/open/irve/{name}.csv")) for name in ("statique", "dynamique")]
    assert wrong(dynamic, DYNAMIC_FORMS) == []
    assert wrong(static, STATIC_FORMS) == []
    assert {row["id_pdc_itinerance"] for row in dynamic} <= {row["id_pdc_itinerance"] for row in static} | ids_of(
        dynamic
    )


def ids_of(found: list[Content]) -> set[str]:
    return {row["id_pdc_itinerance"] for row in found}


def rows(answer: httpx.Response) -> list[Content]:
    return [*csv.DictReader(io.StringIO(answer.text))]


async def test_a_tariff_for_everybody_is_listed_and_others_are_not(land: Land) -> None:
    for content in (tariff(id="OPEN", type="AD_HOC_PAYMENT"), tariff(id="ROAMING")):
        heard = await land.cpo.push("tariffs", Party("DE", "ABC"), (content["id"],), content, receiver=None)
        assert heard.is_success

    async def is_listed() -> bool:
        found = (await land.get("/open/ocpi/2.2.1/tariffs")).json()["data"]
        return {"OPEN", "ROAMING"} & {one["id"] for one in found} == {"OPEN"}

    await land.until(is_listed)


async def test_the_operator_sees_how_good_the_locations_of_each_cpo_are(land: Land) -> None:
    """N3: what could not be published and each fault are counted; nobody without the admin token sees them."""
    scores = (await land.world.admin.get("/admin/quality")).json()
    worst = scores[0]
    assert worst["party"] == str(DIRTY)
    assert (worst["locations"], worst["published"]) == (384, 381)
    assert 0 < worst["score"] < next(one["score"] for one in scores if one["party"] == "DE/ABC") <= 100
    whole = (await land.world.admin.get(f"/admin/quality/{DIRTY}")).json()
    assert whole["faults"]["EVSE_REMOVED"] == 12
    assert {one["name"] for one in whole["checks"]} >= {"COORDINATES", "STATUS"}
    assert (await land.world.admin.get("/admin/quality/NL/MSP")).status_code == 404
    assert (await land.reader.get("/admin/quality")).status_code == 401
