"""Section 10 of the checklist: which codes the hub makes, which it passes on, and what becomes of an object under each."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from itertools import product
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from hub.demo.faults import Fault, web_page
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conftest import HASTY_SECONDS, HUB, World, loopback_client
from tests.databases import run_statement
from tests.web.conftest import CP1, CP2, MS1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

OCPI_CODES = {1000, 2000, 2001, 2002, 2003, 2004, 3000, 3001, 3002, 3003, 4000, 4001, 4002, 4003}
HTTP_STATUSES = {200, 201, 400, 401, 404, 405}
MODULES = ("locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles", "hubclientinfo")
PATHS = ("", "/1", "/DE/CP1/1", "/DE/CP1/1/2/3/4", "/1/authorize")
LATER = "2027-01-01T00:00:00Z"
SETTLED_AFTER_SECONDS = 0.5
RETURN_TRIES_MAX = 400
RETURN_PAUSE_SECONDS = 0.05


def said(answer: httpx.Response) -> tuple[int, int]:
    """The status line and the OCPI code of an answer."""
    return answer.status_code, answer.json()["status_code"]


def envelope(code: int, more: str = "") -> bytes:
    """A partner's answer; `more` are further fields as JSON text, each with a comma behind it."""
    return f'{{{more}"status_code":{code},"timestamp":"2026-01-01T00:00:00Z"}}'.encode()


async def push_to_hub(bench: Bench, path: str, content: Object, sender: Party = CP1) -> httpx.Response:
    platform = bench.p3 if sender == MS1 else bench.p1
    return await bench.send(platform, "PUT", f"receiver/{path}", sender=sender, receiver=HUB, content=content)


async def read_at_hub(bench: Bench, path: str, sender: Party = CP1) -> httpx.Response:
    platform = bench.p3 if sender == MS1 else bench.p1
    return await bench.send(platform, "GET", f"receiver/{path}", sender=sender, receiver=HUB)


# --- which codes there are ----------------------------------------------------------------------------


@pytest.mark.proves("S-01")
@pytest.mark.parametrize("module", MODULES)
async def test_the_hub_makes_no_code_that_ocpi_does_not_have(shared: Bench, module: str) -> None:
    """Every method at every kind of address, for the hub, for nobody in particular, and for somebody unknown."""
    platform, sender = (shared.p1, CP1) if module in {"tokens", "sessions", "cdrs"} else (shared.p3, MS1)
    codes, statuses = set(), set()
    for side, method, path in product(("sender", "receiver"), ("GET", "PUT", "PATCH", "POST", "DELETE"), PATHS):
        for receiver, body in ((HUB, b"{}"), (None, b"{"), (Party("ZZ", "ZZZ"), b'{"id": "1"}')):
            answer = await shared.send(
                platform, method, f"{side}/{module}{path}", sender=sender, receiver=receiver, content=body
            )
            statuses.add(answer.status_code)
            codes.add(answer.json()["status_code"])
    assert codes <= OCPI_CODES
    assert statuses <= HTTP_STATUSES
    asked = [seen for each in shared.everybody for seen in each.seen if seen.module_id == module]
    assert not [seen for seen in asked if seen.sender == sender or seen.method != "GET"]


@pytest.mark.hasty
@pytest.mark.proves("S-01")
async def test_each_failure_of_routing_has_its_code(bench: Bench, location: Object) -> None:
    """And a success of any kind is 1000."""
    path = "receiver/locations/DE/CP1/L1"

    async def pushed_to(receiver: Party | None) -> int:
        answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=receiver, content=location)
        assert answer.status_code in {200, 201}
        return int(answer.json()["status_code"])

    assert [await pushed_to(receiver) for receiver in (HUB, MS1, None)] == [1000, 1000, 1000]
    assert await pushed_to(Party("ZZ", "ZZZ")) == 4001
    assert await pushed_to(CP2) == 4000
    bench.p3.faults.append(web_page())
    assert await pushed_to(MS1) == 4000
    bench.p3.faults[:] = [Fault(module_id="locations", wait_seconds=HASTY_SECONDS + 1)]
    assert await pushed_to(MS1) == 4002
    async with bench.p3.down():
        assert await pushed_to(MS1) == 4003


