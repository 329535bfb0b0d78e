"""Tariffs, from outside: section 15 of the checklist (TF-01 to TF-05; what they cost is the pricer's)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hub.demo.faults import Seen
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB
from tests.ocpi_modules.test_objects import MISSING, changed
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]
Named = Callable[[str], str]

CREATED, OK, REFUSED, NOT_THERE = (201, 1000), (200, 1000), (200, 2001), (404, 2000)
"""NOT_THERE: 404 with the general code of a client's fault (X-32)."""

ELEMENT = "elements.2.price_components.0"


@pytest.fixture
def mine(example: Callable[..., Object], unique: Named) -> Object:
    """A Tariff of DE/CP1 under an id of its own."""
    return example("tariff", country_code="DE", party_id="CP1", id=unique("T"))


async def tell(
    bench: Bench, method: str, tariff_id: str, content: Any = None, *, receiver: Party | None = HUB
) -> httpx.Response:
    """A request of DE/CP1 to the RECEIVER interface."""
    path = f"receiver/tariffs/DE/CP1/{tariff_id}"
    return await bench.send(bench.p1, method, path, sender=CP1, receiver=receiver, content=content)


async def stored(bench: Bench, tariff_id: str) -> Any:
    """What the hub keeps, or None."""
    answer = await tell(bench, "GET", tariff_id)
    assert answer.status_code in {200, 404}
    return answer.json().get("data")


def about(tariff_id: str) -> Callable[[Seen], bool]:
    in_body = json.dumps(tariff_id).encode()
    return lambda seen: seen.module_id == "tariffs" and (f"/{tariff_id}" in seen.path or in_body in seen.body)


def heard_of(bench: Bench, tariff_id: str) -> list[Seen]:
    return [seen for platform in bench.everybody for seen in platform.seen if about(tariff_id)(seen)]


async def until_all_is_delivered(bench: Bench, good: Object, unique: Named) -> None:
    """What was told to the hub before has arrived wherever it was to arrive: messages to one party keep their order."""
    last = unique("last")
    assert result_of(await tell(bench, "PUT", last, {**good, "id": last})) == CREATED
    for platform in bench.everybody[1:]:
        await platform.wait_until_seen(about(last))


async def assert_refused(bench: Bench, good: Object, unique: Named, *contents: Any) -> None:
    """PUT of each is E2001: HTTP 200 with 2001, nothing stored, nothing sent. `good` is an acceptable Tariff."""
    for content in contents:
        answer = await tell(bench, "PUT", good["id"], content)
        assert result_of(answer) == REFUSED
        assert answer.json()["status_message"]
    assert await stored(bench, good["id"]) is None
    await until_all_is_delivered(bench, good, unique)
    assert heard_of(bench, good["id"]) == []


# --- lists, writing and reading -------------------------------------------------------------------


@pytest.mark.proves("TF-01")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="of the hub"), pytest.param(CP1, id="of a CPO")])
async def test_tariffs_are_listed_in_pages(shared: Bench, mine: Object, receiver: Party) -> None:
    year = 2030 if receiver == HUB else 2031
    tariffs = [{**mine, "id": f"{mine['id']}{n}", "last_updated": f"{year}-05-0{n}T00:00:00Z"} for n in (1, 2, 3)]
    for tariff in tariffs:
        shared.p1.desk.offer("tariffs", tariff)
        assert result_of(await tell(shared, "PUT", tariff["id"], tariff)) == CREATED
    span = f"date_from={year}-05-01T00:00:00Z&date_to={year}-05-03T00:00:00Z"
    page = await shared.send(shared.p3, "GET", f"sender/tariffs?{span}&limit=1", sender=MS1, receiver=receiver)
    assert result_of(page) == OK
    assert [tariff["id"] for tariff in page.json()["data"]] == [tariffs[0]["id"]]
    assert (page.headers["x-total-count"], page.headers["x-limit"]) == ("2", "1")
    assert page.headers["link"].startswith(f"<{shared.world.url}/")
    following = page.headers["link"].removeprefix("<").partition(">")[0].partition("/ocpi/2.2.1/")[2]
    rest = await shared.send(shared.p3, "GET", following, sender=MS1, receiver=receiver)
    assert [tariff["id"] for tariff in rest.json()["data"]] == [tariffs[1]["id"]]
    assert "link" not in rest.headers
    plain = await shared.send(shared.p3, "GET", "sender/tariffs", sender=MS1, receiver=receiver)
    assert result_of(plain) == OK
    assert plain.json()["data"]


