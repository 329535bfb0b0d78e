"""What partners that make mistakes, or mean harm, cannot do (R-08, R-09, B-11, CD-05, X-26)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.demo.faults import Fault
from ocpi_modules.headers import authorization
from tests.conftest import HUB
from tests.web.conftest import CP1, MS1, MS2, OT1, Bench

Object = dict[str, Any]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("http://127.0.0.1:9/steal", id="R-08: at another server"),
        pytest.param("http://[bad/x", id="X-26: no URL"),
        pytest.param("javascript:1", id="X-26: no http"),
    ],
)
async def test_a_cdr_is_read_nowhere_but_at_its_receiver(bench: Bench, cdr: Object, place: str) -> None:
    bench.p3.faults.append(Fault(module_id="cdrs", headers={"Location": place}, once=True))
    answer = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=MS1, content=cdr)
    assert answer.json()["status_code"] == 1000
    bench.forget_what_was_seen()
    assert bench.p1.connection is not None
    headers = {"Authorization": authorization(bench.p1.connection.token)}
    read = await bench.http.get(answer.headers["location"], headers=headers)
    assert read.json()["data"]["id"] == "CDR1"
    assert not any(platform.seen for platform in bench.everybody)


async def test_a_link_that_is_no_address_is_no_link(bench: Bench, location: Object) -> None:
    """X-26."""
    bench.p1.desk.offer("locations", location)
    bench.p1.faults.append(Fault(module_id="locations", headers={"Link": '<http://[bad>; rel="next"'}))
    answer = await bench.send(bench.p3, "GET", "sender/locations", sender=MS1, receiver=CP1)
    assert [entry["id"] for entry in answer.json()["data"]] == ["L1"]
    assert "link" not in answer.headers


@pytest.mark.parametrize("receiver", [pytest.param(MS2, id="another eMSP"), pytest.param(OT1, id="an OTHER")])
async def test_cdrs_and_sessions_go_to_the_party_of_their_token_only(
    bench: Bench, cdr: Object, session: Object, receiver: Any
) -> None:
    """B-11, X-46."""
    refused = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=receiver, content=cdr)
    assert (refused.status_code, refused.json()["status_code"]) == (200, 2001)
    path = "receiver/sessions/DE/CP1/S1"
    also = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=receiver, content=session)
    assert also.json()["status_code"] == 2001
    assert not bench.p2.seen
    assert not bench.p5.seen


async def test_a_smart_charging_provider_gets_a_session_and_takes_it_from_nobody(bench: Bench, session: Object) -> None:
    """G-04: the eMSP of the token keeps it."""
    provider = await bench.world.join("P6", ("SCSP", "DE/SC1"))
    path = "receiver/sessions/DE/CP1/S1"
    await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content=session)
    to_provider = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=provider.parties[0], content=session)
    assert to_provider.json()["status_code"] == 1000
    fields = {"kwh": 9, "last_updated": "2027-01-01T00:00:00Z"}
    await bench.send(bench.p1, "PATCH", path, sender=CP1, receiver=HUB, content=fields)
    seen = await bench.p3.wait_until_seen(lambda entry: entry.module_id == "sessions", 2)
    assert [entry.method for entry in seen] == ["PUT", "PATCH"]
    assert (await bench.p3.get_all("sessions", sender=MS1, receiver=HUB)).total == 1


async def test_a_cdr_for_somebody_who_pays_nothing_is_refused(bench: Bench, cdr: Object) -> None:
    """CD-05: BE/CP2 is a charge point operator only."""
    cdr["cdr_token"] |= {"country_code": "BE", "party_id": "CP2"}
    answer = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=cdr)
    assert answer.json()["status_code"] == 4001


@pytest.mark.parametrize("path", ["../credentials", "%2e%2e/credentials", "..%2Fcredentials", "./L1", "a%5C..%5Cb"])
async def test_no_path_leads_up_and_out_of_an_endpoint(standing_bench: Bench, path: str) -> None:
    """R-09. The client itself would tidy a plain `..`, so it goes out by hand."""
    request = f"GET /ocpi/2.2.1/sender/locations/{path} HTTP/1.1\r\n"
    assert standing_bench.p3.connection is not None
    head = (
        f"host: x\r\nauthorization: {authorization(standing_bench.p3.connection.token)}\r\nconnection: close\r\n"
        "ocpi-from-country-code: NL\r\nocpi-from-party-id: MS1\r\nocpi-to-country-code: DE\r\nocpi-to-party-id: CP1\r\n\r\n"
    )
    port = int(standing_bench.world.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((request + head).encode())
    answer = await reader.read()
    writer.close()
    assert b'"status_code":2001' in answer
    assert not standing_bench.p1.seen


@pytest.mark.parametrize(
    ("method", "path", "receiver"),
    [
        pytest.param("GET", "receiver/tokens/NL/MS1/U1?type=%00", HUB, id="a token type"),
        pytest.param("POST", "sender/tokens/U1/authorize?type=%00", None, id="the type in an authorisation"),
    ],
)
async def test_nul_characters_never_reach_the_database(
    standing_bench: Bench, method: str, path: str, receiver: Any
) -> None:
    platform, sender = (standing_bench.p3, MS1) if method == "GET" else (standing_bench.p1, CP1)
    answer = await standing_bench.send(platform, method, path, sender=sender, receiver=receiver)
    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)


async def test_a_command_with_a_nul_is_a_fault_of_its_sender(standing_bench: Bench, example: Any) -> None:
    command = example("start_session", location_id="a\u0000")
    answer = await standing_bench.send(
        standing_bench.p3, "POST", "receiver/commands/START_SESSION", sender=MS1, content=command
    )
    assert answer.json()["status_code"] == 2001


async def test_a_token_of_strange_letters_is_no_token(standing_bench: Bench) -> None:
    """T-02."""
    answer = await standing_bench.http.get(
        f"{standing_bench.world.url}/ocpi/versions", headers=[(b"authorization", "Token é".encode())]
    )
    assert answer.status_code == 401


async def test_an_honest_backslash_is_no_nul(bench: Bench, location: Object) -> None:
    """B-12: the text is a backslash, then u0000."""
    content = {**location, "x_path": "C:\\u0000dir"}
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=HUB, content=content
    )
    assert answer.json()["status_code"] == 1000


async def test_evses_that_differ_in_case_only_are_refused(bench: Bench, location: Object) -> None:
    """Y-04, L-09."""
    evse = location["evses"][0]
    twice = [{**evse, "uid": "A"}, {**evse, "uid": "a"}]
    answer = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=HUB, content={**location, "evses": twice}
    )
    assert answer.json()["status_code"] == 2001


async def test_a_registered_partner_is_told_405_whatever_it_posts(bench: Bench) -> None:
    """C-11."""
    answer = await bench.send(bench.p1, "POST", "credentials", content=b"{")
    assert answer.status_code == 405