@pytest.mark.proves("S-01")
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param("unreachable", 3001, id="an API that cannot be used"),
        pytest.param("version", 3002, id="no version in common"),
        pytest.param("endpoints", 3003, id="no endpoints in common"),
        pytest.param("nothing", 1000, id="a registration"),
    ],
)
async def test_each_failure_of_the_handshake_has_its_code(world: World, wrong: str, code: int) -> None:
    platform = await world.platform("P1", ("CPO", "DE/CP1"))
    if wrong == "version":
        platform.offered_version = "2.1.1"
    if wrong == "endpoints":
        platform.hidden = {(module, side) for module in MODULES for side in Interface}
    content = platform.credentials(platform.invite())
    if wrong == "unreachable":
        content["url"] = f"{platform.base_url}/2.2.1/sender/nothing"
    answer = await _post_credentials(world, await world.invite(platform.roles), content)
    assert said(answer) == (200, code)


async def _post_credentials(world: World, token: str, content: Object) -> httpx.Response:
    headers = {"Authorization": "Token " + base64.b64encode(token.encode()).decode("ascii")}
    async with loopback_client(headers=headers) as http:
        return await http.post(f"{world.url}/ocpi/2.2.1/credentials", json=content)


# --- data beside a code -------------------------------------------------------------------------------


@pytest.mark.proves("S-02")
async def test_a_success_of_the_hub_has_the_data_that_ocpi_asks_for(
    shared: Bench, location: Object, unique: Unique
) -> None:
    name = unique("L")
    content = {**location, "id": name}
    pushed = await push_to_hub(shared, f"locations/DE/CP1/{name}", content)
    assert pushed.json().keys() == {"status_code", "timestamp"}
    assert (await read_at_hub(shared, f"locations/DE/CP1/{name}")).json()["data"] == content
    details = (await shared.send(shared.p1, "GET", "")).json()["data"]
    assert details.keys() == {"version", "endpoints"}
    credentials = (await shared.send(shared.p1, "GET", "credentials")).json()["data"]
    assert credentials.keys() == {"token", "url", "roles"}
    infos = (await shared.send(shared.p1, "GET", "sender/hubclientinfo")).json()["data"]
    fields = {"party_id", "country_code", "role", "status", "last_updated"}
    assert {frozenset(info) for info in infos} == {frozenset(fields)}


ERROR_DATA = [
    pytest.param("", id="none"),
    pytest.param('"data":null,', id="null"),
    pytest.param('"data":"debug text","status_message":null,', id="a text"),
    pytest.param('"data":{"trace":["a",1.50]},"status_message":"no",', id="an object"),
    pytest.param('"data":[],"x_vendor":true,', id="a list"),
]


@pytest.mark.proves("S-02")
@pytest.mark.parametrize("more", ERROR_DATA)
@pytest.mark.parametrize("code", [2001, 3000])
async def test_an_error_of_a_partner_is_read_and_passed_on_with_whatever_data_it_has(
    shared: Bench, session: Object, unique: Unique, more: str, code: int
) -> None:
    name = unique("S")
    shared.p3.faults.append(Fault(module_id="sessions", http_status=200, body=envelope(code, more)))
    path, content = f"receiver/sessions/DE/CP1/{name}", {**session, "id": name}
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=MS1, content=content)
    assert said(answer) == (200, code)
    assert answer.json() == json.loads(envelope(code, more))


@pytest.mark.proves("S-02")
@pytest.mark.parametrize("more", ERROR_DATA)
async def test_an_error_during_the_handshake_is_read_with_whatever_data_it_has(world: World, more: str) -> None:
    platform = await world.platform("P1", ("CPO", "DE/CP1"))
    platform.faults.append(Fault(module_id="versions", body=envelope(2001, more)))
    invitation = await world.invite(platform.roles)
    answer = await _post_credentials(world, invitation, platform.credentials(platform.invite()))
    assert said(answer) == (200, 3001)
    assert answer.json().get("data") is None


# --- faults of the caller -----------------------------------------------------------------------------


