"""Locations, EVSEs and Connectors, from outside: section 12 of the checklist (L-01 to L-24)."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hub.demo.faults import Seen
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB, World
from tests.ocpi_modules.test_objects import MISSING, changed
from tests.web.conftest import CP1, CP2, MS1, MS2, Bench

Object = dict[str, Any]
Named = Callable[[str], str]

CREATED, OK, REFUSED, NOT_THERE = (201, 1000), (200, 1000), (200, 2001), (404, 2003)

LATER = "2031-01-01T00:00:00Z"


@pytest.fixture
def mine(location: Object, unique: Named) -> Object:
    """A Location of DE/CP1 with two EVSEs, under an id of its own."""
    return {**location, "id": unique("L")}


def path_of(ids: tuple[str, ...]) -> str:
    return "/".join(quote(one, safe="") for one in ids)


async def tell(
    bench: Bench, method: str, ids: tuple[str, ...], content: Any = None, *, receiver: Party | None = HUB
) -> httpx.Response:
    """A request of DE/CP1 to the RECEIVER interface: the Location with this id, its EVSE, its Connector."""
    path = f"receiver/locations/DE/CP1/{path_of(ids)}"
    return await bench.send(bench.p1, method, path, sender=CP1, receiver=receiver, content=content)


async def stored(bench: Bench, *ids: str) -> Any:
    """What the hub keeps under these ids, as its owner reads it."""
    answer = await tell(bench, "GET", ids)
    assert result_of(answer) == OK
    return answer.json()["data"]


async def seen_by_ms1(bench: Bench, *ids: str, receiver: Party = HUB) -> httpx.Response:
    """The same at the SENDER interface, as NL/MS1 reads it: no owner in the URL."""
    return await bench.send(bench.p3, "GET", f"sender/locations/{path_of(ids)}", sender=MS1, receiver=receiver)


async def listed(bench: Bench, query: str = "") -> list[Object]:
    """All Locations that NL/MS1 gets from the hub, page by page."""
    found: list[Object] = []
    path = f"sender/locations?limit=100&{query}"
    while path:
        answer = await bench.send(bench.p3, "GET", path, sender=MS1, receiver=HUB)
        assert result_of(answer) == OK
        found += answer.json()["data"]
        path = answer.headers.get("link", "").partition("/ocpi/2.2.1/")[2].partition(">")[0]
    return found


def about(object_id: str) -> Callable[[Seen], bool]:
    in_body = json.dumps(object_id).encode()
    return lambda seen: f"/{quote(object_id, safe='')}" in seen.path or in_body in seen.body


def heard_of(bench: Bench, object_id: str) -> list[Seen]:
    return [seen for platform in bench.everybody for seen in platform.seen if about(object_id)(seen)]


async def until_all_is_delivered(bench: Bench, like: Object) -> None:
    """What was told to the hub before has arrived wherever it was to arrive: messages to one party keep their order."""
    last = str(uuid.uuid4())
    assert result_of(await tell(bench, "PUT", (last,), {**like, "id": last})) == CREATED
    for platform in bench.everybody[1:]:
        await platform.wait_until_seen(about(last))


async def assert_refused(bench: Bench, good: Object, content: Any, *ids: str) -> None:
    """PUT of this is E2001: HTTP 200 with 2001, nothing stored, nothing sent. `good` is an acceptable Location."""
    object_id = good["id"]
    answer = await tell(bench, "PUT", ids or (object_id,), content)
    assert result_of(answer) == REFUSED
    assert answer.json()["status_message"]
    assert result_of(await tell(bench, "GET", (object_id,))) == NOT_THERE
    await until_all_is_delivered(bench, good)
    assert heard_of(bench, object_id) == []


async def put(bench: Bench, content: Object, *ids: str) -> tuple[int, int]:
    return result_of(await tell(bench, "PUT", ids or (content["id"],), content))


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.proves("L-01")
async def test_locations_of_the_hub_are_listed_in_pages_with_and_without_dates(shared: Bench, mine: Object) -> None:
    older, newer = {**mine, "last_updated": "2030-05-01T00:00:00Z"}, {**mine, "last_updated": "2030-05-02T00:00:00Z"}
    newer["id"] += "b"
    for content in (older, newer):
        assert await put(shared, content) == CREATED
    page = await shared.send(shared.p3, "GET", "sender/locations?limit=1", sender=MS1, receiver=HUB)
    assert result_of(page) == OK
    assert len(page.json()["data"]) == 1
    assert int(page.headers["x-total-count"]) >= 2
    assert page.headers["x-limit"] == "1"
    assert page.headers["link"].startswith(f"<{shared.world.url}/")
    everything = await shared.send(shared.p3, "GET", "sender/locations", sender=MS1, receiver=HUB)
    assert {older["id"], newer["id"]} <= {one["id"] for one in everything.json()["data"]}
    dated = await listed(shared, "date_from=2030-05-01T00:00:00Z&date_to=2030-05-02T00:00:00Z")
    assert [one["id"] for one in dated] == [older["id"]]
    dated = await listed(shared, "date_from=2030-05-02T00:00:00Z&date_to=2030-05-03T00:00:00Z")
    assert [one["id"] for one in dated] == [newer["id"]]


@pytest.mark.proves("L-01")
async def test_locations_of_one_party_are_listed_by_that_party(shared: Bench, mine: Object) -> None:
    for number in range(3):
        shared.p1.desk.offer("locations", {**mine, "id": f"{mine['id']}{number}"})
    answer = await shared.send(shared.p3, "GET", "sender/locations?limit=2", sender=MS1, receiver=CP1)
    (seen,) = [seen for seen in shared.p1.seen if seen.module_id == "locations"]
    assert result_of(answer) == OK
    assert (seen.method, seen.path.rpartition("/")[2], seen.query) == ("GET", "locations", "limit=2")
    assert len(answer.json()["data"]) == 2
    assert int(answer.headers["x-total-count"]) >= 3
    assert answer.headers["x-limit"] == "2"
    assert answer.headers["link"].startswith(f"<{shared.world.url}/")


@pytest.mark.proves("L-02")
async def test_a_location_an_evse_and_a_connector_are_each_read_without_their_owner(
    shared: Bench, mine: Object
) -> None:
    assert await put(shared, mine) == CREATED
    evse = mine["evses"][0]
    connector = evse["connectors"][1]
    for ids, found in (
        ((mine["id"],), mine),
        ((mine["id"], evse["uid"]), evse),
        ((mine["id"], evse["uid"], connector["id"]), connector),
    ):
        answer = await seen_by_ms1(shared, *ids)
        assert result_of(answer) == OK
        assert answer.json()["data"] == found
    assert not [seen for seen in shared.p1.seen if seen.module_id == "locations"]


@pytest.mark.proves("L-02")
async def test_each_of_the_three_is_read_from_its_owner_too(shared: Bench, mine: Object) -> None:
    shared.p1.desk.offer("locations", mine)
    evse = mine["evses"][1]
    for ids, kind in (
        ((mine["id"],), "address"),
        ((mine["id"], evse["uid"]), "connectors"),
        ((mine["id"], evse["uid"], evse["connectors"][0]["id"]), "max_voltage"),
    ):
        answer = await seen_by_ms1(shared, *ids, receiver=CP1)
        assert result_of(answer) == OK
        assert kind in answer.json()["data"]
        assert shared.p1.seen[-1].path.endswith(f"/sender/locations/{path_of(ids)}")


@pytest.mark.proves("L-02", "X-32")
@pytest.mark.parametrize(
    "below",
    [
        pytest.param(("no-such-evse",), id="an unknown EVSE"),
        pytest.param(("E", "no-such-connector"), id="an unknown connector"),
        pytest.param((), id="an unknown location"),
    ],
)
async def test_what_is_not_there_is_404(shared: Bench, mine: Object, unique: Named, below: tuple[str, ...]) -> None:
    assert await put(shared, mine) == CREATED
    rest = tuple(mine["evses"][0]["uid"] if one == "E" else one for one in below)
    ids = (mine["id"], *rest) if below else (unique("none"),)
    answers = [await seen_by_ms1(shared, *ids), await tell(shared, "GET", ids)]
    for answer in answers:
        assert result_of(answer) == NOT_THERE
        assert answer.json().get("data") is None
    with_owner = await seen_by_ms1(shared, "DE", "CP1", mine["id"])
    assert with_owner.status_code == 404


@pytest.mark.proves("L-03", "L-15")
async def test_a_location_whose_evses_are_all_removed_stays_listed_so_that_clients_learn_it(
    shared: Bench, mine: Object
) -> None:
    assert await put(shared, mine) == CREATED
    for evse in mine["evses"]:
        fields = {"status": "REMOVED", "last_updated": LATER}
        assert result_of(await tell(shared, "PATCH", (mine["id"], evse["uid"]), fields)) == OK
    for query in ("", f"date_from={LATER}"):
        (found,) = [one for one in await listed(shared, query) if one["id"] == mine["id"]]
        assert {evse["status"] for evse in found["evses"]} == {"REMOVED"}


# --- who may write what ---------------------------------------------------------------------------


@pytest.mark.proves("L-04")
async def test_owners_put_patch_and_read_at_all_three_depths(shared: Bench, mine: Object) -> None:
    evse = mine["evses"][0]
    connector = evse["connectors"][0]
    levels = (
        ((mine["id"],), mine, "name", "Elsewhere"),
        ((mine["id"], evse["uid"]), evse, "floor_level", "+7"),
        ((mine["id"], evse["uid"], connector["id"]), connector, "max_amperage", 63),
    )
    expected = CREATED
    for ids, content, _, _ in levels:
        for result in (expected, OK):
            answer = await tell(shared, "PUT", ids, content)
            assert result_of(answer) == result
            assert answer.json().get("data") is None
        assert await stored(shared, *ids) == content
        expected = OK
    for number, (ids, _, field, value) in enumerate(levels):
        fields = {field: value, "last_updated": f"2031-01-01T00:00:0{number}Z"}
        assert result_of(await tell(shared, "PATCH", ids, fields)) == OK
        found = await stored(shared, *ids)
        assert (found[field], found["last_updated"]) == (value, fields["last_updated"])


@pytest.mark.proves("L-05")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"party_id": "CP9"}, id="another party"),
        pytest.param({"country_code": "NL"}, id="another country"),
        pytest.param({"country_code": "BE", "party_id": "CP2"}, id="a party that exists"),
    ],
)
async def test_a_body_has_the_owner_of_its_url(shared: Bench, mine: Object, change: Object, receiver: Party) -> None:
    answer = await tell(shared, "PUT", (mine["id"],), {**mine, **change}, receiver=receiver)
    assert result_of(answer) == REFUSED
    assert result_of(await tell(shared, "GET", (mine["id"],))) == NOT_THERE
    await until_all_is_delivered(shared, mine)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("L-06", "X-10")
@pytest.mark.parametrize("sender", [pytest.param(party, id=f"as {party}") for party in (CP2, MS2, CP1)])
async def test_a_stranger_neither_writes_nor_reads_under_the_name_of_another(
    shared: Bench, mine: Object, sender: Party
) -> None:
    """P2 under DE/CP1's name: nothing becomes of it, for the hub or for a party."""
    fields = {"name": "Taken over", "last_updated": LATER}
    calls: tuple[tuple[str, Any], ...] = (("GET", None), ("PUT", {**mine, "name": "Taken over"}), ("PATCH", fields))
    assert await put(shared, mine) == CREATED
    await until_all_is_delivered(shared, mine)
    shared.forget_what_was_seen()
    for receiver in (HUB, MS1):
        for method, content in calls:
            path = f"receiver/locations/DE/CP1/{mine['id']}"
            answer = await shared.send(shared.p2, method, path, sender=sender, receiver=receiver, content=content)
            assert result_of(answer) in {NOT_THERE, REFUSED}
            assert answer.json().get("data") is None
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("L-06")
async def test_an_emsp_owns_no_locations_though_it_stands_behind_the_token(shared: Bench, mine: Object) -> None:
    content = {**mine, "country_code": "BE", "party_id": "MS2"}
    path = f"receiver/locations/BE/MS2/{mine['id']}"
    answer = await shared.send(shared.p2, "PUT", path, sender=MS2, receiver=HUB, content=content)
    assert result_of(answer) in {NOT_THERE, REFUSED}
    assert mine["id"] not in {one["id"] for one in await listed(shared)}


