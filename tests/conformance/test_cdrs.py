"""CDRs, from outside: section 14 of the checklist (CD-01 to CD-12)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from hub.demo.faults import Fault, Seen
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB
from tests.ocpi_modules.test_objects import MISSING, changed
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]
Named = Callable[[str], str]

CREATED, OK, REFUSED = (201, 1000), (200, 1000), (200, 2001)

COMMAND_WAIT_SECONDS = 90


@pytest.fixture
def mine(cdr: Object, unique: Named) -> Object:
    """A CDR of DE/CP1 for NL/MS1 under an id of its own."""
    return {**cdr, "id": unique("C")}


@pytest.fixture
def credit(mine: Object, example: Callable[..., Object]) -> Object:
    """The Credit CDR that takes `mine` back."""
    content = example("credit_cdr", country_code="DE", party_id="CP1", id=f"{mine['id']}-1")
    return {**content, "cdr_token": mine["cdr_token"], "credit_reference_id": mine["id"]}


async def post(bench: Bench, content: Any, *, receiver: Party | None = HUB) -> httpx.Response:
    return await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=receiver, content=content)


async def get(bench: Bench, location: str, *, receiver: Party | None = HUB) -> httpx.Response:
    """What is behind a Location header, for DE/CP1 with the token that it posted with."""
    path = location.removeprefix(f"{bench.world.url}/ocpi/2.2.1/")
    assert path != location, "an address of the hub"
    return await bench.send(bench.p1, "GET", path, sender=CP1, receiver=receiver)


async def accepted(bench: Bench, content: Any) -> str:
    """The Location under which the hub keeps a CDR that it was just told."""
    answer = await post(bench, content)
    assert result_of(answer) == CREATED
    return str(answer.headers["location"])


async def stored(bench: Bench, cdr_id: str) -> Any:
    """What the hub keeps under this id of DE/CP1, or None."""
    path = f"receiver/cdrs/DE/CP1/{cdr_id}"
    answer = await bench.send(bench.p1, "GET", path, sender=CP1, receiver=HUB)
    assert answer.status_code in {200, 404}
    return answer.json().get("data")


async def listed(bench: Bench, reader: Party, query: str) -> tuple[int, list[str]]:
    """X-Total-Count, and owners and ids of the CDRs that a party gets from the hub."""
    platforms = {CP1: bench.p1, CP2: bench.p2, MS2: bench.p2, MS1: bench.p3, NS1: bench.p4, OT1: bench.p5}
    answer = await bench.send(platforms[reader], "GET", f"sender/cdrs?{query}", sender=reader, receiver=HUB)
    assert result_of(answer) == OK
    found = [f"{one['country_code']}/{one['party_id']} {one['id']}" for one in answer.json()["data"]]
    return int(answer.headers["x-total-count"]), found


def about(cdr_id: str) -> Callable[[Seen], bool]:
    in_body = json.dumps(cdr_id).encode()
    return lambda seen: seen.module_id == "cdrs" and (cdr_id in seen.path or in_body in seen.body)


def heard_of(bench: Bench, cdr_id: str) -> list[Seen]:
    return [seen for platform in bench.everybody for seen in platform.seen if about(cdr_id)(seen)]


async def assert_refused(bench: Bench, good: Object, *contents: Any) -> None:
    """Each is E2001: HTTP 200 with 2001, nothing stored, nothing sent. `good` is a CDR that is acceptable."""
    for content in contents:
        answer = await post(bench, content)
        assert result_of(answer) == REFUSED
        assert "location" not in answer.headers
    assert await stored(bench, good["id"]) is None
    last = f"{good['id']}-last"
    await accepted(bench, {**good, "id": last})
    await bench.p3.wait_until_seen(about(last))
    assert [seen for seen in heard_of(bench, good["id"]) if seen.content["id"] != last] == []


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.proves("CD-01", "X-46")
async def test_each_party_lists_the_cdrs_that_concern_it(shared: Bench, mine: Object) -> None:
    """The token decides, and not its contract id."""
    for_ms2 = {**mine["cdr_token"], "country_code": "BE", "party_id": "MS2", "contract_id": "NL-MS1-C0012345-X"}
    dates = [f"2037-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    first, second, third = ({**mine, "id": f"{mine['id']}{n}", "last_updated": date} for n, date in enumerate(dates))
    second["cdr_token"] = for_ms2
    third |= {"country_code": "BE", "party_id": "CP2"}
    for content in (first, second):
        await accepted(shared, content)
    answer = await shared.send(shared.p2, "POST", "receiver/cdrs", sender=CP2, receiver=HUB, content=third)
    assert result_of(answer) == CREATED
    one, two, three = f"DE/CP1 {first['id']}", f"DE/CP1 {second['id']}", f"BE/CP2 {third['id']}"
    span = f"date_from={dates[0]}&date_to=2037-02-01T00:00:00Z"
    expected = {MS1: [one, three], MS2: [two], CP1: [one, two], CP2: [three], NS1: [], OT1: []}
    for reader, ids in expected.items():
        assert await listed(shared, reader, span) == (len(ids), ids)
    assert await listed(shared, MS1, f"date_from={dates[0]}&date_to={dates[2]}") == (1, [one])
    assert await listed(shared, MS1, f"date_from={dates[2]}&date_to=2037-02-01T00:00:00Z") == (1, [three])
    page = await shared.send(shared.p3, "GET", f"sender/cdrs?{span}&limit=1", sender=MS1, receiver=HUB)
    assert (page.headers["x-total-count"], page.headers["x-limit"], len(page.json()["data"])) == ("2", "1", 1)
    following = page.headers["link"].removeprefix("<").partition(">")[0].partition("/ocpi/2.2.1/")[2]
    rest = await shared.send(shared.p3, "GET", following, sender=MS1, receiver=HUB)
    assert [entry["id"] for entry in rest.json()["data"]] == [third["id"]]
    assert "link" not in rest.headers


# --- POST -----------------------------------------------------------------------------------------


@pytest.mark.proves("CD-02")
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="to the eMSP"), pytest.param(None, id="to whom it concerns")]
)
async def test_a_cdr_is_posted_to_the_bare_endpoint_and_leaves_for_the_bare_endpoint(
    shared: Bench, mine: Object, receiver: Party | None
) -> None:
    body = json.dumps(mine, indent=2).encode()
    answer = await post(shared, body, receiver=receiver)
    assert result_of(answer) == CREATED
    (seen,) = heard_of(shared, mine["id"])
    assert (seen.method, seen.body) == ("POST", body)
    assert f"{shared.p3.base_url}{seen.path}" == shared.p3.url_of("cdrs", Interface.RECEIVER)
    assert (seen.sender, seen.receiver, seen.query) == (CP1, MS1, "")


@pytest.mark.proves("CD-02")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for the eMSP")])
@pytest.mark.parametrize("below", ["DE/CP1", "DE/CP1/ID", "ID"])
async def test_a_cdr_is_not_posted_anywhere_below_the_endpoint(
    shared: Bench, mine: Object, below: str, receiver: Party
) -> None:
    path = f"receiver/cdrs/{below.replace('ID', mine['id'])}"
    answer = await shared.send(shared.p1, "POST", path, sender=CP1, receiver=receiver, content=mine)
    assert answer.status_code in {404, 405}
    assert answer.json()["timestamp"]
    assert await stored(shared, mine["id"]) is None
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("CD-03")
async def test_the_answer_says_where_the_hub_keeps_a_cdr(shared: Bench, mine: Object) -> None:
    answer = await post(shared, mine)
    assert result_of(answer) == CREATED
    assert answer.json().get("data") is None
    assert answer.headers["location"].startswith(f"{shared.world.url}/")
    for receiver in (HUB, None):
        read = await get(shared, answer.headers["location"], receiver=receiver)
        assert result_of(read) == OK
        assert read.json()["data"] == mine
    (seen,) = await shared.p3.wait_until_seen(lambda seen: about(mine["id"])(seen) and seen.method == "POST")
    assert (seen.sender, seen.receiver, json.loads(seen.body)) == (HUB, MS1, mine)


@pytest.mark.proves("CD-04")
@pytest.mark.parametrize("http_status", [200, 201])
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="to the eMSP"), pytest.param(None, id="to whom it concerns")]
)
async def test_where_a_receiver_keeps_a_cdr_is_reached_through_the_hub(
    shared: Bench, mine: Object, receiver: Party | None, http_status: int
) -> None:
    place = f"/2.2.1/receiver/cdrs/own/way/of/{mine['id']}?tenant=7&y=%2F"
    told = {"Location": f"{shared.p3.base_url}{place}"}
    shared.p3.faults.append(Fault(module_id="cdrs", method="POST", http_status=http_status, headers=told, once=True))
    answer = await post(shared, mine, receiver=receiver)
    assert result_of(answer) == (http_status, 1000)
    assert answer.headers["location"].startswith(f"{shared.world.url}/")
    assert shared.p3.base_url not in str(answer.headers)
    body = b'{"data": {"as": "the receiver keeps it", "n": 1.50}, "status_code": 1000, "timestamp": "2026-01-15T12:00:00Z"}'
    shared.p3.faults.append(Fault(module_id="cdrs", method="GET", body=body, http_status=200))
    read = await get(shared, answer.headers["location"], receiver=receiver)
    assert (read.status_code, read.content) == (200, body)
    assert (read.headers["ocpi-from-party-id"], read.headers["ocpi-to-party-id"]) == ("MS1", "CP1")
    seen = shared.p3.seen[-1]
    assert (seen.method, f"{seen.path}?{seen.query}") == ("GET", place)
    assert (seen.sender, seen.receiver) == (CP1, MS1)
    assert shared.p3.connection is not None
    assert seen.token == shared.p3.connection.own_token


@pytest.mark.proves("CD-04")
async def test_nobody_else_reads_a_cdr_through_its_location(shared: Bench, mine: Object) -> None:
    answer = await post(shared, mine, receiver=MS1)
    path = answer.headers["location"].partition("/ocpi/2.2.1/")[2]
    for platform, party in ((shared.p2, CP2), (shared.p2, MS2), (shared.p5, OT1)):
        for receiver in (HUB, MS1, None):
            read = await shared.send(platform, "GET", path, sender=party, receiver=receiver)
            assert read.status_code == 404
            assert read.json().get("data") is None
    assert [seen.method for seen in heard_of(shared, mine["id"])] == ["POST"]


# --- CDRs never change ----------------------------------------------------------------------------


@pytest.mark.proves("CD-05", "X-45")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="to the hub"), pytest.param(MS1, id="to the eMSP")])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("total_cost.excl_vat", 5.95, id="another amount"),
        pytest.param("total_energy", 1, id="another energy"),
        pytest.param("remark", MISSING, id="a field less"),
        pytest.param("x_note", "late", id="a field more"),
        pytest.param("last_updated", "2031-01-01T00:00:00Z", id="a newer date"),
    ],
)
async def test_another_cdr_under_a_known_id_is_refused(
    shared: Bench, mine: Object, receiver: Party, path: str, value: Any
) -> None:
    first = await post(shared, mine, receiver=receiver)
    assert result_of(first) == CREATED
    if receiver == HUB:
        await shared.p3.wait_until_seen(about(mine["id"]))
    again = await post(shared, changed(mine, path, value), receiver=receiver)
    assert result_of(again) == REFUSED
    assert "location" not in again.headers
    assert await stored(shared, mine["id"]) == mine
    assert (await get(shared, first.headers["location"])).json()["data"] == mine
    await accepted(shared, {**mine, "id": f"{mine['id']}-last"})
    await shared.p3.wait_until_seen(about(f"{mine['id']}-last"))
    mine_only = [seen for seen in heard_of(shared, mine["id"]) if seen.content and seen.content["id"] == mine["id"]]
    assert [json.loads(seen.body) for seen in mine_only] == [mine]


@pytest.mark.proves("CD-05", "X-45")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="to the hub"), pytest.param(MS1, id="to the eMSP")])
async def test_the_same_cdr_again_is_accepted_with_the_same_location(
    shared: Bench, mine: Object, receiver: Party
) -> None:
    """However its JSON is laid out, and whether absent fields are written as null (Y-08)."""
    mine["last_updated"] = "2039-01-01T00:00:00Z"
    first = await post(shared, mine, receiver=receiver)
    laid_out = json.dumps(dict(reversed(mine.items())), indent=2).replace("14.25", "14.250000").encode()
    absent = {name: None for name in ("credit_reference_id", "invoice_reference_id") if name not in mine}
    assert absent
    bodies: list[Any] = [mine, laid_out, {**mine, **absent}]
    if receiver == HUB:
        bodies.append({**mine, "country_code": "de", "last_updated": "2039-01-01T00:00:00"})
    for body in bodies:
        again = await post(shared, body, receiver=receiver)
        assert again.status_code in {200, 201}
        assert again.json()["status_code"] == 1000
        assert again.headers["location"] == first.headers["location"]
    span = "date_from=2039-01-01T00:00:00Z"
    assert (await listed(shared, CP1, span))[1].count(f"DE/CP1 {mine['id']}") == 1
    assert await stored(shared, mine["id"]) == mine


@pytest.mark.proves("CD-05")
async def test_one_id_may_be_used_by_two_owners(shared: Bench, mine: Object) -> None:
    date = "2038-01-01T00:00:00Z"
    ours = {**mine, "last_updated": date}
    theirs = {**ours, "country_code": "BE", "party_id": "CP2", "total_energy": 7}
    place = await accepted(shared, ours)
    answer = await shared.send(shared.p2, "POST", "receiver/cdrs", sender=CP2, receiver=HUB, content=theirs)
    assert result_of(answer) == CREATED
    assert answer.headers["location"] != place
    assert (await get(shared, place)).json()["data"] == ours
    path = answer.headers["location"].partition("/ocpi/2.2.1/")[2]
    assert (await shared.send(shared.p2, "GET", path, sender=CP2, receiver=HUB)).json()["data"] == theirs
    expected = (2, [f"DE/CP1 {mine['id']}", f"BE/CP2 {mine['id']}"])
    assert await listed(shared, MS1, f"date_from={date}&date_to=2038-01-02T00:00:00Z") == expected


@pytest.mark.proves("CD-05")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_there_is_no_way_to_change_or_remove_a_cdr(shared: Bench, mine: Object, method: str) -> None:
    place = await accepted(shared, mine)
    content = None if method == "DELETE" else {**mine, "total_energy": 1}
    for path in (place.partition("/ocpi/2.2.1/")[2], "receiver/cdrs", "sender/cdrs"):
        answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=HUB, content=content)
        assert answer.status_code == 405
        assert method not in answer.headers["allow"]
    assert (await get(shared, place)).json()["data"] == mine


# --- Credit CDRs ----------------------------------------------------------------------------------


async def statement(bench: Bench, month: str, folder: Path) -> Any:
    """What the command says about a month, with exact amounts."""
    env = {**os.environ, "HUB_DATABASE_URL": bench.world.database_url, "HUB_DATA_DIR": str(folder)}
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "statement", "--month", month),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    async with asyncio.timeout(COMMAND_WAIT_SECONDS):
        said, complaint = await command.communicate()
    assert command.returncode == 0, complaint.decode()
    return json.loads(said, parse_float=Decimal, parse_int=Decimal)


@pytest.mark.proves("CD-06", "X-50")
async def test_a_cdr_and_its_credit_come_to_nothing(
    shared: Bench, mine: Object, credit: Object, tmp_path: Path
) -> None:
    """Only the total is negative: what repeats the original is not added up."""
    end = {"end_date_time": "2033-03-15T07:05:00Z"}
    await accepted(shared, {**mine, **end})
    parts = {name: mine[name] for name in ("total_energy_cost", "total_fixed_cost", "total_time_cost")}
    place = await accepted(shared, {**credit, **end, **parts})
    found = (await get(shared, place)).json()["data"]
    assert (found["credit"], found["credit_reference_id"]) == (True, mine["id"])
    assert found["total_cost"] == {"excl_vat": -4.95, "incl_vat": -5.99}
    await shared.p3.wait_until_seen(about(credit["id"]))
    said = await statement(shared, "2033-03", tmp_path)
    (row,) = said["rows"]
    assert (row["creditor"], row["debtor"], row["currency"]) == ("DE/CP1", "NL/MS1", "EUR")
    assert (row["cdrs"], row["credits"], row["excl_vat"], row["incl_vat"]) == (2, 1, 0, 0)
    assert [(net["excl_vat"], net["incl_vat"]) for net in said["net"]] == [(0, 0), (0, 0)]


@pytest.mark.proves("CD-06")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"credit_reference_id": None}, id="a credit of nothing"),
        pytest.param({"credit": False}, id="a reference without credit"),
        pytest.param({"credit": None}, id="a reference and credit null"),
    ],
)
async def test_a_credit_names_the_cdr_that_it_credits_and_only_a_credit_does(
    shared: Bench, mine: Object, credit: Object, change: Object
) -> None:
    await assert_refused(shared, mine, {**credit, **change, "id": mine["id"]})


def flags(journal: list[Any], answer: httpx.Response, cdr_id: str) -> list[str]:
    """What was said about a CDR that was accepted: to its sender, or in the journal as a warning."""
    warnings = [str(entry) for entry in journal if entry["log_level"] == "warning"]
    message = answer.json().get("status_message")
    return [text for text in warnings if cdr_id.upper() in text.upper()] + ([message] if message else [])


@pytest.mark.proves("CD-06")
@pytest.mark.parametrize("is_known", [pytest.param(True, id="known"), pytest.param(False, id="unknown")])
async def test_a_credit_of_a_cdr_that_nobody_knows_is_flagged(
    shared: Bench, mine: Object, credit: Object, is_known: bool
) -> None:
    if is_known:
        await accepted(shared, mine)
    with capture_logs() as journal:
        answer = await post(shared, credit)
        assert result_of(answer) == CREATED
        await shared.p3.wait_until_seen(about(credit["id"]))
    assert bool(flags(journal, answer, credit["id"])) is not is_known, journal


@pytest.mark.proves("CD-07")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for the eMSP")])
async def test_ids_have_36_characters_and_those_of_credits_39(
    shared: Bench, mine: Object, credit: Object, receiver: Party
) -> None:
    longest = mine["id"].ljust(36, "x")
    assert result_of(await post(shared, {**mine, "id": longest}, receiver=receiver)) == CREATED
    a_credit = {**credit, "id": f"{longest}-C1", "credit_reference_id": longest}
    assert result_of(await post(shared, a_credit, receiver=receiver)) == CREATED
    assert await stored(shared, f"{longest}-C1") == a_credit
    for credited in (MISSING, False):
        wrong = changed({**mine, "id": f"{longest}y"}, "credit", credited)
        assert result_of(await post(shared, wrong)) == REFUSED
        assert await stored(shared, f"{longest}y") is None
    assert result_of(await post(shared, {**a_credit, "id": f"{longest}-C12"})) == REFUSED
    assert await stored(shared, f"{longest}-C12") is None


@pytest.mark.proves("CD-07")
@pytest.mark.parametrize("field", ["credit_reference_id", "invoice_reference_id"])
async def test_references_have_39_characters(shared: Bench, credit: Object, field: str) -> None:
    content = {**credit, field: "r" * 39}
    place = await accepted(shared, content)
    assert (await get(shared, place)).json()["data"][field] == "r" * 39
    again = {**credit, "id": f"{credit['id']}2"}
    await assert_refused(shared, again, {**again, field: "r" * 40})


# --- the fields of a CDR --------------------------------------------------------------------------

REQUIRED = [
    "country_code",
    "party_id",
    "id",
    "start_date_time",
    "end_date_time",
    "cdr_token",
    "auth_method",
    "cdr_location",
    "currency",
    "charging_periods",
    "total_cost",
    "total_energy",
    "total_time",
    "last_updated",
]


@pytest.mark.proves("CD-08")
@pytest.mark.parametrize("field", REQUIRED)
async def test_a_cdr_without_a_required_field_is_refused(shared: Bench, mine: Object, field: str) -> None:
    await assert_refused(shared, mine, changed(mine, field, MISSING), changed(mine, field, None))


@pytest.mark.proves("CD-08")
async def test_a_cdr_without_a_charging_period_is_refused(shared: Bench, mine: Object) -> None:
    await assert_refused(shared, mine, {**mine, "charging_periods": []})


@pytest.mark.proves("CD-08")
async def test_a_cdr_of_required_fields_alone_is_accepted(shared: Bench, mine: Object) -> None:
    """It has no session_id: its CPO may not have sessions, or a reservation was never used."""
    content = {name: mine[name] for name in REQUIRED}
    place = await accepted(shared, content)
    assert (await get(shared, place)).json()["data"] == content
    (seen,) = await shared.p3.wait_until_seen(lambda seen: about(mine["id"])(seen) and seen.method == "POST")
    assert json.loads(seen.body) == content


@pytest.mark.proves("CD-08")
@pytest.mark.parametrize("has_session", [pytest.param(True, id="with"), pytest.param(False, id="without")])
async def test_a_cdr_without_session_id_is_flagged_for_matching(shared: Bench, mine: Object, has_session: bool) -> None:
    content = mine if has_session else changed(mine, "session_id", MISSING)
    with capture_logs() as journal:
        answer = await post(shared, content)
        assert result_of(answer) == CREATED
        await shared.p3.wait_until_seen(about(mine["id"]))
    assert bool(flags(journal, answer, mine["id"])) is not has_session, journal


@pytest.mark.proves("CD-09")
@pytest.mark.parametrize("dimension", ["CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"])
async def test_a_dimension_of_running_sessions_has_no_place_in_a_cdr(
    shared: Bench, mine: Object, session: Object, dimension: str
) -> None:
    measured = {"type": dimension, "volume": 12.5}
    in_session = changed({**session, "id": mine["id"]}, "charging_periods.0.dimensions.0", measured)
    path = f"receiver/sessions/DE/CP1/{mine['id']}"
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=in_session)
    assert result_of(answer) == CREATED
    for index in (0, 1):
        await assert_refused(
            shared,
            {**mine, "id": f"{mine['id']}{index}"},
            changed({**mine, "id": f"{mine['id']}{index}"}, f"charging_periods.{index}.dimensions.0", measured),
        )


@pytest.mark.proves("CD-09")
async def test_the_other_dimensions_are_accepted(shared: Bench, mine: Object) -> None:
    names = "ENERGY MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER PARKING_TIME RESERVATION_TIME TIME"
    dimensions = [{"type": name, "volume": number} for number, name in enumerate(names.split())]
    content = changed(mine, "charging_periods.0.dimensions", dimensions)
    place = await accepted(shared, content)
    assert (await get(shared, place)).json()["data"] == content


@pytest.mark.proves("CD-09", "X-44")
async def test_flat_is_kept_like_any_dimension_that_nobody_knows(shared: Bench, mine: Object) -> None:
    for number, name in enumerate(("FLAT", "SOMETHING_NEW")):
        content = changed({**mine, "id": f"{mine['id']}{number}"}, "charging_periods.0.dimensions.0.type", name)
        place = await accepted(shared, content)
        assert (await get(shared, place)).json()["data"] == content


# --- where it was ---------------------------------------------------------------------------------


@pytest.mark.proves("CD-11")
@pytest.mark.parametrize(
    "field",
    [
        "id",
        "address",
        "city",
        "country",
        "coordinates",
        "evse_uid",
        "evse_id",
        "connector_id",
        "connector_standard",
        "connector_format",
        "connector_power_type",
    ],
)
async def test_the_location_of_a_cdr_is_complete(shared: Bench, mine: Object, field: str) -> None:
    await assert_refused(shared, mine, changed(mine, f"cdr_location.{field}", MISSING))


@pytest.mark.proves("CD-11", "Y-11", "X-34")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"evse_id": "#NA"}, id="no EVSE id"),
        pytest.param({"evse_uid": "#NA", "evse_id": "#NA", "connector_id": "#NA"}, id="a reservation never started"),
        pytest.param({"address": "a" * 45, "state": "s" * 20}, id="the lengths of a CDR"),
        pytest.param({"address": "a" * 255, "state": "s" * 45}, id="the lengths of a location"),
    ],
)
async def test_a_location_in_a_cdr_may_be_unknown_in_part_or_as_long_as_a_location(
    shared: Bench, mine: Object, change: Object
) -> None:
    content = {**mine, "cdr_location": {**mine["cdr_location"], **change}}
    place = await accepted(shared, content)
    assert (await get(shared, place)).json()["data"] == content
    (seen,) = await shared.p3.wait_until_seen(lambda seen: about(mine["id"])(seen) and seen.method == "POST")
    assert json.loads(seen.body) == content


@pytest.mark.proves("X-34")
@pytest.mark.parametrize(("field", "value"), [("address", "a" * 256), ("state", "s" * 46)], ids=["address", "state"])
async def test_a_location_in_a_cdr_is_no_longer_than_a_location(
    shared: Bench, mine: Object, field: str, value: str
) -> None:
    await assert_refused(shared, mine, changed(mine, f"cdr_location.{field}", value))


@pytest.mark.proves("CD-11")
async def test_the_location_of_a_cdr_is_sealed(shared: Bench, mine: Object, location: Object) -> None:
    place_id = f"L-{mine['id']}"
    content = changed(mine, "cdr_location.id", place_id)
    path = f"receiver/locations/DE/CP1/{place_id}"
    renamed = {**location, "id": place_id, "name": "Renamed", "last_updated": "2031-01-01T00:00:00Z"}
    before = {**location, "id": place_id, "name": mine["cdr_location"]["name"]}
    assert result_of(await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=before)) == CREATED
    place = await accepted(shared, content)
    assert result_of(await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=renamed)) == OK
    assert (await get(shared, place)).json()["data"] == content
    assert (await get(shared, place, receiver=MS1)).json()["data"] == content


# --- amounts and signatures -----------------------------------------------------------------------


@pytest.mark.proves("CD-12")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("total_cost", 4.95, id="a number for an amount, as in 2.1.1"),
        pytest.param("total_cost", {"incl_vat": 5.99}, id="an amount with VAT alone"),
        pytest.param("total_cost", {}, id="an amount of nothing"),
        pytest.param("total_cost.excl_vat", None, id="null for an amount"),
        pytest.param("total_cost.incl_vat", "5.99", id="an amount as text"),
        pytest.param("total_energy_cost", 4.95, id="a number for a part"),
        pytest.param("total_parking_cost", {"incl_vat": 0}, id="a part with VAT alone"),
        pytest.param("signed_data.signed_values.0.plain_data", "p" * 5001, id="plain data of 5001"),
        pytest.param("signed_data.signed_values.0.signed_data", "s" * 5001, id="signed data of 5001"),
        pytest.param("signed_data.signed_values.0.nature", "n" * 33, id="a nature of 33"),
        pytest.param("signed_data.url", "https://groep.example/".ljust(513, "x"), id="a URL of 513"),
        pytest.param("signed_data.public_key", "k" * 513, id="a key of 513"),
    ],
)
async def test_amounts_and_signatures_beyond_their_rules_are_refused(
    shared: Bench, mine: Object, path: str, value: Any
) -> None:
    await assert_refused(shared, mine, changed(mine, path, value))


@pytest.mark.proves("CD-12")
async def test_signatures_of_the_greatest_length_are_accepted(shared: Bench, mine: Object) -> None:
    content = changed(mine, "signed_data.public_key", "k" * 512)
    content = changed(content, "signed_data.url", "https://groep.example/".ljust(512, "x"))
    value = {"nature": "n" * 32, "plain_data": "p" * 5000, "signed_data": "s" * 5000}
    content = changed(content, "signed_data.signed_values.0", value)
    place = await accepted(shared, content)
    assert (await get(shared, place)).json()["data"] == content


@pytest.mark.proves("CD-12")
@pytest.mark.parametrize(
    "amount",
    [
        pytest.param({"excl_vat": 4.95}, id="VAT not known"),
        pytest.param({"excl_vat": 4.95, "incl_vat": 0}, id="nothing with VAT"),
        pytest.param({"excl_vat": 0, "incl_vat": 0.0}, id="free of charge"),
    ],
)
async def test_an_amount_without_vat_stays_apart_from_nothing(shared: Bench, mine: Object, amount: Object) -> None:
    content = {**mine, "total_cost": amount}
    place = await accepted(shared, content)
    assert (await get(shared, place)).json()["data"]["total_cost"] == amount
    (seen,) = await shared.p3.wait_until_seen(lambda seen: about(mine["id"])(seen) and seen.method == "POST")
    assert json.loads(seen.body)["total_cost"] == amount


# --- unknown times --------------------------------------------------------------------------------


@pytest.mark.proves("X-36")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="to the hub"), pytest.param(MS1, id="to the eMSP")])
@pytest.mark.parametrize("fields", [("start_date_time",), ("end_date_time",), ("start_date_time", "end_date_time")])
@pytest.mark.parametrize("written", ["1970-1-1T00:00:00Z", "1970-01-01T00:00:00Z"])
async def test_a_cdr_whose_times_nobody_knows_is_accepted(
    shared: Bench, mine: Object, written: str, fields: tuple[str, ...], receiver: Party
) -> None:
    content = {**mine, **dict.fromkeys(fields, written)}
    answer = await post(shared, content, receiver=receiver)
    assert result_of(answer) == CREATED
    (seen,) = await shared.p3.wait_until_seen(lambda seen: about(mine["id"])(seen) and seen.method == "POST")
    assert json.loads(seen.body) == content
    assert await stored(shared, mine["id"]) == content


@pytest.mark.proves("X-36")
async def test_the_money_of_a_cdr_whose_end_nobody_knows_is_not_lost(
    shared: Bench, mine: Object, tmp_path: Path
) -> None:
    """It belongs to the month in which time began, however that is written: a month for which somebody can ask."""
    written = {"CHF": "1970-01-01T00:00:00Z", "SEK": "1970-1-1T00:00:00Z"}
    for currency, end in written.items():
        content = {**mine, "id": f"{mine['id']}{currency}", "currency": currency, "end_date_time": end}
        await accepted(shared, content)
    rows = (await statement(shared, "1970-01", tmp_path))["rows"]
    found = {row["currency"]: (row["creditor"], row["debtor"], row["excl_vat"]) for row in rows}
    expected = ("DE/CP1", "NL/MS1", Decimal("4.95"))
    assert [currency for currency in written if found.get(currency) != expected] == []


@pytest.mark.proves("X-36")
@pytest.mark.parametrize(
    ("name", "field", "written"),
    [
        pytest.param("cdr", "end_date_time", "2026-1-5T07:05:00Z", id="another date without zeros"),
        pytest.param("cdr", "last_updated", "1970-1-1T00:00:00Z", id="another field of a CDR"),
        pytest.param("session", "start_date_time", "1970-1-1T00:00:00Z", id="a session"),
    ],
)
async def test_the_short_form_stands_for_unknown_times_of_cdrs_only(
    shared: Bench, mine: Object, session: Object, name: str, field: str, written: str
) -> None:
    if name == "cdr":
        await assert_refused(shared, mine, {**mine, field: written})
        return
    path = f"receiver/sessions/DE/CP1/{mine['id']}"
    content = {**session, "id": mine["id"], field: written}
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
    assert result_of(answer) == REFUSED