@pytest.mark.proves("S-03")
@pytest.mark.parametrize(
    ("module", "change"),
    [
        pytest.param("sessions", {"kwh": 99}, id="a session"),
        pytest.param("locations", {"name": "other"}, id="a location"),
        pytest.param("tokens", {"valid": False}, id="a token"),
        pytest.param("sessions", {"kwh": 99, "last_updated": None}, id="last_updated is null"),
        pytest.param("sessions", {"kwh": 99, "last_updated": "now"}, id="last_updated is no DateTime"),
        pytest.param("sessions", {}, id="nothing at all"),
    ],
)
async def test_a_patch_without_last_updated_is_2001_and_changes_nothing(
    shared: Bench, example: Example, unique: Unique, module: str, change: Object
) -> None:
    sender = MS1 if module == "tokens" else CP1
    platform = shared.p3 if module == "tokens" else shared.p1
    name = unique("X")
    key = {"uid" if module == "tokens" else "id": name}
    content = example(module.removesuffix("s"), country_code=sender.country_code, party_id=sender.party_id, **key)
    if "cdr_token" in content:
        content["cdr_token"] |= {"country_code": "NL", "party_id": "MS1"}
    path = f"{module}/{sender}/{name}"
    assert said(await push_to_hub(shared, path, content, sender)) == (201, 1000)
    answer = await shared.send(platform, "PATCH", f"receiver/{path}", sender=sender, receiver=HUB, content=change)
    assert said(answer) == (200, 2001)
    assert "data" not in answer.json()
    assert (await read_at_hub(shared, path, sender)).json()["data"] == content
    complete = {**change, "last_updated": LATER}
    right = await shared.send(platform, "PATCH", f"receiver/{path}", sender=sender, receiver=HUB, content=complete)
    assert said(right) == (200, 1000)


@pytest.mark.proves("S-03", "X-20")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"OCPI-to-party-id": "MS1"}, id="only the party of the receiver"),
        pytest.param({"OCPI-to-country-code": "NL"}, id="only its country"),
        pytest.param({"OCPI-to-country-code": "", "OCPI-to-party-id": "MS1"}, id="an empty country"),
        pytest.param({"OCPI-to-country-code": "NL", "OCPI-to-party-id": ""}, id="an empty party"),
        pytest.param({"OCPI-from-party-id": "CP1"}, id="only the party of the sender"),
        pytest.param({"OCPI-from-country-code": "DE", "OCPI-from-party-id": ""}, id="an empty party of the sender"),
    ],
)
async def test_half_a_pair_of_routing_headers_is_2001(
    shared: Bench, location: Object, unique: Unique, headers: dict[str, str]
) -> None:
    """The other pair is complete, so that nothing else is wrong."""
    name = unique("L")
    is_to = any("-to-" in header for header in headers)
    sender, receiver = (CP1, None) if is_to else (None, MS1)
    path, content = f"receiver/locations/DE/CP1/{name}", {**location, "id": name}
    answer = await shared.send(
        shared.p1, "PUT", path, sender=sender, receiver=receiver, content=content, headers=headers
    )
    assert said(answer) == (200, 2001)
    marker = unique("marker")
    await push_to_hub(shared, f"locations/DE/CP1/{marker}", {**location, "id": marker})
    await shared.p3.wait_until_seen(lambda seen: marker in seen.path)
    assert not any(name in seen.path for platform in shared.everybody for seen in platform.seen)


@pytest.mark.proves("X-20")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="absent"),
        pytest.param({"OCPI-to-country-code": "", "OCPI-to-party-id": ""}, id="empty"),
    ],
)
async def test_an_empty_pair_of_routing_headers_is_an_absent_one(
    shared: Bench, location: Object, unique: Unique, headers: dict[str, str]
) -> None:
    """A Location without a receiver is for everybody."""
    name = unique("L")
    path, content = f"receiver/locations/DE/CP1/{name}", {**location, "id": name}
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, content=content, headers=headers)
    assert said(answer) == (201, 1000)
    for platform in (shared.p2, shared.p3, shared.p4, shared.p5):
        await platform.wait_until_seen(lambda seen: name in seen.path)


@pytest.mark.proves("S-04")
@pytest.mark.parametrize("code", [2002, 2003, 2004])
@pytest.mark.parametrize("http_status", [200, 404])
async def test_what_an_emsp_says_to_an_authorization_is_passed_on(
    shared: Bench, unique: Unique, code: int, http_status: int
) -> None:
    body = envelope(code, '"data":null,"status_message":"because",')
    shared.p3.faults.append(Fault(module_id="tokens", http_status=http_status, body=body))
    path = f"sender/tokens/{unique('U')}/authorize"
    answer = await shared.send(shared.p1, "POST", path, sender=CP1, receiver=MS1)
    assert said(answer) == (http_status, code)
    assert answer.json() == json.loads(body)