@pytest.mark.proves("L-06", "X-10")
async def test_of_two_cpos_on_one_platform_each_speaks_for_itself(world: World, mine: Object) -> None:
    first, second = Party("DE", "AAA"), Party("DE", "BBB")
    platform = await world.join("P6", ("CPO", "DE/AAA"), ("CPO", "DE/BBB"))
    emsp = await world.join("P3", ("EMSP", "NL/MS1"))
    content = {**mine, "party_id": "AAA"}
    path = f"{world.url}/ocpi/2.2.1/receiver/locations/DE/AAA/{mine['id']}"
    for receiver in (HUB, MS1):
        heard = await platform.call("PUT", path, sender=second, receiver=receiver, content=content)
        assert (heard.http_status, heard.status_code) == REFUSED
    assert (await platform.call("GET", path, sender=first, receiver=HUB)).http_status == 404
    heard = await platform.call("PUT", path, sender=first, receiver=HUB, content=content)
    assert (heard.http_status, heard.status_code) == CREATED
    (seen,) = await emsp.wait_until_seen(about(mine["id"]))
    assert seen.path.endswith(f"/DE/AAA/{mine['id']}")
    assert [one.method for one in emsp.seen if about(mine["id"])(one)] == ["PUT"]


@pytest.mark.proves("L-07")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_a_body_has_the_id_of_its_url_at_every_depth(
    shared: Bench, mine: Object, depth: int, receiver: Party
) -> None:
    assert await put(shared, mine) == CREATED
    await until_all_is_delivered(shared, mine)
    shared.forget_what_was_seen()
    evse = mine["evses"][0]
    connector = evse["connectors"][0]
    ids = (mine["id"], evse["uid"], connector["id"])[: depth + 1]
    content = ({**mine, "id": "another"}, {**evse, "uid": "another"}, {**connector, "id": "9"})[depth]
    answer = await tell(shared, "PUT", ids, {**content, "last_updated": LATER}, receiver=receiver)
    assert result_of(answer) == REFUSED
    assert await stored(shared, mine["id"]) == mine
    assert result_of(await tell(shared, "GET", ("another",))) == NOT_THERE
    await until_all_is_delivered(shared, mine)
    assert heard_of(shared, mine["id"]) == []