@pytest.mark.proves("TF-01")
async def test_a_tariff_is_written_and_read_under_its_owner_and_id(shared: Bench, mine: Object) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    for reader, platform, party in ((HUB, shared.p2, MS2), (HUB, shared.p4, NS1), (HUB, shared.p5, OT1)):
        (seen,) = await platform.wait_until_seen(about(mine["id"]))
        assert (seen.method, seen.sender, seen.receiver) == ("PUT", reader, party)
        assert seen.path.endswith(f"/receiver/tariffs/DE/CP1/{mine['id']}")
        assert json.loads(seen.body) == mine
    assert await stored(shared, mine["id"]) == mine
    left_out = {"type", "min_price", "max_price", "tariff_alt_text", "end_date_time"}
    second = {name: value for name, value in mine.items() if name not in left_out}
    answer = await tell(shared, "PUT", mine["id"], second)
    assert result_of(answer) == OK
    assert answer.json().get("data") is None
    assert await stored(shared, mine["id"]) == second


@pytest.mark.proves("TF-01")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"party_id": "CP9"}, id="another party"),
        pytest.param({"country_code": "NL"}, id="another country"),
        pytest.param({"id": "another"}, id="another id"),
    ],
)
async def test_a_body_has_the_owner_and_id_of_its_url(
    shared: Bench, mine: Object, unique: Named, change: Object, receiver: Party
) -> None:
    answer = await tell(shared, "PUT", mine["id"], {**mine, **change}, receiver=receiver)
    assert result_of(answer) == REFUSED
    assert await stored(shared, mine["id"]) is None
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("TF-01")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(("platform", "sender"), [("p2", CP2), ("p2", MS2), ("p3", MS1)], ids=str)
async def test_the_tariffs_of_another_are_404(
    shared: Bench, mine: Object, unique: Named, platform: str, sender: Party, method: str, receiver: Party
) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    await until_all_is_delivered(shared, mine, unique)
    shared.forget_what_was_seen()
    path = f"receiver/tariffs/DE/CP1/{mine['id']}"
    content = {**mine, "currency": "USD"} if method == "PUT" else None
    stranger = getattr(shared, platform)
    answer = await shared.send(stranger, method, path, sender=sender, receiver=receiver, content=content)
    assert answer.status_code == 404
    assert 2000 <= answer.json()["status_code"] < 3000
    assert answer.json().get("data") is None
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


# --- DELETE ---------------------------------------------------------------------------------------


@pytest.mark.proves("TF-02", "X-16")
async def test_a_tariff_that_is_deleted_at_the_hub_is_gone_there_and_at_every_receiver(
    shared: Bench, mine: Object
) -> None:
    mine["last_updated"] = "2040-01-01T00:00:00Z"
    lists = "sender/tariffs?date_from=2040-01-01T00:00:00Z"
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    listed = await shared.send(shared.p3, "GET", lists, sender=MS1, receiver=HUB)
    assert listed.json()["data"] == [mine]
    answer = await tell(shared, "DELETE", mine["id"])
    assert result_of(answer) == OK
    assert answer.json().get("data") is None
    assert (await tell(shared, "GET", mine["id"])).status_code == 404
    listed = await shared.send(shared.p3, "GET", lists, sender=MS1, receiver=HUB)
    assert listed.json()["data"] == []
    for platform, party in ((shared.p2, MS2), (shared.p3, MS1), (shared.p4, NS1), (shared.p5, OT1)):
        seen = await platform.wait_until_seen(about(mine["id"]), 2)
        assert [one.method for one in seen] == ["PUT", "DELETE"]
        assert seen[1].path.endswith(f"/receiver/tariffs/DE/CP1/{mine['id']}")
        assert (seen[1].sender, seen[1].receiver, seen[1].body) == (HUB, party, b"")
    assert [seen for seen in shared.p1.seen if about(mine["id"])(seen)] == []
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED


@pytest.mark.proves("TF-02", "X-16")
async def test_receivers_that_never_had_a_deleted_tariff_do_no_harm(shared: Bench, mine: Object) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    await shared.p3.wait_until_seen(about(mine["id"]))
    path = f"receiver/tariffs/DE/CP1/{mine['id']}"
    for _ in range(2):
        gone = await shared.send(shared.p1, "DELETE", path, sender=CP1, receiver=MS1)
    assert gone.status_code == 404
    assert result_of(await tell(shared, "DELETE", mine["id"])) == OK
    seen = await shared.p3.wait_until_seen(about(mine["id"]), 4)
    assert [(one.method, one.sender) for one in seen[1:]] == [("DELETE", CP1), ("DELETE", CP1), ("DELETE", HUB)]