@pytest.mark.proves("S-04")
@pytest.mark.parametrize("command", ["UNLOCK_CONNECTOR", "START_SESSION"])
async def test_what_a_cpo_says_to_a_command_for_an_unknown_location_is_passed_on(
    shared: Bench, example: Example, command: str
) -> None:
    content = example(command.lower(), response_url=shared.p3.callback_url("commands", "1"))
    if "token" in content:
        content["token"] |= {"country_code": "NL", "party_id": "MS1"}
    body = envelope(2003, '"data":{"result":"REJECTED","timeout":30},')
    shared.p1.faults.append(Fault(module_id="commands", body=body))
    answer = await shared.send(
        shared.p3, "POST", f"receiver/commands/{command}", sender=MS1, receiver=CP1, content=content
    )
    assert said(answer) == (200, 2003)
    assert answer.json() == json.loads(body)


@pytest.mark.proves("S-04")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_part_of_a_location_that_the_hub_does_not_know_is_2003(
    shared: Bench, location: Object, unique: Unique, method: str
) -> None:
    name, evse = unique("L"), location["evses"][0]
    path = f"receiver/locations/DE/CP1/{name}/{evse['uid']}"
    answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=HUB, content=evse)
    assert said(answer) == (404, 2003)
    assert (await read_at_hub(shared, f"locations/DE/CP1/{name}")).status_code == 404


@pytest.mark.proves("X-02", "S-04")
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(None, (404, 2004), id="both, as the eMSP says it"),
        pytest.param(Fault(module_id="tokens", http_status=200, status_code=2004), (200, 2004), id="the code alone"),
        pytest.param(Fault(module_id="tokens", http_status=404, status_code=2000), (404, 2000), id="404 with a code"),
        pytest.param(Fault(module_id="tokens", http_status=404, body=b""), (404, 2004), id="404 alone"),
        pytest.param(web_page(404), (404, 2004), id="404 and no OCPI"),
    ],
)
async def test_an_unknown_token_may_be_told_on_either_layer(
    shared: Bench, unique: Unique, fault: Fault | None, expected: tuple[int, int]
) -> None:
    if fault is not None:
        shared.p3.faults.append(fault)
    path = f"sender/tokens/{unique('U')}/authorize"
    answer = await shared.send(shared.p1, "POST", path, sender=CP1, receiver=MS1)
    assert said(answer) == expected
    assert answer.json().get("data") is None
    assert [seen.method for seen in shared.p3.seen if seen.sender == CP1] == ["POST"]


@pytest.mark.proves("X-02", "S-04")
async def test_the_hub_itself_tells_an_unknown_token_on_both_layers(shared: Bench, unique: Unique) -> None:
    path = f"sender/tokens/{unique('U')}/authorize"
    answer = await shared.send(shared.p1, "POST", path, sender=CP1)
    assert said(answer) == (404, 2004)
    assert "data" not in answer.json()
    assert not any(seen.method == "POST" for platform in shared.everybody for seen in platform.seen)


@pytest.mark.proves("X-02")
@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
async def test_a_refusal_of_a_known_token_is_a_success(
    shared: Bench, token: Object, unique: Unique, allowed: str
) -> None:
    name = unique("U")
    shared.p3.desk.offer("tokens", {**token, "uid": name})
    shared.p3.desk.verdicts[name] = allowed
    answer = await shared.send(shared.p1, "POST", f"sender/tokens/{name}/authorize", sender=CP1, receiver=MS1)
    assert said(answer) == (200, 1000)
    assert answer.json()["data"]["allowed"] == allowed


# --- faults of the hub --------------------------------------------------------------------------------


@pytest.mark.proves("S-05", "T-12")
async def test_a_fault_of_the_hub_is_3000_and_tells_nothing_of_its_inside(
    bench: Bench, postgres_url: str, location: Object, cdr: Object
) -> None:
    """The store goes away under it, and comes back."""
    name = str(make_url(bench.world.database_url).database)
    asked: list[tuple[str, str, Object | None]] = [
        ("GET", "sender/locations", None),
        ("GET", "sender/locations/L1", None),
        ("PUT", "receiver/locations/DE/CP1/L1", location),
        ("GET", "receiver/locations/DE/CP1/L1", None),
        ("POST", "receiver/cdrs", cdr),
    ]
    with capture_logs():  # where the inside is told, at length
        await _close(postgres_url, name)
        for method, path, content in asked:
            answer = await bench.send(bench.p1, method, path, sender=CP1, receiver=HUB, content=content)
            _assert_says_nothing(answer, name)
        stranger = await bench.http.get(bench.world.versions_url, headers={"Authorization": "Token bm9wZQ=="})
        _assert_says_nothing(stranger, name)
        _assert_says_nothing(await bench.world.admin.get("/admin/partners"), name)
        await run_statement(postgres_url, f'alter database "{name}" with allow_connections true')
        await _until_success(bench)
        for method, path, content in asked[2:]:
            answer = await bench.send(bench.p1, method, path, sender=CP1, receiver=HUB, content=content)
            assert answer.json()["status_code"] == 1000


