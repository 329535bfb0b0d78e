"""Sessions and charging preferences, from outside: section 13 of the checklist (SE-01 to SE-11)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from hub.demo.faults import Fault, Seen
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB
from tests.ocpi_modules.test_objects import MISSING, changed
from tests.web.conftest import CP1, CP2, MS1, MS2, Bench

Object = dict[str, Any]
Named = Callable[[str], str]

CREATED, OK, REFUSED, NOT_THERE = (201, 1000), (200, 1000), (200, 2001), (404, 2001)

LATER = "2031-01-01T00:00:00Z"


@pytest.fixture
def mine(session: Object, unique: Named) -> Object:
    """A Session of DE/CP1 for NL/MS1 with two charging periods, under an id of its own."""
    return {**session, "id": unique("S"), "status": "ACTIVE"}


@pytest.fixture
def period(mine: Object) -> Object:
    """A third charging period."""
    return {**copy.deepcopy(mine["charging_periods"][1]), "start_date_time": "2026-01-15T07:04:00Z"}


async def tell(
    bench: Bench, method: str, session_id: str, content: Any = None, *, receiver: Party | None = HUB
) -> httpx.Response:
    """A request of DE/CP1 to the RECEIVER interface."""
    path = f"receiver/sessions/DE/CP1/{session_id}"
    return await bench.send(bench.p1, method, path, sender=CP1, receiver=receiver, content=content)


async def stored(bench: Bench, session_id: str) -> Object:
    """What the hub keeps, as its owner reads it."""
    answer = await tell(bench, "GET", session_id)
    assert result_of(answer) == OK
    found: Object = answer.json()["data"]
    return found


def about(session_id: str) -> Callable[[Seen], bool]:
    in_body = json.dumps(session_id).encode()
    return lambda seen: f"/{session_id}" in seen.path or in_body in seen.body


def heard_of(bench: Bench, session_id: str) -> list[Seen]:
    return [seen for platform in bench.everybody for seen in platform.seen if about(session_id)(seen)]


async def until_all_is_delivered(bench: Bench, mine: Object, unique: Named) -> None:
    """What was told to the hub for NL/MS1 before has arrived: messages to one party keep their order."""
    last = unique("last")
    assert result_of(await tell(bench, "PUT", last, {**mine, "id": last})) == CREATED
    await bench.p3.wait_until_seen(about(last))


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.proves("SE-01", "X-28")
async def test_sessions_are_listed_with_and_without_a_start_date(shared: Bench, mine: Object) -> None:
    old, new = {**mine, "last_updated": "2030-06-01T00:00:00Z"}, {**mine, "last_updated": "2030-06-02T00:00:00Z"}
    new["id"] += "b"
    for content in (old, new):
        assert result_of(await tell(shared, "PUT", content["id"], content)) == CREATED
    for query, expected in (
        ("date_from=2030-06-01T00:00:00Z&date_to=2030-06-03T00:00:00Z", [old["id"], new["id"]]),
        ("date_from=2030-06-02T00:00:00Z&date_to=2030-06-03T00:00:00Z", [new["id"]]),
    ):
        answer = await shared.send(shared.p3, "GET", f"sender/sessions?{query}", sender=MS1, receiver=HUB)
        assert result_of(answer) == OK
        assert [one["id"] for one in answer.json()["data"]] == expected
        assert answer.headers["x-total-count"] == str(len(expected))
    for path in ("sender/sessions", "sender/sessions?date_to=2030-06-03T00:00:00Z", "sender/sessions?limit=1"):
        answer = await shared.send(shared.p3, "GET", path, sender=MS1, receiver=HUB)
        assert result_of(answer) == OK
        assert answer.json()["data"]
        assert int(answer.headers["x-total-count"]) >= 2


@pytest.mark.proves("SE-01", "X-28")
@pytest.mark.parametrize("query", ["date_from=2030-06-01T00:00:00Z&limit=1", "limit=1"])
async def test_a_cpo_is_asked_for_its_sessions_as_the_question_was_put(shared: Bench, mine: Object, query: str) -> None:
    for number in range(2):
        shared.p1.desk.offer("sessions", {**mine, "id": f"{mine['id']}{number}", "last_updated": LATER})
    answer = await shared.send(shared.p3, "GET", f"sender/sessions?{query}", sender=MS1, receiver=CP1)
    (seen,) = [seen for seen in shared.p1.seen if seen.module_id == "sessions"]
    assert result_of(answer) == OK
    assert (seen.query, len(answer.json()["data"])) == (query, 1)
    assert answer.headers["x-limit"] == "1"
    assert answer.headers["link"].startswith(f"<{shared.world.url}/")


# --- charging preferences -------------------------------------------------------------------------

PREFERENCES = b'{ "profile_type": "GREEN", "energy_need": 22.50, "departure_time": "2026-01-15T16:30:00Z" }'


def answered(data: Any, **envelope: Any) -> bytes:
    body = {"status_code": 1000, "timestamp": "2026-01-15T12:00:00Z", **envelope}
    return json.dumps(body if data is None else {**body, "data": data}).encode()


@pytest.mark.proves("SE-02")
@pytest.mark.parametrize("receiver", [pytest.param(CP1, id="to the CPO"), pytest.param(None, id="to whom it concerns")])
@pytest.mark.parametrize(
    "word",
    ["ACCEPTED", "DEPARTURE_REQUIRED", "ENERGY_NEED_REQUIRED", "NOT_POSSIBLE", "PROFILE_TYPE_NOT_SUPPORTED"],
)
async def test_charging_preferences_reach_the_cpo_and_its_bare_word_comes_back(
    shared: Bench, mine: Object, word: str, receiver: Party | None
) -> None:
    if receiver is None:
        assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    body = answered(word)
    shared.p1.faults.append(Fault(module_id="sessions", body=body))
    path = f"sender/sessions/{mine['id']}/charging_preferences"
    answer = await shared.send(shared.p3, "PUT", path, sender=MS1, receiver=receiver, content=PREFERENCES)
    (seen,) = [seen for seen in shared.p1.seen if seen.module_id == "sessions"]
    assert (seen.method, seen.body) == ("PUT", PREFERENCES)
    assert seen.path.endswith(f"/{path}")
    assert (seen.sender, seen.receiver) == (MS1, CP1)
    assert answer.content == body
    assert (answer.status_code, answer.json()["data"]) == (200, word)
    assert answer.headers["ocpi-from-party-id"] == "CP1"


@pytest.mark.proves("SE-04", "X-38")
@pytest.mark.parametrize(
    ("http_status", "body"),
    [
        pytest.param(404, answered(None, status_code=2001, status_message="not capable"), id="no such capability"),
        pytest.param(200, answered("NOT_POSSIBLE"), id="a finished session"),
        pytest.param(200, answered(None, status_code=2001), id="a finished session, refused"),
    ],
)
async def test_a_cpos_refusal_of_preferences_comes_back_on_both_layers(
    shared: Bench, mine: Object, http_status: int, body: bytes
) -> None:
    shared.p1.faults.append(Fault(module_id="sessions", http_status=http_status, body=body))
    path = f"sender/sessions/{mine['id']}/charging_preferences"
    answer = await shared.send(shared.p3, "PUT", path, sender=MS1, receiver=CP1, content=PREFERENCES)
    assert (answer.status_code, answer.content) == (http_status, body)


# --- who may write what ---------------------------------------------------------------------------


@pytest.mark.proves("SE-05")
async def test_a_session_is_written_and_read_under_its_owner_and_id(shared: Bench, mine: Object) -> None:
    first = await tell(shared, "PUT", mine["id"], mine)
    assert result_of(first) == CREATED
    assert first.json().get("data") is None
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == OK
    assert await stored(shared, mine["id"]) == mine
    (seen, *_) = await shared.p3.wait_until_seen(about(mine["id"]))
    assert seen.path.endswith(f"/receiver/sessions/DE/CP1/{mine['id']}")
    assert json.loads(seen.body) == mine


@pytest.mark.proves("SE-05")
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
    assert result_of(await tell(shared, "GET", mine["id"])) == NOT_THERE
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("SE-05")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
@pytest.mark.parametrize("sender", [CP2, MS2], ids=str)
async def test_the_sessions_of_another_are_404(
    shared: Bench, mine: Object, unique: Named, sender: Party, method: str, receiver: Party
) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    await until_all_is_delivered(shared, mine, unique)
    shared.forget_what_was_seen()
    contents: Object = {"GET": None, "PUT": {**mine, "kwh": 99}, "PATCH": {"kwh": 99, "last_updated": LATER}}
    path = f"receiver/sessions/DE/CP1/{mine['id']}"
    answer = await shared.send(shared.p2, method, path, sender=sender, receiver=receiver, content=contents[method])
    assert result_of(answer) == NOT_THERE
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


# --- charging periods -----------------------------------------------------------------------------


@pytest.mark.proves("SE-06")
@pytest.mark.parametrize(
    "value", [pytest.param(MISSING, id="omitted"), pytest.param([], id="empty"), pytest.param(None, id="null")]
)
async def test_a_put_without_charging_periods_clears_them(shared: Bench, mine: Object, value: Any) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    assert len((await stored(shared, mine["id"]))["charging_periods"]) == 2
    assert result_of(await tell(shared, "PUT", mine["id"], changed(mine, "charging_periods", value))) == OK
    assert not (await stored(shared, mine["id"])).get("charging_periods")


@pytest.mark.proves("SE-06")
async def test_a_put_replaces_every_field_also_what_it_leaves_out(shared: Bench, mine: Object) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    left_out = {"end_date_time", "authorization_reference", "meter_id", "total_cost"}
    second = {name: value for name, value in mine.items() if name not in left_out}
    second["charging_periods"] = mine["charging_periods"][:1]
    assert result_of(await tell(shared, "PUT", mine["id"], second)) == OK
    assert await stored(shared, mine["id"]) == second


@pytest.mark.proves("SE-07", "X-30")
async def test_a_patch_adds_charging_periods_to_those_that_are_there(
    shared: Bench, mine: Object, period: Object
) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    bodies = [
        json.dumps({"charging_periods": [period], "last_updated": "2031-01-01T00:00:01Z"}, indent=1).encode(),
        b'{"charging_periods":[], "last_updated": "2031-01-01T00:00:02Z"}',
        b'{"kwh": 15.50, "last_updated": "2031-01-01T00:00:03Z"}',
    ]
    for number, body in enumerate(bodies, 1):
        assert result_of(await tell(shared, "PATCH", mine["id"], body)) == OK
        found = await stored(shared, mine["id"])
        assert found["charging_periods"] == [*mine["charging_periods"], period]
        assert found["last_updated"] == f"2031-01-01T00:00:0{number}Z"
    seen = await shared.p3.wait_until_seen(about(mine["id"]), 4)
    assert [one.body for one in seen[1:]] == bodies


@pytest.mark.proves("SE-07")
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="to the eMSP"), pytest.param(None, id="to whom it concerns")]
)
async def test_a_patch_that_is_forwarded_leaves_as_it_came_and_adds_to_the_hubs_copy_too(
    shared: Bench, mine: Object, period: Object, receiver: Party | None
) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine, receiver=receiver)) == CREATED
    body = json.dumps({"last_updated": LATER, "x": 1.10, "charging_periods": [period]}, indent=3).encode()
    assert result_of(await tell(shared, "PATCH", mine["id"], body, receiver=receiver)) == OK
    seen = [one for one in shared.p3.seen if about(mine["id"])(one)]
    assert [(one.method, one.sender, one.receiver) for one in seen] == [("PUT", CP1, MS1), ("PATCH", CP1, MS1)]
    assert seen[1].body == body
    assert len((await stored(shared, mine["id"]))["charging_periods"]) == 3


# --- PATCH ----------------------------------------------------------------------------------------


@pytest.mark.proves("SE-08", "S-03")
async def test_a_patch_needs_last_updated(shared: Bench, mine: Object, unique: Named) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    for fields in ({"kwh": 99}, {"kwh": 99, "last_updated": None}, {}):
        assert result_of(await tell(shared, "PATCH", mine["id"], fields)) == REFUSED
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine, unique)
    assert [one.method for one in heard_of(shared, mine["id"])] == ["PUT"]


@pytest.mark.proves("SE-08")
async def test_a_patch_leaves_all_that_it_does_not_name_alone(shared: Bench, mine: Object) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    fields = {"kwh": 17.25, "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", mine["id"], fields)) == OK
    assert await stored(shared, mine["id"]) == {**mine, **fields}


@pytest.mark.proves("SE-08")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"id": "another"}, id="another id"),
        pytest.param({"party_id": "CP9"}, id="another owner"),
        pytest.param({"kwh": "17.25"}, id="energy as text"),
        pytest.param({"kwh": None}, id="null for a required field"),
        pytest.param({"status": "DONE"}, id="a status that nobody knows"),
        pytest.param({"charging_periods": [{"dimensions": []}]}, id="half a period"),
    ],
)
async def test_a_patch_of_wrong_fields_changes_nothing(
    shared: Bench, mine: Object, unique: Named, fields: Object
) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    assert result_of(await tell(shared, "PATCH", mine["id"], {**fields, "last_updated": LATER})) == REFUSED
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine, unique)
    assert [one.method for one in heard_of(shared, mine["id"])] == ["PUT"]


@pytest.mark.proves("SE-08", "X-32")
@pytest.mark.parametrize("method", ["PATCH", "GET"])
async def test_a_change_or_a_read_of_an_unknown_session_is_404(
    shared: Bench, mine: Object, unique: Named, method: str
) -> None:
    content = {"kwh": 1, "last_updated": LATER} if method == "PATCH" else None
    answer = await tell(shared, method, mine["id"], content)
    assert result_of(answer) == NOT_THERE
    assert answer.json().get("data") is None
    assert result_of(await tell(shared, "GET", mine["id"])) == NOT_THERE
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


# --- the fields of a Session ----------------------------------------------------------------------

REQUIRED = [
    "country_code",
    "party_id",
    "id",
    "start_date_time",
    "kwh",
    "cdr_token",
    "auth_method",
    "location_id",
    "evse_uid",
    "connector_id",
    "currency",
    "status",
    "last_updated",
]


@pytest.mark.proves("SE-09")
@pytest.mark.parametrize("field", REQUIRED)
async def test_a_session_without_a_required_field_is_refused(
    shared: Bench, mine: Object, unique: Named, field: str
) -> None:
    for nothing in (MISSING, None):
        assert result_of(await tell(shared, "PUT", mine["id"], changed(mine, field, nothing))) == REFUSED
    assert result_of(await tell(shared, "GET", mine["id"])) == NOT_THERE
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("SE-09")
async def test_a_session_of_required_fields_alone_is_accepted(shared: Bench, mine: Object) -> None:
    content = {name: mine[name] for name in REQUIRED}
    assert result_of(await tell(shared, "PUT", mine["id"], content)) == CREATED
    assert await stored(shared, mine["id"]) == content


@pytest.mark.proves("SE-09")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("id", "x" * 37, id="an id of 37 characters"),
        pytest.param("currency", "EU", id="a currency of two letters"),
        pytest.param("currency", "EURO", id="a currency of four letters"),
        pytest.param("total_cost", 4.95, id="an amount as a number"),
        pytest.param("cdr_token", "04A2B9C1D35E80", id="a token as text"),
    ],
)
async def test_a_session_with_a_wrong_value_is_refused(
    shared: Bench, mine: Object, unique: Named, path: str, value: Any
) -> None:
    content = changed(mine, path, value)
    assert result_of(await tell(shared, "PUT", content["id"], content)) == REFUSED
    assert result_of(await tell(shared, "GET", content["id"])) == NOT_THERE
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, content["id"]) == []


@pytest.mark.proves("SE-10", "X-33")
async def test_every_status_of_a_session_is_accepted_and_an_unknown_one_is_not(shared: Bench, mine: Object) -> None:
    """RESERVED is what some partners write for RESERVATION."""
    for number, status in enumerate(["PENDING", "RESERVATION", "ACTIVE", "INVALID", "RESERVED", "COMPLETED"]):
        content = {**mine, "status": status}
        assert result_of(await tell(shared, "PUT", mine["id"], content)) == (OK if number else CREATED)
        assert (await stored(shared, mine["id"]))["status"] == status
    for unknown in ("DONE", "completed", "", None):
        assert result_of(await tell(shared, "PUT", mine["id"], {**mine, "status": unknown})) == REFUSED
    assert (await stored(shared, mine["id"]))["status"] == "COMPLETED"


@pytest.mark.proves("SE-10")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
async def test_sessions_are_never_deleted(shared: Bench, mine: Object, unique: Named, receiver: Party) -> None:
    assert result_of(await tell(shared, "PUT", mine["id"], mine)) == CREATED
    answer = await tell(shared, "DELETE", mine["id"], receiver=receiver)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PUT", "PATCH"}
    assert answer.json()["timestamp"]
    assert await stored(shared, mine["id"]) == mine
    await until_all_is_delivered(shared, mine, unique)
    assert [one.method for one in heard_of(shared, mine["id"])] == ["PUT"]


@pytest.mark.proves("SE-10")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_newer_push_after_completed_is_accepted(shared: Bench, mine: Object, method: str) -> None:
    completed = {**mine, "status": "COMPLETED"}
    assert result_of(await tell(shared, "PUT", mine["id"], completed)) == CREATED
    fields = {"kwh": 20, "last_updated": LATER}
    content = {**completed, **fields} if method == "PUT" else fields
    assert result_of(await tell(shared, method, mine["id"], content)) == OK
    assert await stored(shared, mine["id"]) == {**completed, **fields}
    seen = await shared.p3.wait_until_seen(about(mine["id"]), 2)
    assert json.loads(seen[1].body) == content


@pytest.mark.proves("SE-10")
@pytest.mark.parametrize(
    ("status", "is_warned"), [pytest.param("COMPLETED", True, id="final"), pytest.param("ACTIVE", False, id="running")]
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_change_of_a_completed_session_leaves_a_warning_in_the_journal(
    shared: Bench, mine: Object, method: str, status: str, is_warned: bool
) -> None:
    known = {**mine, "status": status}
    assert result_of(await tell(shared, "PUT", mine["id"], known)) == CREATED
    fields = {"kwh": 20, "last_updated": LATER}
    with capture_logs() as journal:
        content = {**known, **fields} if method == "PUT" else fields
        assert result_of(await tell(shared, method, mine["id"], content)) == OK
    warnings = [entry for entry in journal if entry["log_level"] == "warning"]
    spoken_of = [entry for entry in warnings if mine["id"].upper() in str(entry).upper()]
    assert bool(spoken_of) is is_warned, journal


@pytest.mark.proves("SE-11")
@pytest.mark.parametrize("field", ["country_code", "party_id", "uid", "type", "contract_id"])
@pytest.mark.parametrize(
    "receiver", [pytest.param(HUB, id="for the hub"), pytest.param(None, id="for whom it concerns")]
)
async def test_the_whole_token_of_a_session_is_required(
    shared: Bench, mine: Object, unique: Named, field: str, receiver: Party | None
) -> None:
    content = changed(mine, f"cdr_token.{field}", MISSING)
    answer = await tell(shared, "PUT", mine["id"], content, receiver=receiver)
    assert result_of(answer) == REFUSED
    assert result_of(await tell(shared, "GET", mine["id"])) == NOT_THERE
    await until_all_is_delivered(shared, mine, unique)
    if receiver == HUB:
        assert heard_of(shared, mine["id"]) == []


@pytest.mark.proves("SE-11", "X-46")
@pytest.mark.parametrize(
    "receiver", [pytest.param(HUB, id="for the hub"), pytest.param(None, id="for whom it concerns")]
)
@pytest.mark.parametrize("emsp", [MS1, MS2], ids=str)
async def test_the_token_of_a_session_decides_which_emsp_gets_it(
    shared: Bench, mine: Object, emsp: Party, receiver: Party | None
) -> None:
    """Whatever its contract id looks like."""
    token = {"country_code": emsp.country_code, "party_id": emsp.party_id, "contract_id": "DE-CP1-C0012345-X"}
    content = {**mine, "cdr_token": {**mine["cdr_token"], **token}, "last_updated": "2036-01-01T00:00:00Z"}
    assert result_of(await tell(shared, "PUT", mine["id"], content, receiver=receiver)) == CREATED
    platform = shared.p3 if emsp == MS1 else shared.p2
    (seen,) = await platform.wait_until_seen(about(mine["id"]))
    assert (seen.receiver, seen.sender) == (emsp, HUB if receiver else CP1)
    assert json.loads(seen.body) == content
    assert len(heard_of(shared, mine["id"])) == 1
    for reader, asker in ((MS1, shared.p3), (MS2, shared.p2), (CP2, shared.p2)):
        query = f"sender/sessions?limit=100&date_from={content['last_updated']}"
        page = await shared.send(asker, "GET", query, sender=reader, receiver=HUB)
        assert (mine["id"] in {one["id"] for one in page.json()["data"]}) is (reader == emsp)