# --- PUT ------------------------------------------------------------------------------------------


@pytest.mark.proves("L-08")
async def test_a_put_replaces_all_also_what_it_leaves_out(shared: Bench, mine: Object) -> None:
    first = {**mine, "charging_when_closed": False}
    assert await put(shared, first) == CREATED
    left_out = {"name", "facilities", "charging_when_closed", "energy_mix"}
    second = {name: value for name, value in first.items() if name not in left_out}
    assert await put(shared, second) == OK
    found = await stored(shared, mine["id"])
    assert found == second
    assert found.get("charging_when_closed", True) is True
    evse = {name: value for name, value in mine["evses"][0].items() if name not in {"floor_level", "directions"}}
    assert await put(shared, evse, mine["id"], evse["uid"]) == OK
    assert await stored(shared, mine["id"], evse["uid"]) == evse


@pytest.mark.proves("L-09")
async def test_a_put_of_an_evse_or_a_connector_touches_that_one_only(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    one, two = mine["evses"]
    three = {**copy.deepcopy(two), "uid": "E3", "last_updated": "2026-01-10T00:00:00Z"}
    assert await put(shared, three, mine["id"], "E3") == CREATED
    assert (await stored(shared, mine["id"]))["evses"] == [one, two, three]
    plug = {**one["connectors"][0], "id": "3", "last_updated": "2026-01-11T00:00:00Z"}
    assert await put(shared, plug, mine["id"], one["uid"], "3") == CREATED
    assert (await stored(shared, mine["id"], one["uid"]))["connectors"] == [*one["connectors"], plug]
    assert await put(shared, {**plug, "max_amperage": 16}, mine["id"], one["uid"], "3") == OK
    whole = await stored(shared, mine["id"])
    assert whole["evses"][0]["connectors"] == [*one["connectors"], {**plug, "max_amperage": 16}]
    assert whole["evses"][1:] == [two, three]
    assert {**whole, "evses": 0, "last_updated": 0} == {**mine, "evses": 0, "last_updated": 0}


@pytest.mark.proves("L-10", "P-04")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("depth", [1, 2])
async def test_a_changed_part_moves_what_holds_it(shared: Bench, mine: Object, method: str, depth: int) -> None:
    assert await put(shared, mine) == CREATED
    one, two = mine["evses"]
    ids = (mine["id"], one["uid"], one["connectors"][0]["id"])[: depth + 1]
    part = one if depth == 1 else one["connectors"][0]
    content = {**part, "last_updated": LATER} if method == "PUT" else {"last_updated": LATER}
    assert result_of(await tell(shared, method, ids, content)) == OK
    whole = await stored(shared, mine["id"])
    evse = whole["evses"][0]
    assert (whole["last_updated"], evse["last_updated"]) == (LATER, LATER)
    assert evse["connectors"][0]["last_updated"] == (LATER if depth == 2 else one["connectors"][0]["last_updated"])
    assert evse["connectors"][1] == one["connectors"][1]
    assert whole["evses"][1] == two
    assert mine["id"] in {found["id"] for found in await listed(shared, f"date_from={LATER}")}


@pytest.mark.proves("X-54")
async def test_a_part_that_is_older_than_what_holds_it_moves_nothing_backwards(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    evse, between = mine["evses"][0], "2026-01-15T06:30:00Z"
    assert evse["last_updated"] < between < mine["last_updated"]
    fields = {"status": "BLOCKED", "last_updated": between}
    assert result_of(await tell(shared, "PATCH", (mine["id"], evse["uid"]), fields)) == OK
    whole = await stored(shared, mine["id"])
    assert (whole["last_updated"], whole["evses"][0]["last_updated"]) == (mine["last_updated"], between)
    assert whole["evses"][0]["status"] == "BLOCKED"


# --- PATCH ----------------------------------------------------------------------------------------


@pytest.mark.proves("L-11", "S-03")
@pytest.mark.parametrize(
    ("depth", "fields"),
    [
        pytest.param(0, {"name": "Elsewhere"}, id="a location"),
        pytest.param(1, {"status": "CHARGING"}, id="an EVSE"),
        pytest.param(2, {"max_amperage": 63}, id="a connector"),
        pytest.param(1, {"status": "CHARGING", "last_updated": None}, id="null for it"),
        pytest.param(0, {}, id="nothing at all"),
    ],
)
async def test_a_patch_without_last_updated_is_refused(shared: Bench, mine: Object, depth: int, fields: Object) -> None:
    assert await put(shared, mine) == CREATED
    await until_all_is_delivered(shared, mine)
    shared.forget_what_was_seen()
    evse = mine["evses"][0]
    ids = (mine["id"], evse["uid"], evse["connectors"][0]["id"])[: depth + 1]
    assert result_of(await tell(shared, "PATCH", ids, fields)) == REFUSED
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("L-12")
async def test_a_patch_changes_what_it_names_and_nothing_else(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    fields: Object = {"name": "Elsewhere", "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", (mine["id"],), fields)) == OK
    assert await stored(shared, mine["id"]) == {**mine, **fields}
    seen = await shared.p3.wait_until_seen(about(mine["id"]), 2)
    assert (seen[1].method, json.loads(seen[1].body)) == ("PATCH", fields)


@pytest.mark.proves("X-30", "L-12")
async def test_lists_in_a_patch_are_replaced_but_evses_and_connectors_are_merged(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    one, two = mine["evses"]
    fields: Object = {
        "facilities": ["WIFI"],
        "directions": [],
        "evses": [
            {"uid": two["uid"], "status": "AVAILABLE", "connectors": [{"id": "1", "max_amperage": 100}]},
            {**two, "uid": "E3"},
        ],
        "last_updated": LATER,
    }
    assert result_of(await tell(shared, "PATCH", (mine["id"],), fields)) == OK
    found = await stored(shared, mine["id"])
    assert (found["facilities"], found["directions"]) == (["WIFI"], [])
    assert [evse["uid"] for evse in found["evses"]] == [one["uid"], two["uid"], "E3"]
    assert found["evses"][0] == one
    plug = {**two["connectors"][0], "max_amperage": 100}
    assert found["evses"][1] == {**two, "status": "AVAILABLE", "connectors": [plug]}
    part = {"capabilities": ["RESERVABLE"], "last_updated": "2031-01-02T00:00:00Z"}
    assert result_of(await tell(shared, "PATCH", (mine["id"], one["uid"]), part)) == OK
    assert (await stored(shared, mine["id"], one["uid"]))["capabilities"] == ["RESERVABLE"]


@pytest.mark.proves("X-30")
async def test_null_in_a_patch_takes_an_optional_field_away(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    fields = {"name": None, "facilities": None, "opening_times": None, "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", (mine["id"],), fields)) == OK
    found = await stored(shared, mine["id"])
    assert [name for name in fields if found.get(name)] == ["last_updated"]
    expected = {name: value for name, value in {**mine, **fields}.items() if value is not None}
    assert {name: value for name, value in found.items() if value is not None} == expected


@pytest.mark.proves("X-30")
@pytest.mark.parametrize(
    ("depth", "fields"),
    [
        pytest.param(0, {"city": None}, id="a required text"),
        pytest.param(0, {"coordinates": None}, id="a required object"),
        pytest.param(1, {"status": None}, id="the status of an EVSE"),
        pytest.param(1, {"connectors": None}, id="all connectors"),
        pytest.param(1, {"connectors": []}, id="no connectors"),
        pytest.param(2, {"power_type": None}, id="a required field of a connector"),
    ],
)
async def test_null_in_a_patch_for_something_required_is_refused(
    shared: Bench, mine: Object, depth: int, fields: Object
) -> None:
    assert await put(shared, mine) == CREATED
    evse = mine["evses"][0]
    ids = (mine["id"], evse["uid"], evse["connectors"][0]["id"])[: depth + 1]
    assert result_of(await tell(shared, "PATCH", ids, {**fields, "last_updated": LATER})) == REFUSED
    assert await stored(shared, mine["id"]) == mine


@pytest.mark.proves("X-30", "L-15")
@pytest.mark.parametrize("value", [pytest.param(None, id="null"), pytest.param([], id="an empty list")])
async def test_no_patch_makes_an_evse_vanish(shared: Bench, mine: Object, value: Any) -> None:
    assert await put(shared, mine) == CREATED
    answer = await tell(shared, "PATCH", (mine["id"],), {"evses": value, "last_updated": LATER})
    assert result_of(answer) in {OK, REFUSED}
    assert (await stored(shared, mine["id"]))["evses"] == mine["evses"]


@pytest.mark.proves("X-30")
async def test_a_patch_goes_on_as_it_was_written(shared: Bench, mine: Object) -> None:
    assert result_of(await tell(shared, "PUT", (mine["id"],), mine, receiver=MS1)) == CREATED
    assert await put(shared, mine) == CREATED
    body = f'{{ "name" : null, "facilities": [ ],"x_price":1.50, "last_updated":"{LATER}"}}'.encode()
    for receiver in (MS1, HUB):
        assert result_of(await tell(shared, "PATCH", (mine["id"],), body, receiver=receiver)) == OK
    seen = await shared.p3.wait_until_seen(about(mine["id"]), 4)
    assert [one.body for one in seen if one.method == "PATCH"] == [body, body]


@pytest.mark.proves("L-13", "X-32")
@pytest.mark.parametrize(
    ("method", "below"),
    [
        pytest.param("PUT", ("E1",), id="an EVSE of no location"),
        pytest.param("PUT", ("E1", "1"), id="a connector of no location"),
        pytest.param("PATCH", (), id="a change of no location"),
        pytest.param("PATCH", ("E1",), id="a change of an EVSE of no location"),
        pytest.param("PATCH", ("E1", "1"), id="a change of a connector of no location"),
        pytest.param("GET", (), id="a read of no location"),
        pytest.param("GET", ("E1",), id="a read of an EVSE of no location"),
    ],
)
async def test_a_part_or_a_change_of_something_unknown_is_404_and_leaves_no_phantom(
    shared: Bench, mine: Object, method: str, below: tuple[str, ...]
) -> None:
    evse = {**mine["evses"][0], "uid": "E1"}
    whole = (mine, evse, {**evse["connectors"][0], "id": "1"})[len(below)]
    content = {"PUT": whole, "PATCH": {"last_updated": LATER}, "GET": None}[method]
    answer = await tell(shared, method, (mine["id"], *below), content)
    assert result_of(answer) == NOT_THERE
    assert answer.json()["timestamp"]
    assert result_of(await tell(shared, "GET", (mine["id"],))) == NOT_THERE
    assert mine["id"] not in {one["id"] for one in await listed(shared)}
    await until_all_is_delivered(shared, mine)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("L-13", "X-32")
async def test_a_part_of_an_unknown_evse_is_404_and_adds_none(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    plug = {**mine["evses"][0]["connectors"][0], "id": "1", "last_updated": LATER}
    for method, ids, content in (
        ("PUT", (mine["id"], "NOPE", "1"), plug),
        ("PATCH", (mine["id"], "NOPE"), {"status": "CHARGING", "last_updated": LATER}),
        ("PATCH", (mine["id"], mine["evses"][0]["uid"], "NOPE"), {"max_amperage": 1, "last_updated": LATER}),
    ):
        assert result_of(await tell(shared, method, ids, content)) == NOT_THERE
    assert await stored(shared, mine["id"]) == mine


@pytest.mark.proves("X-32")
async def test_what_is_unknown_to_the_hub_is_for_the_receiver_of_a_direct_push_to_judge(
    shared: Bench, mine: Object
) -> None:
    evse = mine["evses"][0]
    assert result_of(await tell(shared, "PUT", (mine["id"],), mine, receiver=MS1)) == CREATED
    answer = await tell(shared, "PUT", (mine["id"], evse["uid"]), {**evse, "last_updated": LATER}, receiver=MS1)
    assert result_of(answer) == OK
    fields = {"name": "Elsewhere", "last_updated": LATER}
    unknown_there = await tell(shared, "PATCH", (f"{mine['id']}b",), fields, receiver=MS1)
    assert unknown_there.status_code == 404
    seen = [one for one in shared.p3.seen if about(mine["id"])(one) or about(f"{mine['id']}b")(one)]
    assert [one.method for one in seen] == ["PUT", "PUT", "PATCH"]


@pytest.mark.proves("L-14")
@pytest.mark.parametrize(
    ("depth", "fields"),
    [
        pytest.param(0, {"id": "another"}, id="the id of a location"),
        pytest.param(0, {"party_id": "CP9"}, id="its party"),
        pytest.param(0, {"country_code": "NL"}, id="its country code"),
        pytest.param(1, {"uid": "another"}, id="the uid of an EVSE"),
        pytest.param(2, {"id": "9"}, id="the id of a connector"),
        pytest.param(0, {"id": None}, id="no id"),
    ],
)
async def test_no_patch_changes_an_id_or_an_owner(shared: Bench, mine: Object, depth: int, fields: Object) -> None:
    assert await put(shared, mine) == CREATED
    evse = mine["evses"][0]
    ids = (mine["id"], evse["uid"], evse["connectors"][0]["id"])[: depth + 1]
    for receiver in (HUB, MS1):
        answer = await tell(shared, "PATCH", ids, {**fields, "last_updated": LATER}, receiver=receiver)
        assert result_of(answer) == REFUSED
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine)
    assert [seen.method for seen in heard_of(shared, mine["id"]) if seen.method != "PUT"] == []


# --- EVSEs that go --------------------------------------------------------------------------------


@pytest.mark.proves("L-15")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_removed_evse_stays_readable_and_sessions_still_find_it(
    shared: Bench, mine: Object, session: Object, unique: Named, method: str
) -> None:
    assert await put(shared, mine) == CREATED
    evse = mine["evses"][0]
    place = {"location_id": mine["id"], "evse_uid": evse["uid"], "connector_id": evse["connectors"][0]["id"]}
    session = {**session, **place, "id": unique("S")}
    path = f"receiver/sessions/DE/CP1/{session['id']}"
    sent = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=session)
    assert result_of(sent) == CREATED
    removed = {**evse, "status": "REMOVED", "last_updated": LATER}
    del removed["evse_id"]
    content = removed if method == "PUT" else {"status": "REMOVED", "last_updated": LATER}
    assert result_of(await tell(shared, method, (mine["id"], evse["uid"]), content)) == OK
    found = await stored(shared, mine["id"], evse["uid"])
    assert found["status"] == "REMOVED"
    assert found.get("evse_id") == (None if method == "PUT" else evse["evse_id"])
    assert len((await stored(shared, mine["id"]))["evses"]) == 2
    read = await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)
    at = read.json()["data"]
    resolved = await seen_by_ms1(shared, at["location_id"], at["evse_uid"], at["connector_id"])
    assert resolved.json()["data"] == evse["connectors"][0]
    assert (await tell(shared, "DELETE", (mine["id"], evse["uid"]))).status_code == 405


# --- the fields of a Location ---------------------------------------------------------------------


REQUIRED = [
    "country_code",
    "party_id",
    "id",
    "publish",
    "address",
    "city",
    "country",
    "coordinates",
    "time_zone",
    "last_updated",
]


@pytest.mark.proves("L-16")
@pytest.mark.parametrize("field", REQUIRED)
async def test_a_location_without_a_required_field_is_refused(shared: Bench, mine: Object, field: str) -> None:
    await assert_refused(shared, mine, {name: value for name, value in mine.items() if name != field}, mine["id"])


@pytest.mark.proves("L-16")
async def test_a_location_of_required_fields_alone_is_accepted(shared: Bench, mine: Object) -> None:
    content = {name: mine[name] for name in REQUIRED}
    assert await put(shared, content) == CREATED
    assert await stored(shared, mine["id"]) == content


@pytest.mark.proves("L-16")
@pytest.mark.parametrize(
    ("field", "longest"),
    [("address", 255), ("city", 45), ("name", 255), ("postal_code", 10), ("state", 45), ("id", 36)],
)
async def test_text_of_a_location_has_its_greatest_length(
    shared: Bench, mine: Object, field: str, longest: int
) -> None:
    text = mine["id"].ljust(longest, "x")[-longest:] if field == "id" else "ß" * longest
    content = {**mine, field: text}
    assert await put(shared, content) == CREATED
    assert (await stored(shared, content["id"]))[field] == text
    too_long = {**mine, "id": f"{mine['id']}-2", field: f"{text}x"}
    await assert_refused(shared, {**mine, "id": too_long["id"]}, too_long)


@pytest.mark.proves("L-16")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("country", "NL", id="country of two letters"),
        pytest.param("country", "Netherlands", id="country in words"),
        pytest.param("country", "NL1", id="country with a digit"),
        pytest.param("time_zone", "Europe/Utrecht", id="a time zone that nobody knows"),
        pytest.param("time_zone", "+01:00", id="an offset for a time zone"),
        pytest.param("time_zone", "x" * 256, id="a time zone too long"),
        pytest.param("publish", "true", id="a text for a boolean"),
        pytest.param("publish", None, id="null for a boolean"),
    ],
)
async def test_a_location_with_a_wrong_value_is_refused(shared: Bench, mine: Object, field: str, value: Any) -> None:
    await assert_refused(shared, mine, {**mine, field: value})