async def _close(postgres_url: str, name: str) -> None:
    await run_statement(postgres_url, f'alter database "{name}" with allow_connections false')
    await run_statement(
        postgres_url, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    )


def _assert_says_nothing(answer: httpx.Response, database: str) -> None:
    assert answer.status_code == 200 or 500 <= answer.status_code < 600
    content = answer.json()
    assert content["status_code"] == 3000
    assert content["timestamp"]
    assert "data" not in content
    told = answer.text.lower() + str(answer.headers).lower()
    secrets = ("traceback", "psycopg", "sqlalchemy", "postgres", ".py", "select ", "error:", database)
    assert not [secret for secret in secrets if secret in told]


async def _until_success(bench: Bench) -> None:
    for _ in range(RETURN_TRIES_MAX):
        answer = await bench.send(bench.p1, "GET", "sender/locations", sender=CP1, receiver=HUB)
        if said(answer) == (200, 1000):
            return
        await asyncio.sleep(RETURN_PAUSE_SECONDS)
    pytest.fail("the hub did not find its store again")


# --- what is there and what is not ----------------------------------------------------------------------


@pytest.mark.proves("S-06", "X-01")
@pytest.mark.parametrize(
    ("path", "sender"),
    [
        pytest.param("receiver/tariffs/DE/CP1/none", CP1, id="a tariff"),
        pytest.param("receiver/locations/DE/CP1/none", CP1, id="a location"),
        pytest.param("receiver/locations/DE/CP1/{id}/none", CP1, id="an EVSE"),
        pytest.param("receiver/locations/DE/CP1/{id}/{evse}/none", CP1, id="a connector"),
        pytest.param("receiver/locations/DE/CP1/none/{evse}/1", CP1, id="a connector of no location"),
        pytest.param("receiver/sessions/DE/CP1/none", CP1, id="a session"),
        pytest.param("receiver/cdrs/DE/CP1/none", CP1, id="a CDR"),
        pytest.param("receiver/tokens/NL/MS1/none", MS1, id="a token"),
        pytest.param("receiver/tokens/NL/MS1/{id}?type=APP_USER", MS1, id="a token of another type"),
        pytest.param("sender/locations/none", MS1, id="a location of anybody"),
        pytest.param("sender/locations/{id}/none", MS1, id="an EVSE of anybody"),
        pytest.param("sender/locations/{id}/{evse}/none", MS1, id="a connector of anybody"),
    ],
)
async def test_what_is_not_there_is_404(
    shared: Bench, location: Object, token: Object, unique: Unique, path: str, sender: Party
) -> None:
    name, evse = unique("X"), location["evses"][0]["uid"]
    await push_to_hub(shared, f"locations/DE/CP1/{name}", {**location, "id": name})
    await push_to_hub(shared, f"tokens/NL/MS1/{name}", {**token, "uid": name}, MS1)
    platform = shared.p3 if sender == MS1 else shared.p1
    answer = await shared.send(platform, "GET", path.format(id=name, evse=evse), sender=sender, receiver=HUB)
    assert answer.status_code == 404
    assert answer.json()["status_code"] // 1000 == 2
    assert answer.json()["timestamp"]
    assert "data" not in answer.json()