@pytest.mark.proves("TF-02")
async def test_a_tariff_that_is_deleted_at_one_party_is_gone_there_alone(shared: Bench, mine: Object) -> None:
    shown = {**mine, "type": "PROFILE_CHEAP"}
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    await shared.p3.wait_until_seen(about(mine["id"]))
    assert result_of(await tell(shared, "PUT", mine["id"], shown, receiver=MS1)) == OK
    answer = await tell(shared, "DELETE", mine["id"], receiver=MS1)
    assert result_of(answer) == OK
    assert answer.headers["ocpi-from-party-id"] == "MS1"
    assert [(seen.method, seen.sender) for seen in shared.p3.seen if about(mine["id"])(seen)] == [
        ("PUT", HUB),
        ("PUT", CP1),
        ("DELETE", CP1),
    ]
    assert await stored(shared, mine["id"]) == mine
    assert "DELETE" not in {seen.method for seen in heard_of(shared, mine["id"]) if seen.receiver != MS1}


@pytest.mark.proves("TF-02", "S-06", "X-32")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_tariff_that_is_not_there_is_404(shared: Bench, mine: Object, unique: Named, method: str) -> None:
    answer = await tell(shared, method, mine["id"])
    assert answer.status_code == 404
    assert answer.json()["timestamp"]
    assert answer.json().get("data") is None
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("X-32")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_404_of_a_tariff_has_the_general_code(shared: Bench, mine: Object, method: str) -> None:
    assert result_of(await tell(shared, method, mine["id"])) == NOT_THERE


# --- the fields of a Tariff -----------------------------------------------------------------------


@pytest.mark.proves("TF-03")
@pytest.mark.parametrize(
    "path",
    ["country_code", "party_id", "id", "currency", "elements", "last_updated", "elements.0.price_components"],
)
async def test_a_tariff_without_a_required_field_is_refused(
    shared: Bench, mine: Object, unique: Named, path: str
) -> None:
    await assert_refused(shared, mine, unique, changed(mine, path, MISSING), changed(mine, path, None))


@pytest.mark.proves("TF-03")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("elements", [], id="no element"),
        pytest.param("elements.1.price_components", [], id="an element without prices"),
        pytest.param("currency", "EURO", id="a currency of four letters"),
        pytest.param("currency", "EU", id="a currency of two letters"),
        pytest.param("type", "regular", id="a type in another case"),
        pytest.param("min_price", 0.5, id="a number for an amount"),
        pytest.param("tariff_alt_url", "tarieven", id="half an address"),
        pytest.param("last_updated", "2026-01-01", id="a date for a moment"),
    ],
)
async def test_a_tariff_with_a_wrong_value_is_refused(
    shared: Bench, mine: Object, unique: Named, path: str, value: Any
) -> None:
    await assert_refused(shared, mine, unique, changed(mine, path, value))


@pytest.mark.proves("TF-03")
async def test_the_id_of_a_tariff_has_36_characters(shared: Bench, mine: Object) -> None:
    longest = mine["id"].ljust(36, "x")
    assert result_of(await tell(shared, "PUT", longest, {**mine, "id": longest})) == CREATED
    assert result_of(await tell(shared, "PUT", f"{longest}x", {**mine, "id": f"{longest}x"})) == REFUSED
    assert await stored(shared, f"{longest}x") is None


@pytest.mark.proves("TF-03")
async def test_a_tariff_of_required_fields_alone_and_of_every_type_is_accepted(shared: Bench, mine: Object) -> None:
    component = {"type": "ENERGY", "price": 0.25, "step_size": 1}
    content = {name: mine[name] for name in ("country_code", "party_id", "id", "currency", "last_updated")}
    content["elements"] = [{"price_components": [component]}]
    assert result_of(await tell(shared, "PUT", mine["id"], content)) == CREATED
    assert await stored(shared, mine["id"]) == content
    for kind in ("AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"):
        assert result_of(await tell(shared, "PUT", mine["id"], {**content, "type": kind})) == OK
        assert await stored(shared, mine["id"]) == {**content, "type": kind}


# --- price components -----------------------------------------------------------------------------


@pytest.mark.proves("TF-04")
@pytest.mark.parametrize("kind", ["ENERGY", "FLAT", "PARKING_TIME", "TIME"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(pytest.param(field, MISSING, id=f"no {field}") for field in ("type", "price", "step_size")),
        pytest.param("step_size", 0.5, id="half a step"),
        pytest.param("step_size", "1", id="a step as text"),
        pytest.param("step_size", None, id="null for a step"),
        pytest.param("price", "0.25", id="a price as text"),
        pytest.param("price", {"excl_vat": 0.25}, id="an amount for a price"),
        pytest.param("vat", "21.0", id="VAT as text"),
    ],
)
async def test_a_price_component_is_complete(
    shared: Bench, mine: Object, unique: Named, kind: str, field: str, value: Any
) -> None:
    content = changed(mine, ELEMENT, {"type": kind, "price": 0.25, "vat": 21.0, "step_size": 1})
    await assert_refused(shared, mine, unique, changed(content, f"{ELEMENT}.{field}", value))