# --- who may see it -------------------------------------------------------------------------------


@pytest.mark.proves("L-17")
@pytest.mark.parametrize(
    ("publish", "allowed"),
    [
        pytest.param(True, [{"group_id": "G"}], id="published, and for some only"),
        pytest.param(False, [{"uid": "1"}], id="a uid without type"),
        pytest.param(False, [{"visual_number": "1"}], id="a visual number without issuer"),
        pytest.param(False, [{}], id="an entry that names nobody"),
        pytest.param(False, [{"type": "RFID", "issuer": "Voltstadt"}], id="no token at all"),
        pytest.param(False, [{"group_id": "G"}, {"uid": "1"}], id="one good entry and one bad"),
        pytest.param(False, [{"uid": "1", "type": "CARD"}], id="a type that nobody knows"),
    ],
)
async def test_a_list_of_those_who_may_see_a_location_has_its_rules(
    shared: Bench, mine: Object, publish: bool, allowed: list[Object]
) -> None:
    await assert_refused(shared, mine, {**mine, "publish": publish, "publish_allowed_to": allowed})


@pytest.mark.proves("L-17", "L-24", "X-49")
@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param([{"group_id": "G"}], id="a group"),
        pytest.param([{"uid": "1", "type": "RFID"}], id="a uid with its type"),
        pytest.param([{"visual_number": "1", "issuer": "Voltstadt"}], id="a visual number with its issuer"),
        pytest.param([], id="nobody"),
    ],
)
async def test_a_location_that_is_not_published_is_exchanged_with_its_flag_and_list(
    shared: Bench, mine: Object, allowed: list[Object]
) -> None:
    content = {**mine, "publish": False, "publish_allowed_to": allowed}
    assert await put(shared, content) == CREATED
    for platform in shared.everybody[1:]:
        (seen,) = await platform.wait_until_seen(about(mine["id"]))
        assert (seen.content["publish"], seen.content["publish_allowed_to"]) == (False, allowed)
    (found,) = [one for one in await listed(shared) if one["id"] == mine["id"]]
    assert (found["publish"], found["publish_allowed_to"]) == (False, allowed)
    assert (await seen_by_ms1(shared, mine["id"])).json()["data"] == content