@pytest.mark.proves("S-07")
@pytest.mark.parametrize(
    ("module", "depth"),
    [
        pytest.param("locations", 0, id="a location"),
        pytest.param("locations", 1, id="an EVSE"),
        pytest.param("locations", 2, id="a connector"),
        pytest.param("sessions", 0, id="a session"),
        pytest.param("tariffs", 0, id="a tariff"),
        pytest.param("tokens", 0, id="a token"),
    ],
)
async def test_what_is_new_is_201_and_what_is_replaced_is_200(
    shared: Bench, example: Example, unique: Unique, module: str, depth: int
) -> None:
    sender = MS1 if module == "tokens" else CP1
    name = unique("X")
    key = "uid" if module == "tokens" else "id"
    content = example(
        module.removesuffix("s"), country_code=sender.country_code, party_id=sender.party_id, **{key: name}
    )
    if "cdr_token" in content:
        content["cdr_token"] |= {"country_code": "NL", "party_id": "MS1"}
    path = f"{module}/{sender}/{name}"
    if depth:
        await push_to_hub(shared, path, content)
        evse = content["evses"][0]
        part = evse | {"uid": "NEW"} if depth == 1 else evse["connectors"][0] | {"id": "NEW"}
        path, content = f"{path}/{'' if depth == 1 else evse['uid'] + '/'}NEW", part
    for last_updated, http_status in ((LATER, 201), (LATER, 200), ("2028-01-01T00:00:00Z", 200)):
        answer = await push_to_hub(shared, path, {**content, "last_updated": last_updated}, sender)
        assert said(answer) == (http_status, 1000)
    assert (await read_at_hub(shared, path, sender)).json()["data"]["last_updated"] == "2028-01-01T00:00:00Z"


@pytest.mark.proves("S-07")
async def test_a_cdr_is_201(shared: Bench, cdr: Object, unique: Unique) -> None:
    content = {**cdr, "id": unique("C")}
    for receiver in (HUB, MS1):
        answer = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=receiver, content=content)
        assert said(answer) == (201, 1000)


@pytest.mark.proves("S-07")
@pytest.mark.parametrize(
    ("fault", "is_kept"),
    [
        pytest.param(Fault(module_id="tariffs", http_status=200, body=envelope(1000)), True, id="200 and 1000"),
        pytest.param(Fault(module_id="tariffs", http_status=201, body=envelope(1000)), True, id="201 and 1000"),
        pytest.param(Fault(module_id="tariffs", http_status=200, body=envelope(2001)), False, id="200 and 2001"),
        pytest.param(Fault(module_id="tariffs", http_status=201, body=envelope(2001)), False, id="201 and 2001"),
        pytest.param(Fault(module_id="tariffs", http_status=200, body=envelope(3000)), False, id="200 and 3000"),
        pytest.param(Fault(module_id="tariffs", http_status=200, body=b"{}"), False, id="200 and no code"),
    ],
)
async def test_a_partner_has_accepted_a_push_when_its_code_says_so(
    shared: Bench, example: Example, unique: Unique, fault: Fault, is_kept: bool
) -> None:
    """What was not accepted is not kept for the receiver either."""
    name = unique("T")
    shared.p3.faults.append(fault)
    path = f"receiver/tariffs/DE/CP1/{name}"
    content = example("tariff", country_code="DE", party_id="CP1", id=name)
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=MS1, content=content)
    assert (answer.json()["status_code"] == 1000) is is_kept
    listed = await shared.send(shared.p3, "GET", "sender/tariffs?limit=100", sender=MS1, receiver=HUB)
    assert (name in [tariff["id"] for tariff in listed.json()["data"]]) is is_kept


@pytest.mark.proves("S-07")
@pytest.mark.parametrize("http_status", [200, 201])
async def test_a_cdr_that_its_payer_refused_by_code_is_not_delivered(
    bench: Bench, cdr: Object, http_status: int
) -> None:
    """Of two CDRs that the hub accepted one stays due: the one of which the payer said 2001."""
    bench.p3.faults.append(Fault(module_id="cdrs", http_status=http_status, body=envelope(2001), once=True))
    for number in (1, 2):
        content = {**cdr, "id": f"C{number}"}
        answer = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=content)
        assert said(answer) == (201, 1000)
        await bench.p3.wait_until_seen(lambda seen: seen.module_id == "cdrs", number)
    assert [seen.content["id"] for seen in bench.p3.seen if seen.module_id == "cdrs"] == ["C1", "C2"]
    assert await _until_one_is_due(bench)
    await asyncio.sleep(SETTLED_AFTER_SECONDS)
    assert await _is_one_due(bench)


async def _is_one_due(bench: Bench) -> bool:
    return 'hub_due_cdrs{payer="NL/MS1"} 1.0' in (await bench.world.admin.get("/metrics")).text


async def _until_one_is_due(bench: Bench) -> bool:
    """The answer to the other one is written down a moment after it came in."""
    for _ in range(RETURN_TRIES_MAX):
        if await _is_one_due(bench):
            return True
        await asyncio.sleep(RETURN_PAUSE_SECONDS)
    return False
