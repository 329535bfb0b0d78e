"""Whatever comes in: always the envelope, the right code, no trace, nothing stored and nothing sent (T-11 to T-14, Y-05, X-01)."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from ocpi_modules.headers import authorization
from tests.conftest import HUB
from tests.web.conftest import CP1, MS1, Bench

Object = dict[str, Any]

DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z?$")
LOCATION = "receiver/locations/DE/CP1/L1"


@pytest.fixture
def bench(standing_bench: Bench) -> Bench:
    """Nothing of all this happens, so that the next test finds the hub as it was."""
    return standing_bench


def assert_envelope(answer: httpx.Response, code: range = range(2000, 4004)) -> None:
    """Y-03, T-11, T-16, S-01."""
    content = answer.json()
    assert content["status_code"] in code
    assert DATE_TIME.match(content["timestamp"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert answer.headers["x-correlation-id"]
    assert "Traceback" not in answer.text


async def nothing_happened(bench: Bench) -> bool:
    seen = [entry for platform in bench.everybody for entry in platform.seen if entry.module_id == "locations"]
    listed = await bench.p3.get_all("locations", sender=MS1, receiver=HUB)
    return not seen and listed.total == 0


@pytest.mark.parametrize(
    ("body", "http_status", "code"),
    [
        pytest.param(b'{"id":', 400, 2000, id="T-13: half of a JSON text"),
        pytest.param(b"", 400, 2000, id="T-13: no body"),
        pytest.param(b"\xff\xfe", 400, 2000, id="T-13: not UTF-8"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, 400, 2000, id="nested a hundred thousand deep"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, 400, 2000, id="nested five hundred deep"),
        pytest.param(b'{"kwh": NaN}', 400, 2000, id="NaN is no JSON"),
        pytest.param(b"[]", 200, 2001, id="T-14: a list"),
        pytest.param(b"null", 200, 2001, id="T-14: null"),
        pytest.param(b'"text"', 200, 2001, id="T-14: a text"),
        pytest.param(b"{}", 200, 2001, id="T-14: nothing in it"),
        pytest.param(b'{"id": 1e400000}', 200, 2001, id="T-14: a number without end"),
    ],
)
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="to the hub"), pytest.param(MS1, id="to a party")])
async def test_bodies_that_are_no_object(bench: Bench, body: bytes, http_status: int, code: int, receiver: Any) -> None:
    if receiver == MS1 and body == b"{}":
        pytest.skip("a forwarded object is judged by its receiver")
    answer = await bench.send(bench.p1, "PUT", LOCATION, sender=CP1, receiver=receiver, content=body)
    assert (answer.status_code, answer.json()["status_code"]) == (http_status, code)
    assert_envelope(answer)
    assert await nothing_happened(bench)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"city": None}, id="Y-08: a required field is null"),
        pytest.param({"city": "x" * 46}, id="Y-09: too long"),
        pytest.param({"city": "a\u0000b"}, id="a NUL character"),
        pytest.param({"x_note": "a\u0000b"}, id="a NUL character in a field of their own"),
        pytest.param({"publish": "true"}, id="a text for a boolean"),
        pytest.param({"evses": {}}, id="an object for a list"),
        pytest.param({"last_updated": "2019-01-01T00:00:00+02:00"}, id="Y-02: an offset"),
        pytest.param({"last_updated": 0}, id="a number for a date"),
        pytest.param({"coordinates": {"latitude": 51.04, "longitude": "3.7"}}, id="L-18: a number for a coordinate"),
    ],
)
async def test_objects_that_are_wrong_get_2001_and_leave_no_trace(
    bench: Bench, location: Object, change: Object
) -> None:
    """T-14, B-12: also when only one field is wrong."""
    answer = await bench.send(bench.p1, "PUT", LOCATION, sender=CP1, receiver=HUB, content={**location, **change})
    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
    assert_envelope(answer)
    assert await nothing_happened(bench)


async def test_bodies_beyond_the_bound_are_413(bench: Bench, location: Object) -> None:
    body = json.dumps({**location, "x_fill": "x" * 5_000_000}).encode()
    answer = await bench.send(bench.p1, "PUT", LOCATION, sender=CP1, receiver=HUB, content=body)
    assert answer.status_code == 413
    assert_envelope(answer)

    async def in_pieces() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    assert bench.p1.connection is not None
    headers = {"Authorization": authorization(bench.p1.connection.token)}
    chunked = await bench.http.put(f"{bench.world.url}/ocpi/2.2.1/{LOCATION}", headers=headers, content=in_pieces())
    assert chunked.status_code == 413
    assert await nothing_happened(bench)


@pytest.mark.parametrize(
    ("method", "path", "http_status"),
    [
        pytest.param("GET", "nothing", 404, id="T-12: unknown path"),
        pytest.param("GET", "sender/nothing", 404, id="T-12: unknown module"),
        pytest.param("GET", "receiver/hubclientinfo/DE/CP1", 404, id="M-12: the hub has no receiver of it"),
        pytest.param("DELETE", LOCATION, 405, id="M-04"),
        pytest.param("POST", "sender/locations", 405, id="M-03"),
        pytest.param("PATCH", "receiver/tariffs/DE/CP1/T1", 405, id="M-08"),
        pytest.param("PUT", "receiver/cdrs", 405, id="M-07"),
        pytest.param("GET", "receiver/commands/START_SESSION", 405, id="M-10"),
        pytest.param("POST", "sender/hubclientinfo", 405, id="M-12"),
        pytest.param("PATCH", "credentials", 405, id="M-02"),
        pytest.param("PROPFIND", "sender/locations", 405, id="a method that OCPI does not have"),
        pytest.param("PUT", "receiver/locations/DE/CP1/%00", 200, id="a NUL in the path"),
        pytest.param("PUT", "receiver/locations/DE/CP1/%C3%A9", 200, id="Y-04: an id that is not ASCII"),
        pytest.param("POST", "receiver/commands/DANCE", 404, id="CM-01: an unknown command"),
    ],
)
async def test_paths_and_methods_that_are_not_offered(bench: Bench, method: str, path: str, http_status: int) -> None:
    answer = await bench.send(bench.p1, method, path, sender=CP1, receiver=HUB, content={})
    assert answer.status_code == http_status
    assert_envelope(answer)
    if http_status == 405:
        assert answer.headers["allow"]
    assert await nothing_happened(bench)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="T-01: none"),
        pytest.param("Token bm9wZQ==", id="T-02: of nobody"),
        pytest.param("Bearer bm9wZQ==", id="T-02: another scheme"),
        pytest.param("Token ***", id="T-03: no Base64"),
        pytest.param("Token", id="T-03: nothing after the word"),
    ],
)
@pytest.mark.parametrize("path", ["versions", "2.2.1", "2.2.1/sender/locations", "2.2.1/credentials", "2.2.1/nothing"])
async def test_whoever_has_no_token_is_told_so(bench: Bench, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await bench.http.get(f"{bench.world.url}/ocpi/{path}", headers=headers)
    assert answer.status_code == 401
    assert_envelope(answer)


async def test_addresses_outside_ocpi_answer_in_the_envelope_too(bench: Bench) -> None:
    """T-12."""
    assert (await bench.http.get(f"{bench.world.url}/nothing")).json()["status_code"] == 2000
    assert (await bench.http.post(f"{bench.world.url}/health/live")).json()["status_code"] == 2000


@pytest.mark.parametrize("path", ["sender/locations", "sender/locations/"])
async def test_a_slash_at_the_end_changes_nothing(bench: Bench, path: str) -> None:
    """T-21."""
    answer = await bench.send(bench.p3, "GET", path, sender=MS1, receiver=HUB)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_configuration_modules_have_no_routing_headers(bench: Bench) -> None:
    """R-05, V-04, V-05, HC-01, HC-02."""
    for path in ("", "sender/hubclientinfo", "credentials"):
        answer = await bench.send(bench.p3, "GET", path, sender=MS1, receiver=CP1)
        assert answer.json()["status_code"] == 1000
        assert not [name for name in answer.headers if name.startswith("ocpi-")]
    infos = (await bench.send(bench.p3, "GET", "sender/hubclientinfo")).json()["data"]
    assert ("BE", "CP2", "CPO", "CONNECTED") in {
        (entry["country_code"], entry["party_id"], entry["role"], entry["status"]) for entry in infos
    }


async def test_signs_of_health_and_the_front_page(bench: Bench) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/docs"):
        assert (await bench.http.get(bench.world.url + path)).status_code == 200
    page = (await bench.http.get(bench.world.url + "/")).text
    assert "DE/CP1" in page
    assert "CONNECTED" in page
    assert "What the hub keeps" in page


async def test_who_is_not_on_the_same_machine_sees_no_figures_on_the_front_page(bench: Bench) -> None:
    """They count private Locations too, and say what single parties do."""
    page = (await bench.http.get(bench.world.url + "/", headers={"X-Forwarded-For": "198.51.100.7"})).text
    assert "DE/CP1" in page
    for figure in ("What the hub keeps", "Waiting in lane", "CDRs due", "What passed", "locations"):
        assert figure not in page, figure


async def test_what_is_no_request_at_all_is_answered_in_the_envelope(bench: Bench) -> None:
    """T-12: a method that HTTP itself does not know never reaches the application."""
    answer = await bench.http.request("BREW", f"{bench.world.url}/ocpi/versions")
    assert (answer.status_code, answer.json()["status_code"]) == (400, 2000)