@pytest.mark.proves("L-24", "X-49")
async def test_no_public_page_of_the_hub_shows_a_location_that_is_not_published(
    shared: Bench, mine: Object, unique: Named
) -> None:
    words = {field: unique(field) for field in ("name", "address", "city")}
    content = {**mine, **words, "publish": False}
    assert await put(shared, content) == CREATED
    secrets = [mine["id"], *words.values()]
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/health/live", "/health/ready"):
        page = await shared.http.get(f"{shared.world.url}{path}")
        assert page.status_code == 200
        assert [word for word in secrets if word in page.text] == []
    for path in ("", "sender/locations", f"sender/locations/{mine['id']}", f"receiver/locations/DE/CP1/{mine['id']}"):
        page = await shared.http.get(f"{shared.world.url}/ocpi/2.2.1/{path}")
        assert page.status_code == 401
        assert [word for word in secrets if word in page.text] == []


# --- coordinates and hours ------------------------------------------------------------------------


@pytest.mark.proves("L-18", "X-35")
@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        pytest.param("51.047599", "3.729944", id="six decimals"),
        pytest.param("51.04759", "3.72994", id="five decimals"),
        pytest.param("-89.1234567", "-179.1234567", id="X-35: one character more than the printed lengths"),
        pytest.param("0.00000", "-0.00000", id="the middle of nowhere"),
    ],
)
async def test_coordinates_of_five_to_seven_decimals_are_accepted(
    shared: Bench, mine: Object, latitude: str, longitude: str
) -> None:
    point = {"latitude": latitude, "longitude": longitude}
    assert await put(shared, {**mine, "coordinates": point}) == CREATED
    assert (await stored(shared, mine["id"]))["coordinates"] == point


