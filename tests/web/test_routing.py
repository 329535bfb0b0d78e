"""Messages through the hub, over real HTTP, between platforms that know nothing of each other (checklist sections 6 to 9)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.demo.faults import Fault, web_page
from hub.partners.delivery import LAGGING_SECONDS
from hub.store.database import Database
from hub.store.ledger import Ledger
from hub.store.pack import unpack
from hub.store.refusals import Refusals
from ocpi_modules.headers import authorization
from ocpi_modules.parties import Party
from tests.conftest import HASTY_SECONDS, HUB
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]

HANGING_SECONDS = 3.0


def is_push(seen: Any) -> bool:
    return seen.method in {"PUT", "PATCH", "POST", "DELETE"} and seen.module_id not in {"hubclientinfo", "credentials"}


def pushes(platform: Any) -> list[Any]:
    return [seen for seen in platform.seen if is_push(seen)]


# --- direct ---------------------------------------------------------------------------------------


async def test_direct_request_reaches_its_receiver_with_its_own_token_and_the_same_parties(
    bench: Bench, location: Object
) -> None:
    """R-02, R-03, R-08, R-12, T-04, T-17, T-18, T-19."""
    ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=location, headers=ids
    )
    (seen,) = pushes(bench.p3)
    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
    assert (seen.sender, seen.receiver) == (CP1, MS1)
    assert seen.path.endswith("/receiver/locations/DE/CP1/L1")
    assert bench.p3.connection is not None
    assert (
        base64.b64decode(seen.headers["authorization"].removeprefix("Token ")).decode() == bench.p3.connection.own_token
    )
    assert seen.headers["x-request-id"] != "r1"
    assert seen.headers["x-correlation-id"] == "c1"
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r1", "c1")
    assert answer.headers["ocpi-to-country-code"] + answer.headers["ocpi-to-party-id"] == "DECP1"
    assert answer.headers["ocpi-from-country-code"] + answer.headers["ocpi-from-party-id"] == "NLMS1"


async def test_what_is_forwarded_is_what_came_in_byte_for_byte(bench: Bench, location: Object) -> None:
    """R-10, R-11, Y-07, Y-10."""
    body = json.dumps({**location, "x_vendor": {"a": "1"}}).replace('"a": "1"', '"a": 1.10, "b": 12.345600').encode()
    await bench.send(bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=body)
    (seen,) = pushes(bench.p3)
    assert seen.body == body


async def test_percent_encoded_paths_and_queries_reach_the_receiver_unchanged(bench: Bench) -> None:
    """R-09."""
    await bench.send(bench.p3, "GET", "sender/locations/A%2FB/E1?x=1&y=%2F", sender=MS1, receiver=CP1)
    seen = next(seen for seen in bench.p1.seen if seen.module_id == "locations")
    assert seen.path.endswith("/sender/locations/A%2FB/E1")
    assert seen.query == "x=1&y=%2F"


@pytest.mark.parametrize(
    ("fault", "http_status", "code"),
    [
        pytest.param(Fault(status_code=2003, message="no such place"), 200, 2003, id="R-13: the receiver's own error"),
        pytest.param(Fault(http_status=404, status_code=2004), 404, 2004, id="R-14: status line and code"),
        pytest.param(Fault(status_code=2901), 200, 2901, id="R-14: a custom code"),
        pytest.param(web_page(), 200, 4000, id="R-18: a page of HTML"),
        pytest.param(Fault(body=b"", http_status=204), 200, 1000, id="X-23: nothing at all is a success of a push"),
        pytest.param(Fault(http_status=401, status_code=2000), 200, 4000, id="R-18: the receiver refuses our token"),
        pytest.param(
            Fault(wait_seconds=HASTY_SECONDS + 1), 200, 4002, id="R-17: no answer in time", marks=pytest.mark.hasty
        ),
    ],
)
async def test_answers_of_the_receiver_come_back(
    bench: Bench, location: Object, fault: Fault, http_status: int, code: int
) -> None:
    bench.p3.faults.append(fault)
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=location
    )
    assert (answer.status_code, answer.json()["status_code"]) == (
        http_status if code != 1000 else answer.status_code,
        code,
    )
    assert answer.headers["ocpi-to-party-id"] == "CP1"


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        pytest.param("GET, PATCH", "GET, PATCH", id="methods"),
        pytest.param("<b>GET</b>", None, id="no list of methods"),
    ],
)
async def test_405_of_the_receiver_says_what_the_receiver_allows(
    bench: Bench, location: Object, said: str, passed_on: str | None
) -> None:
    """R-14, and RFC 9110, 15.5.6."""
    bench.p3.faults.append(Fault(http_status=405, status_code=2000, headers={"Allow": said}))
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=location
    )
    assert (answer.status_code, answer.headers.get("Allow")) == (405, passed_on)


@pytest.mark.parametrize(
    ("receiver", "code"),
    [
        pytest.param(Party("ZZ", "ZZZ"), 4001, id="R-15: nobody knows it"),
        pytest.param(CP2, 4000, id="R-18: a CPO takes no locations, though its platform does"),
    ],
)
async def test_unroutable_messages_are_refused_and_sent_nowhere(
    bench: Bench, location: Object, receiver: Party, code: int
) -> None:
    """R-19: always HTTP 200 with the envelope."""
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=receiver, content=location
    )
    assert (answer.status_code, answer.json()["status_code"]) == (200, code)
    assert not any(pushes(platform) for platform in bench.everybody)


async def test_a_receiver_that_is_down_is_4003_and_gets_nothing_later(bench: Bench, location: Object) -> None:
    """R-16, T-22, HC-10."""
    path = "receiver/locations/DE/CP1/L1"
    async with bench.p3.down():
        answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=MS1, content=location)
        assert (answer.status_code, answer.json()["status_code"]) == (200, 4003)
    await asyncio.sleep(0.3)
    assert not pushes(bench.p3)


async def test_a_paged_list_of_a_partner_comes_through_with_links_of_the_hub(bench: Bench, location: Object) -> None:
    """P-14, P-15."""
    for number in range(5):
        bench.p1.desk.offer("locations", {**location, "id": f"L{number}"})
    crawl = await bench.p3.get_all("locations", sender=MS1, receiver=CP1, query="limit=2")
    assert [entry["id"] for entry in crawl.objects] == ["L0", "L1", "L2", "L3", "L4"]
    first = await bench.send(bench.p3, "GET", "sender/locations?limit=2", sender=MS1, receiver=CP1)
    assert first.headers["x-total-count"] == "5"
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    assert link.startswith(bench.world.url)
    assert bench.p2.connection is not None
    foreign = await bench.http.get(link, headers={"Authorization": authorization(bench.p2.connection.token)})
    assert foreign.json()["status_code"] != 1000


# --- who speaks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "sender", "receiver", "code"),
    [
        pytest.param({"OCPI-to-party-id": "MS1"}, CP1, None, 2001, id="R-20: half a pair"),
        pytest.param({}, Party("NL", "MS1"), MS2, 2001, id="R-07: somebody else's party"),
        pytest.param({"OCPI-to-party-id": "ABCD", "OCPI-to-country-code": "NL"}, CP1, None, 2001, id="R-06: too long"),
        pytest.param({"OCPI-to-party-id": "ms1", "OCPI-to-country-code": "nl"}, CP1, None, 1000, id="R-06: any case"),
        pytest.param(
            {"OCPI-to-party-id": "", "OCPI-to-country-code": ""}, CP1, None, 1000, id="X-20, O-05: empty is absent"
        ),
        pytest.param({}, None, MS1, 1000, id="R-01: one party behind the token"),
    ],
)
async def test_routing_headers_are_judged(
    bench: Bench, location: Object, headers: dict[str, str], sender: Party | None, receiver: Party | None, code: int
) -> None:
    answer = await bench.send(
        bench.p1,
        "PUT",
        "receiver/locations/DE/CP1/L1",
        sender=sender,
        receiver=receiver,
        content=location,
        headers=headers,
    )
    assert answer.json()["status_code"] == code
    if code == 1000:
        await bench.p3.wait_until_seen(is_push)
    else:
        assert not pushes(bench.p3)


async def test_several_parties_behind_a_token_have_to_name_the_sender(bench: Bench) -> None:
    """R-01: BE/MS2 alone reads, both would fit a list of sessions of nobody in particular."""
    reads = await bench.send(bench.p2, "GET", "sender/locations", receiver=HUB)
    assert reads.json()["status_code"] == 1000
    assert reads.headers["ocpi-to-party-id"] == "MS2"


@pytest.mark.parametrize(
    ("path", "change", "codes"),
    [
        pytest.param("BE/CP2/L1", {"country_code": "BE", "party_id": "CP2"}, {2003}, id="L-06: another's location"),
        pytest.param("DE/CP1/L1", {"party_id": "CP9"}, {2001}, id="L-05: owner of URL and body differ"),
        pytest.param("DE/CP1/L1", {"id": "L2"}, {2001}, id="L-07: ids differ"),
        pytest.param("DE/CP1/L1", {"city": None}, {2001}, id="B-12: no valid object"),
    ],
)
async def test_wrong_objects_are_refused_before_anybody_hears_of_them(
    standing_bench: Bench, location: Object, path: str, change: Object, codes: set[int]
) -> None:
    answer = await standing_bench.send(
        standing_bench.p1, "PUT", f"receiver/locations/{path}", sender=CP1, receiver=HUB, content={**location, **change}
    )
    assert answer.json()["status_code"] in codes
    assert answer.status_code in {200, 404}
    await asyncio.sleep(0.1)
    assert not any(pushes(platform) for platform in standing_bench.everybody)


# --- broadcast ------------------------------------------------------------------------------------


async def test_a_location_for_the_hub_goes_to_all_who_may_have_it(bench: Bench, location: Object) -> None:
    """B-01, B-02, B-03, B-08, B-13, T-17."""
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=HUB, content=location
    )
    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
    assert "data" not in answer.json()
    assert answer.headers["ocpi-from-party-id"] == "HUB"
    got = {}
    for platform, party in ((bench.p2, MS2), (bench.p3, MS1), (bench.p4, NS1), (bench.p5, OT1)):
        (got[party],) = await platform.wait_until_seen(is_push)
        assert (got[party].sender, got[party].receiver) == (HUB, party)
        assert got[party].content["last_updated"] == location["last_updated"]
    assert len({seen.headers["x-request-id"] for seen in got.values()}) == 4
    assert not pushes(bench.p1)
    listed = await bench.p3.get_all("locations", sender=MS1, receiver=HUB)
    assert listed.objects == [json.loads(json.dumps(location))] or listed.objects[0]["id"] == "L1"


async def test_a_token_for_the_hub_goes_to_charge_point_operators_only(bench: Bench, token: Object) -> None:
    """B-04."""
    await bench.p3.push("tokens", MS1, ("U1",), token, receiver=HUB)
    (seen,) = await bench.p1.wait_until_seen(is_push)
    (also,) = await bench.p2.wait_until_seen(is_push)
    assert (seen.receiver, also.receiver) == (CP1, CP2)
    assert not pushes(bench.p4)
    assert not pushes(bench.p5)


async def test_others_reach_charge_point_operators_only(bench: Bench, token: Object) -> None:
    """B-05."""
    await bench.p5.push("tokens", OT1, ("U1",), {**token, "party_id": "OT1"}, receiver=HUB)
    await bench.p1.wait_until_seen(is_push)
    (also,) = await bench.p2.wait_until_seen(is_push)
    assert also.receiver == CP2
    assert not pushes(bench.p3)


async def test_the_answer_to_a_broadcast_does_not_wait_for_receivers(bench: Bench, location: Object) -> None:
    """B-10: one hangs, one refuses, the others have it at once."""
    bench.p3.faults.append(Fault(wait_seconds=HANGING_SECONDS))
    bench.p4.faults.append(Fault(http_status=401, status_code=2000))
    started = time.perf_counter()
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=HUB, content=location
    )
    assert answer.json()["status_code"] == 1000
    assert time.perf_counter() - started < HANGING_SECONDS
    await bench.p2.wait_until_seen(is_push)
    await bench.p5.wait_until_seen(is_push)


async def test_a_lane_keeps_the_order_of_what_it_carries(bench: Bench, location: Object) -> None:
    """A PATCH never overtakes its PUT."""
    bench.p3.faults.append(Fault(wait_seconds=0.2, once=True))
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    stamps = [f"2027-01-01T00:00:{second:02}Z" for second in range(5)]
    for stamp in stamps:
        fields = {"name": f"at {stamp}", "last_updated": stamp}
        heard = await bench.p1.patch("locations", CP1, ("L1",), fields, receiver=HUB)
        assert heard.is_success
    seen = await bench.p3.wait_until_seen(is_push, 6)
    assert [entry.method for entry in seen] == ["PUT", *["PATCH"] * 5]
    assert [entry.content["last_updated"] for entry in seen[1:]] == stamps


async def test_a_receiver_that_lags_is_told_the_newest_status_only(bench: Bench, location: Object) -> None:
    """What waits behind a slow answer gives way to what is newer; a receiver that keeps up is told everything."""
    bench.p3.faults.append(Fault(wait_seconds=4 * LAGGING_SECONDS, once=True))
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    await bench.p3.wait_until_seen(is_push)
    await asyncio.sleep(1.1 * LAGGING_SECONDS)
    evse = location["evses"][0]["uid"]
    for second, status in enumerate(("CHARGING", "BLOCKED", "AVAILABLE")):
        fields = {"status": status, "last_updated": f"2027-01-01T00:00:{second:02}Z"}
        assert (await bench.p1.patch("locations", CP1, ("L1", evse), fields, receiver=HUB)).is_success
        await bench.p5.wait_until_seen(is_push, second + 2)
    seen = await bench.p3.wait_until_seen(is_push, 2)
    await asyncio.sleep(0.1)
    assert [(entry.method, entry.content.get("status")) for entry in seen] == [("PUT", None), ("PATCH", "AVAILABLE")]
    assert len([entry for entry in bench.p3.seen if is_push(entry)]) == 2


async def test_a_deleted_tariff_is_gone_everywhere(bench: Bench, example: Any) -> None:
    """TF-02, X-16."""
    tariff = example("tariff", country_code="DE", party_id="CP1", id="T1")
    assert (await bench.p1.push("tariffs", CP1, ("T1",), tariff, receiver=HUB)).http_status == 201
    assert (await bench.p1.delete("tariffs", CP1, "T1", receiver=HUB)).is_success
    assert (await bench.p1.read("tariffs", CP1, ("T1",), receiver=HUB)).http_status == 404
    seen = await bench.p3.wait_until_seen(is_push, 2)
    assert [entry.method for entry in seen] == ["PUT", "DELETE"]
    assert (await bench.p1.delete("tariffs", CP1, "T1", receiver=HUB)).http_status == 404


# --- sessions and CDRs ----------------------------------------------------------------------------


async def test_a_cdr_goes_to_the_party_of_its_token_alone(bench: Bench, cdr: Object) -> None:
    """B-11, CD-03, CD-05, G-04."""
    answer = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=cdr)
    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
    (seen,) = await bench.p3.wait_until_seen(is_push)
    assert (seen.sender, seen.receiver, seen.content["id"]) == (HUB, MS1, "CDR1")
    assert not pushes(bench.p2)
    assert bench.p1.connection is not None
    at_hub = await bench.http.get(
        answer.headers["location"], headers={"Authorization": authorization(bench.p1.connection.token)}
    )
    assert at_hub.json()["data"]["id"] == "CDR1"
    again = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=cdr)
    assert again.json()["status_code"] == 1000
    assert again.headers["location"] == answer.headers["location"]
    other = await bench.send(
        bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content={**cdr, "total_energy": 1}
    )
    assert (other.status_code, other.json()["status_code"]) == (200, 2001)
    assert (await bench.p3.get_all("cdrs", sender=MS1, receiver=HUB)).total == 1
    assert (await bench.p2.get_all("cdrs", sender=MS2, receiver=HUB)).total == 0
    await asyncio.sleep(0.2)
    assert len(pushes(bench.p3)) == 1


@pytest.mark.parametrize("receiver", [pytest.param(MS1, id="direct"), pytest.param(None, id="O-03: without receiver")])
async def test_a_forwarded_cdr_is_read_where_its_receiver_keeps_it(
    bench: Bench, cdr: Object, receiver: Party | None
) -> None:
    """CD-02, CD-04."""
    answer = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=receiver, content=cdr)
    assert answer.json()["status_code"] == 1000
    assert answer.headers["ocpi-from-party-id"] == "MS1"
    (seen,) = pushes(bench.p3)
    assert (seen.sender, seen.receiver) == (CP1, MS1)
    assert answer.headers["location"].startswith(bench.world.url)
    assert bench.p1.connection is not None
    read = await bench.http.get(
        answer.headers["location"], headers={"Authorization": authorization(bench.p1.connection.token)}
    )
    assert read.json()["data"]["id"] == "CDR1"
    assert [entry.method for entry in bench.p3.seen if entry.module_id == "cdrs"] == ["POST", "GET"]
    assert (await bench.p3.get_all("cdrs", sender=MS1, receiver=HUB)).total == 1


async def test_a_cdr_sent_again_in_another_spelling_is_the_same_one(bench: Bench, cdr: Object) -> None:
    """CD-05, X-45, Y-04: ids are CiStrings; what is another CDR does not even reach the receiver."""
    respelt = {**cdr, "country_code": cdr["country_code"].lower(), "total_energy": float(cdr["total_energy"])}
    for content in (cdr, respelt):
        await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=MS1, content=content)
    changed = {**respelt, "total_energy": 1}
    other = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=MS1, content=changed)
    assert (other.json()["status_code"], len(pushes(bench.p3))) == (2001, 2)
    kept = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=respelt)
    assert kept.json()["status_code"] == 1000


async def test_a_cdr_that_is_refused_is_kept_as_a_fact(bench: Bench, cdr: Object) -> None:
    """A06, J01, CD-05: its bytes and the answer, for those who clear; it is never billed."""
    wrong_credit = {**cdr, "id": "CDR2", "credit": True}
    for content in (cdr, {**cdr, "total_energy": 1}, wrong_credit, wrong_credit):
        await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=content)
    await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=[])
    database = Database(bench.world.database_url)
    refused = {(row.cdr_key, row.status_code, row.times): row for row in await Refusals(database).load()}
    claims = await Ledger(database).claims(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    await database.close()
    assert sorted(refused) == [("", 2001, 1), ("CDR1", 2001, 1), ("CDR2", 2001, 2)]
    row = refused["CDR2", 2001, 2]
    assert json.loads(unpack(row.packed)) == wrong_credit
    assert (row.caller, row.creditor, row.receiver) == ("CPO DE/CP1", "DE/CP1", "NL/HUB")
    assert "credit_reference_id" in row.answer
    assert [claim.cdr_key for claim in claims] == ["CDR1"]


async def test_a_cdr_waits_for_a_payer_that_is_away(bench: Bench, cdr: Object) -> None:
    """Decision 5: what the hub accepted stays due until the payer has it."""
    async with bench.p3.down():
        heard = await bench.p1.post_cdr(cdr, receiver=HUB)
        assert heard.is_success
        await asyncio.sleep(0.2)
    await bench.p3.get_all("locations", sender=MS1, receiver=HUB)
    (seen,) = await bench.p3.wait_until_seen(is_push)
    assert seen.content["id"] == "CDR1"


async def test_a_cdr_that_an_ill_payer_did_not_take_is_offered_when_it_is_back(bench: Bench, cdr: Object) -> None:
    """B-11: what a gateway said while its server was ill is nothing that the CDR has to rest for."""
    ill = web_page()
    bench.p3.faults.append(ill)
    assert (await bench.p1.post_cdr(cdr, receiver=HUB)).is_success
    await bench.p3.wait_until_seen(is_push)
    async with bench.p3.down():
        assert (await bench.p1.post_cdr({**cdr, "id": "CDR2"}, receiver=HUB)).is_success
        await asyncio.sleep(0.2)
    bench.p3.faults.remove(ill)
    await bench.p3.get_all("locations", sender=MS1, receiver=HUB)
    seen = await bench.p3.wait_until_seen(is_push, 3)
    assert {entry.content["id"] for entry in seen[1:]} == {"CDR1", "CDR2"}


async def test_a_session_reaches_its_own_emsp_and_patches_follow_it(bench: Bench, session: Object) -> None:
    """SE-07, SE-08, O-03: a PATCH without cdr_token finds the eMSP of the stored session."""
    assert (await bench.p1.push("sessions", CP1, ("S1",), session, receiver=HUB)).http_status == 201
    fields = {"kwh": 9, "last_updated": "2027-01-01T00:00:00Z"}
    assert (await bench.p1.patch("sessions", CP1, ("S1",), fields, receiver=HUB)).is_success
    seen = await bench.p3.wait_until_seen(is_push, 2)
    assert [entry.method for entry in seen] == ["PUT", "PATCH"]
    assert (await bench.p1.patch("sessions", CP1, ("S1",), {"kwh": 10}, receiver=HUB)).status_code == 2001
    assert (await bench.p1.patch("sessions", CP1, ("NO",), fields, receiver=HUB)).http_status == 404
    assert not pushes(bench.p2)


# --- open routing and reads -----------------------------------------------------------------------


async def test_a_read_without_receiver_goes_to_the_owner(bench: Bench, location: Object) -> None:
    """O-01, O-04."""
    bench.p1.desk.offer("locations", location)
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    answer = await bench.send(bench.p3, "GET", "sender/locations/L1", sender=MS1)
    assert answer.json()["data"]["id"] == "L1"
    assert answer.headers["ocpi-from-party-id"] == "CP1"
    theirs = {**location, "country_code": "BE", "party_id": "CP2"}
    await bench.p2.push("locations", CP2, ("L1",), theirs, receiver=HUB)
    ambiguous = await bench.send(bench.p3, "GET", "sender/locations/L1", sender=MS1)
    assert ambiguous.json()["status_code"] == 4001
    at_hub = await bench.send(bench.p3, "GET", "sender/locations/L1", sender=MS1, receiver=HUB)
    assert at_hub.json()["status_code"] == 2001


async def test_authorisation_is_always_asked_of_the_emsp(bench: Bench, token: Object) -> None:
    """TK-07, TK-08, TK-10, TK-11."""
    bench.p3.desk.offer("tokens", token)
    await bench.p3.push("tokens", MS1, ("U1",), token, receiver=HUB)
    answer = await bench.send(bench.p1, "POST", "sender/tokens/u1/authorize", sender=CP1)
    assert (answer.status_code, answer.json()["status_code"]) == (200, 1000)
    assert answer.json()["data"]["allowed"] == "ALLOWED"
    assert answer.headers["ocpi-from-party-id"] == "MS1"
    unknown = await bench.send(bench.p1, "POST", "sender/tokens/nobody/authorize", sender=CP1)
    assert (unknown.status_code, unknown.json()["status_code"]) == (404, 2004)
    async with bench.p3.down():
        away = await bench.send(bench.p1, "POST", "sender/tokens/U1/authorize", sender=CP1)
        assert away.json()["status_code"] == 4003


async def test_what_went_to_one_party_shows_to_nobody_else(bench: Bench, location: Object) -> None:
    """G-03, X-12, X-13."""
    await bench.p1.push("locations", CP1, ("L9",), {**location, "id": "L9"}, receiver=MS1)
    assert [entry["id"] for entry in (await bench.p3.get_all("locations", sender=MS1, receiver=HUB)).objects] == ["L9"]
    assert (await bench.p2.get_all("locations", sender=MS2, receiver=HUB)).total == 0
    assert (await bench.p4.get_all("locations", sender=NS1, receiver=HUB)).total == 0


async def test_get_all_pages_over_all_owners(bench: Bench, location: Object) -> None:
    """P-05, P-06, P-08, P-09, P-10, P-16, G-01, G-02, X-18."""
    for number in range(3):
        await bench.p1.push("locations", CP1, (f"L{number}",), {**location, "id": f"L{number}"}, receiver=HUB)
    for number in range(4):
        theirs = {**location, "country_code": "BE", "party_id": "CP2", "id": f"L{number}"}
        await bench.p2.push("locations", CP2, (f"L{number}",), theirs, receiver=HUB)
    page = await bench.send(bench.p3, "GET", "sender/locations?limit=5", sender=MS1, receiver=HUB)
    assert (len(page.json()["data"]), page.headers["x-total-count"], page.headers["x-limit"]) == (5, "7", "5")
    assert page.headers["link"].startswith(f"<{bench.world.url}/ocpi/2.2.1/sender/locations?")
    assert "?offset=5&limit=5&cursor=" in page.headers["link"]
    rest = await bench.send(bench.p3, "GET", "sender/locations?limit=5&offset=5", sender=MS1)
    assert (len(rest.json()["data"]), rest.headers["x-total-count"], rest.headers["x-limit"]) == (2, "7", "5")
    assert "link" not in rest.headers
    beyond = await bench.send(bench.p3, "GET", "sender/locations?offset=999999", sender=MS1, receiver=HUB)
    assert (beyond.status_code, beyond.json()["data"], beyond.headers["x-total-count"]) == (200, [], "7")
    for query in ("limit=abc", "offset=-1", "date_from=yesterday"):
        wrong = await bench.send(bench.p3, "GET", f"sender/locations?{query}", sender=MS1, receiver=HUB)
        assert (wrong.status_code, wrong.json()["status_code"]) == (200, 2001)


async def test_tokens_are_shown_to_those_who_charge_cars_only(bench: Bench, token: Object) -> None:
    """G-04."""
    await bench.p3.push("tokens", MS1, ("U1",), token, receiver=HUB)
    assert (await bench.p1.get_all("tokens", sender=CP1, receiver=HUB)).total == 1
    assert (await bench.p2.get_all("tokens", sender=MS2, receiver=HUB)).total == 0
    assert (await bench.p3.get_all("tokens", sender=MS1, receiver=HUB)).total == 1


async def test_an_older_push_changes_nothing_and_says_so(bench: Bench, location: Object) -> None:
    """X-31."""
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    await bench.p3.wait_until_seen(is_push)
    older = {**location, "name": "old", "last_updated": "2015-01-01T00:00:00Z"}
    heard = await bench.p1.push("locations", CP1, ("L1",), older, receiver=HUB)
    assert heard.is_success
    assert heard.message
    assert (await bench.p1.read("locations", CP1, ("L1",), receiver=HUB)).data.get("name") == location.get("name")
    await asyncio.sleep(0.1)
    assert len(pushes(bench.p3)) == 1


async def test_a_child_moves_its_parents(bench: Bench, location: Object) -> None:
    """L-09, L-10, L-11, L-13, L-15."""
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    evse = location["evses"][0]
    ids = ("L1", evse["uid"], evse["connectors"][0]["id"])
    fields = {"max_amperage": 63, "last_updated": "2027-02-03T04:05:06Z"}
    assert (await bench.p1.patch("locations", CP1, ids, fields, receiver=HUB)).is_success
    stored = (await bench.p1.read("locations", CP1, ("L1",), receiver=HUB)).data
    changed = stored["evses"][0]
    assert {stored["last_updated"], changed["last_updated"], changed["connectors"][0]["last_updated"]} == {
        "2027-02-03T04:05:06Z"
    }
    assert stored["evses"][1:] == location["evses"][1:]
    missing = await bench.p1.patch("locations", CP1, ids[:2], {"status": "CHARGING"}, receiver=HUB)
    assert (missing.http_status, missing.status_code) == (200, 2001)
    nowhere = await bench.p1.push("locations", CP1, ("NOPE", evse["uid"]), evse, receiver=HUB)
    assert (nowhere.http_status, nowhere.status_code) == (404, 2003)


# --- commands -------------------------------------------------------------------------------------


async def test_the_result_of_a_command_comes_back_through_the_hub(bench: Bench, example: Any, location: Object) -> None:
    """CM-01, CM-03, CM-04, CM-05, CM-09, CM-14."""
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    url = bench.p3.callback_url("commands", "mine?x=1")
    command = example("start_session", response_url=url, location_id="L1")
    command["token"] = {**command["token"], "country_code": "NL", "party_id": "MS1"}
    body = json.dumps({"result": "ACCEPTED", "timeout": 30}).encode()
    envelope = b'{"data":' + body + b',"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
    bench.p1.faults.append(Fault(module_id="commands", body=envelope))
    answer = await bench.send(
        bench.p3, "POST", "receiver/commands/START_SESSION", sender=MS1, receiver=CP1, content=command
    )
    assert answer.content == envelope
    got = next(seen for seen in bench.p1.seen if seen.module_id == "commands")
    assert got.content["response_url"].startswith(f"{bench.world.url}/ocpi/2.2.1/sender/commands/")
    assert {**got.content, "response_url": url} == json.loads(json.dumps(command))
    path = got.content["response_url"].partition("/ocpi/2.2.1/")[2]
    result = {"result": "ACCEPTED"}
    stranger = await bench.send(bench.p2, "POST", path, sender=CP2, content=result)
    assert stranger.status_code == 404
    for _ in range(2):
        returned = await bench.send(bench.p1, "POST", path, sender=CP1, receiver=MS1, content=result)
        assert returned.status_code == 200
    back = [seen for seen in bench.p3.seen if seen.path.endswith("/mine")]
    assert len(back) == 2
    assert (back[0].sender, back[0].receiver, back[0].query, back[0].content) == (CP1, MS1, "x=1", result)
    foreign = {**command, "token": {**command["token"], "party_id": "XXX"}}
    refused = await bench.send(
        bench.p3, "POST", "receiver/commands/START_SESSION", sender=MS1, receiver=CP1, content=foreign
    )
    assert refused.json()["status_code"] == 2001