@pytest.mark.proves("TF-04")
@pytest.mark.parametrize("kind", ["ENERGY", "FLAT", "PARKING_TIME", "TIME"])
async def test_no_vat_and_vat_of_nothing_stay_apart_on_the_whole_way(shared: Bench, mine: Object, kind: str) -> None:
    component = {"type": kind, "price": 0.25, "step_size": 300}
    components = [component, {**component, "vat": 0.0}, {**component, "vat": 21.0}]
    content = changed(mine, "elements.2.price_components", components)
    assert result_of(await tell(shared, "PUT", mine["id"], content)) == CREATED
    (seen,) = await shared.p3.wait_until_seen(about(mine["id"]))
    for found in (await stored(shared, mine["id"]), json.loads(seen.body)):
        assert found["elements"][2]["price_components"] == components
        assert ["vat" in one for one in found["elements"][2]["price_components"]] == [False, True, True]


# --- restrictions ---------------------------------------------------------------------------------


@pytest.mark.proves("TF-05")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("start_time", "24:00", id="an hour that no clock shows"),
        pytest.param("end_time", "24:00", id="the end of the day as 24:00"),
        pytest.param("start_time", "9:00", id="no leading zero"),
        pytest.param("start_time", "09:60", id="a minute beyond the hour"),
        pytest.param("end_time", "17:00:00", id="seconds"),
        pytest.param("end_time", "17:00Z", id="a clock in UTC"),
        pytest.param("end_time", 17, id="an hour as a number"),
        pytest.param("start_date", "2019-13-01", id="a thirteenth month"),
        pytest.param("start_date", "2019-02-29", id="a day that did not exist"),
        pytest.param("end_date", "2019-1-1", id="a date without zeros"),
        pytest.param("end_date", "01-01-2019", id="a date the other way round"),
        pytest.param("end_date", "2019-01-01T00:00:00Z", id="a moment for a date"),
        pytest.param("day_of_week", "MONDAY", id="a day without a list"),
        pytest.param("min_duration", 0.5, id="half a second"),
        pytest.param("max_kwh", "50", id="energy as text"),
    ],
)
async def test_times_and_dates_of_restrictions_have_their_form(
    shared: Bench, mine: Object, unique: Named, field: str, value: Any
) -> None:
    await assert_refused(shared, mine, unique, changed(mine, f"elements.1.restrictions.{field}", value))


@pytest.mark.proves("TF-05")
@pytest.mark.parametrize(
    "restrictions",
    [
        pytest.param({"start_time": "00:00", "end_time": "23:59"}, id="the first minute and the last"),
        pytest.param({"start_time": "22:00", "end_time": "06:00"}, id="over midnight"),
        pytest.param({"start_time": "17:00", "end_time": "00:00"}, id="until the end of the day"),
        pytest.param({"start_date": "2024-02-29", "end_date": "2024-03-01"}, id="a leap day"),
        pytest.param({"min_kwh": 0, "max_kwh": 0.5, "min_current": 6.0, "max_power": 22.08}, id="energy and power"),
        pytest.param({"min_duration": 0, "max_duration": 3600}, id="durations"),
        pytest.param({"day_of_week": ["SATURDAY", "SUNDAY"]}, id="days"),
        pytest.param({}, id="none"),
    ],
)
async def test_restrictions_within_their_form_are_accepted_and_kept(
    shared: Bench, mine: Object, restrictions: Object
) -> None:
    content = changed(mine, "elements.1.restrictions", restrictions)
    assert result_of(await tell(shared, "PUT", mine["id"], content)) == CREATED
    assert (await stored(shared, mine["id"]))["elements"][1]["restrictions"] == restrictions


@pytest.mark.proves("TF-05")
@pytest.mark.parametrize("reservation", ["RESERVATION", "RESERVATION_EXPIRES"])
async def test_a_reservation_costs_flat_and_time_and_nothing_else(
    shared: Bench, mine: Object, unique: Named, reservation: str
) -> None:
    for kind in ("ENERGY", "PARKING_TIME"):
        components = [{"type": "TIME", "price": 3, "step_size": 60}, {"type": kind, "price": 1, "step_size": 1}]
        element = {"price_components": components, "restrictions": {"reservation": reservation}}
        await assert_refused(shared, mine, unique, changed(mine, "elements.0", element))
    components = [{"type": kind, "price": 3, "step_size": 1} for kind in ("FLAT", "TIME")]
    element = {"price_components": components, "restrictions": {"reservation": reservation}}
    assert result_of(await tell(shared, "PUT", mine["id"], changed(mine, "elements.0", element))) == CREATED
    assert (await stored(shared, mine["id"]))["elements"][0] == element