@pytest.mark.proves("L-18")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("coordinates.latitude", "51.04", id="two decimals"),
        pytest.param("coordinates.latitude", "51.0475", id="four decimals"),
        pytest.param("coordinates.latitude", "51.04759912", id="eight decimals"),
        pytest.param("coordinates.latitude", 51.047599, id="a number"),
        pytest.param("coordinates.latitude", "51,04759", id="a comma"),
        pytest.param("coordinates.latitude", "151.04759", id="three digits of latitude"),
        pytest.param("coordinates.longitude", "1003.72994", id="four digits of longitude"),
        pytest.param("coordinates.longitude", " 3.72994", id="a blank"),
        pytest.param("coordinates.longitude", "3", id="no decimals"),
        pytest.param("evses.0.coordinates.latitude", "52.1", id="at an EVSE"),
        pytest.param("related_locations.0.longitude", "5.1", id="at a related place"),
        pytest.param("coordinates.longitude", MISSING, id="half a point"),
    ],
)
async def test_other_coordinates_are_refused(shared: Bench, mine: Object, path: str, value: Any) -> None:
    await assert_refused(shared, mine, changed(mine, path, value))


MONDAY: Object = {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}
WRONG_HOURS: dict[str, Object] = {
    "weekday 0": {"weekday": 0},
    "weekday 8": {"weekday": 8},
    "weekday in words": {"weekday": "1"},
    "no leading zero": {"period_begin": "8:00"},
    "an hour beyond the day": {"period_end": "24:00"},
    "a minute beyond the hour": {"period_end": "12:60"},
    "seconds": {"period_begin": "08:00:00"},
    "the end before the beginning": {"period_begin": "20:00", "period_end": "08:00"},
    "the end at the beginning": {"period_begin": "08:00", "period_end": "08:00"},
}
HOLIDAY: Object = {"period_begin": "2026-12-25T00:00:00Z", "period_end": "2026-12-26T00:00:00Z"}


@pytest.mark.proves("L-19")
@pytest.mark.parametrize(
    "hours",
    [
        pytest.param({"twentyfourseven": True}, id="always"),
        pytest.param({"twentyfourseven": True, "exceptional_closings": [HOLIDAY]}, id="always but on a holiday"),
        pytest.param({"twentyfourseven": False, "regular_hours": [MONDAY]}, id="on Mondays"),
        pytest.param({"twentyfourseven": False, "regular_hours": [{**MONDAY, "weekday": 7}]}, id="on Sundays"),
        pytest.param(
            {"twentyfourseven": False, "regular_hours": [{**MONDAY, "period_begin": "00:00", "period_end": "23:59"}]},
            id="from the first minute to the last",
        ),
    ],
)
async def test_opening_hours_within_their_rules_are_accepted(shared: Bench, mine: Object, hours: Object) -> None:
    assert await put(shared, {**mine, "opening_times": hours}) == CREATED
    assert (await stored(shared, mine["id"]))["opening_times"] == hours


@pytest.mark.proves("L-19")
@pytest.mark.parametrize(
    "hours",
    [
        pytest.param({"regular_hours": [MONDAY]}, id="no twentyfourseven"),
        pytest.param({"twentyfourseven": False}, id="not always, and no hours"),
        pytest.param({"twentyfourseven": False, "regular_hours": []}, id="not always, and empty hours"),
        pytest.param({"twentyfourseven": True, "regular_hours": [MONDAY]}, id="always, and hours"),
        *(
            pytest.param({"twentyfourseven": False, "regular_hours": [{**MONDAY, **change}]}, id=remark)
            for remark, change in WRONG_HOURS.items()
        ),
        pytest.param(
            {"twentyfourseven": True, "exceptional_closings": [{**HOLIDAY, "period_end": "2026-12-26T00:00:00+01:00"}]},
            id="an exception in local time",
        ),
        pytest.param(
            {"twentyfourseven": True, "exceptional_openings": [{**HOLIDAY, "period_begin": "08:00"}]},
            id="an exception by the clock",
        ),
    ],
)
async def test_opening_hours_beyond_their_rules_are_refused(shared: Bench, mine: Object, hours: Object) -> None:
    await assert_refused(shared, mine, {**mine, "opening_times": hours})


# --- EVSE and Connector ---------------------------------------------------------------------------


@pytest.mark.proves("L-20")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(pytest.param(field, MISSING, id=f"no {field}") for field in ("uid", "status", "connectors", "last_updated")),
        pytest.param("connectors", [], id="no connector"),
        pytest.param("uid", "x" * 37, id="a uid of 37 characters"),
        pytest.param("evse_id", "x" * 49, id="an evse_id of 49 characters"),
        pytest.param("floor_level", "-1000", id="a floor of 5 characters"),
        pytest.param("floor_level", -1, id="a floor as a number"),
        pytest.param("physical_reference", "x" * 17, id="a reference of 17 characters"),
        pytest.param("physical_reference", 17, id="a reference as a number"),
        pytest.param("status", "BROKEN", id="a status that nobody knows"),
        pytest.param("status", "Available", id="a status in another case"),
        pytest.param("status", None, id="no status"),
    ],
)
@pytest.mark.parametrize("inside", [pytest.param(True, id="in its location"), pytest.param(False, id="by itself")])
async def test_an_evse_beyond_its_rules_is_refused(
    shared: Bench, mine: Object, path: str, value: Any, inside: bool
) -> None:
    if inside:
        await assert_refused(shared, mine, changed(mine, f"evses.0.{path}", value))
        return
    assert await put(shared, mine) == CREATED
    evse = mine["evses"][0]
    ids = (mine["id"], value if path == "uid" and value is not MISSING else evse["uid"])
    answer = await tell(shared, "PUT", ids, changed({**evse, "last_updated": LATER}, path, value))
    assert result_of(answer) == REFUSED
    assert await stored(shared, mine["id"]) == mine


STATUSES = [
    "AVAILABLE",
    "BLOCKED",
    "CHARGING",
    "INOPERATIVE",
    "OUTOFORDER",
    "PLANNED",
    "REMOVED",
    "RESERVED",
    "UNKNOWN",
]


@pytest.mark.proves("L-20")
async def test_every_status_and_the_longest_texts_of_an_evse_are_accepted(shared: Bench, mine: Object) -> None:
    assert await put(shared, mine) == CREATED
    evse = {**mine["evses"][0], "uid": "u" * 36, "evse_id": "e" * 48, "floor_level": "-100"}
    evse["physical_reference"] = "p" * 16
    for number, status in enumerate(STATUSES):
        content = {**evse, "status": status}
        result = await put(shared, content, mine["id"], evse["uid"])
        assert result == (OK if number else CREATED)
        assert await stored(shared, mine["id"], evse["uid"]) == content


@pytest.mark.proves("L-21")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            pytest.param(field, MISSING, id=f"no {field}")
            for field in ("id", "standard", "format", "power_type", "max_voltage", "max_amperage", "last_updated")
        ),
        pytest.param("id", "x" * 37, id="an id of 37 characters"),
        pytest.param("max_voltage", 230.5, id="half a volt"),
        pytest.param("max_amperage", "32", id="amperes as text"),
        pytest.param("max_electric_power", 11.04, id="kilowatts"),
        pytest.param("tariff_ids", ["x" * 37], id="a tariff id of 37 characters"),
        pytest.param("tariff_ids", "AC-2026", id="a tariff id without a list"),
    ],
)
async def test_a_connector_beyond_its_rules_is_refused(shared: Bench, mine: Object, field: str, value: Any) -> None:
    await assert_refused(shared, mine, changed(mine, f"evses.0.connectors.0.{field}", value))


STANDARDS = [
    "CHADEMO",
    "CHAOJI",
    *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO"),
    "GBT_AC",
    "GBT_DC",
    "IEC_60309_2_single_16",
    "IEC_60309_2_three_16",
    "IEC_60309_2_three_32",
    "IEC_60309_2_three_64",
    "IEC_62196_T1",
    "IEC_62196_T1_COMBO",
    "IEC_62196_T2",
    "IEC_62196_T2_COMBO",
    "IEC_62196_T3A",
    "IEC_62196_T3C",
    *(f"NEMA_{form}" for form in ("5_20", "6_30", "6_50", "10_30", "10_50", "14_30", "14_50")),
    "PANTOGRAPH_BOTTOM_UP",
    "PANTOGRAPH_TOP_DOWN",
    "TESLA_R",
    "TESLA_S",
]
POWER_TYPES = ["AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC"]


@pytest.mark.proves("L-21", "L-22")
async def test_connectors_of_every_standard_and_kind_of_current_are_accepted(shared: Bench, mine: Object) -> None:
    plain = {
        name: value
        for name, value in mine["evses"][0]["connectors"][0].items()
        if name not in {"max_electric_power", "tariff_ids", "terms_and_conditions"}
    }
    kinds: list[Object] = [{"standard": standard} for standard in STANDARDS]
    kinds += [{"power_type": power} for power in POWER_TYPES] + [{"format": form} for form in ("SOCKET", "CABLE")]
    kinds += [{"tariff_ids": ["x" * 36, "T2"], "max_electric_power": 11040}]
    connectors = [{**plain, **kind, "id": str(number)} for number, kind in enumerate(kinds)]
    content = changed(mine, "evses.0.connectors", connectors)
    assert await put(shared, content) == CREATED
    assert (await stored(shared, mine["id"]))["evses"][0]["connectors"] == connectors
    (seen,) = await shared.p3.wait_until_seen(about(mine["id"]))
    assert seen.content["evses"][0]["connectors"] == connectors


LISTS = {
    "evses.0.capabilities": (
        "CHARGING_PROFILE_CAPABLE CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT "
        "CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER "
        "START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE"
    ),
    "facilities": (
        "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BIKE_SHARING BUS_STOP TAXI_STAND "
        "TRAM_STOP METRO_STATION TRAIN_STATION AIRPORT PARKING_LOT CARPOOL_PARKING FUEL_STATION WIFI"
    ),
    "evses.0.parking_restrictions": "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES",
}
SINGLES = {
    "parking_type": "ALONG_MOTORWAY PARKING_GARAGE PARKING_LOT ON_DRIVEWAY ON_STREET UNDERGROUND_GARAGE",
    "images.0.category": "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER",
}


def value_at(content: Any, path: str) -> Any:
    for step in path.split("."):
        content = content[int(step) if step.isdigit() else step]
    return content


@pytest.mark.proves("L-22")
@pytest.mark.parametrize(
    ("path", "count"), [("evses.0.capabilities", 13), ("facilities", 20), ("evses.0.parking_restrictions", 5)]
)
async def test_all_values_of_a_descriptive_list_are_accepted(
    shared: Bench, mine: Object, path: str, count: int
) -> None:
    values = LISTS[path].split()
    assert len(values) == count
    assert await put(shared, changed(mine, path, values)) == CREATED
    assert value_at(await stored(shared, mine["id"]), path) == values
    (seen,) = await shared.p3.wait_until_seen(about(mine["id"]))
    assert value_at(seen.content, path) == values


@pytest.mark.proves("L-22")
@pytest.mark.parametrize(("path", "count"), [("parking_type", 6), ("images.0.category", 7)])
async def test_each_value_of_a_descriptive_field_is_accepted(
    shared: Bench, mine: Object, path: str, count: int
) -> None:
    values = SINGLES[path].split()
    assert len(values) == count
    for number, value in enumerate(values):
        assert await put(shared, changed(mine, path, value)) == (OK if number else CREATED)
        assert value_at(await stored(shared, mine["id"]), path) == value


@pytest.mark.proves("L-22", "X-44")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("evses.0.capabilities", ["RFID_READER", "TELEPATHY"], id="capability"),
        pytest.param("facilities", ["HOTEL", "SAUNA"], id="facility"),
        pytest.param("parking_type", "ON_THE_MOON", id="kind of parking"),
        pytest.param("evses.0.parking_restrictions", ["TAXIS"], id="parking restriction"),
        pytest.param("images.0.category", "DRAWING", id="kind of image"),
        pytest.param("evses.0.connectors.0.power_type", "AC_6_PHASE", id="kind of current"),
        pytest.param("evses.0.connectors.0.standard", "MCS", id="standard of a connector"),
    ],
)
async def test_a_descriptive_value_that_nobody_knows_is_kept_and_passed_on(
    shared: Bench, mine: Object, path: str, value: Any
) -> None:
    assert await put(shared, changed(mine, path, value)) == CREATED
    assert value_at(await stored(shared, mine["id"]), path) == value
    (seen,) = await shared.p3.wait_until_seen(about(mine["id"]))
    assert value_at(seen.content, path) == value


@pytest.mark.proves("L-22")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("images.0.type", "jpegs", id="type of an image of 5 characters"),
        pytest.param("energy_mix.energy_sources.0.percentage", 100.5, id="more than all of it"),
        pytest.param("energy_mix.energy_sources.0.percentage", -1, id="less than nothing"),
        pytest.param("energy_mix.energy_sources.0.percentage", "62.5", id="a share as text"),
    ],
)
async def test_images_and_shares_of_energy_have_their_bounds(
    shared: Bench, mine: Object, path: str, value: Any
) -> None:
    await assert_refused(shared, mine, changed(mine, path, value))


@pytest.mark.proves("L-22")
async def test_shares_of_energy_that_should_add_up_to_a_hundred_are_kept_as_they_are(
    shared: Bench, mine: Object
) -> None:
    """It is a SHOULD to the owner: a location does not vanish from the map for it."""
    for number, (wind, solar) in enumerate([(62.5, 37.5), (60.0, 30.0)]):
        sources = [{"source": "WIND", "percentage": wind}, {"source": "SOLAR", "percentage": solar}]
        content = changed(mine, "energy_mix.energy_sources", sources)
        assert await put(shared, content) == (OK if number else CREATED)
        assert (await stored(shared, mine["id"]))["energy_mix"]["energy_sources"] == sources
