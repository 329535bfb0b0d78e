"""Charging profiles through the hub, from outside: section 18 of the checklist (CP-01 to CP-07, CP-10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of, token_in
from tests.conftest import HUB
from tests.web.conftest import CP1, CP2, MS1, Bench

Object = dict[str, Any]
Example = Callable[..., Object]
Unique = Callable[[str], str]

SC1 = Party("DE", "SC1")
METHODS = ["GET", "PUT", "DELETE"]
ODD_QUERIES = [
    pytest.param("", id="no query"),
    pytest.param("?request_id=5&y=%2F", id="as in the checklist"),
    pytest.param("?a=b+c&d=%2B&e=%20", id="a plus sign, a coded plus, a coded blank"),
    pytest.param("?back=https%3A%2F%2Fz.example%2F%3Fk%3Dv%26w%3D%2525", id="an URL within the URL"),
    pytest.param("?empty=&flag&x=%C3%A4", id="empty values and letters beyond ASCII"),
]


def envelope(data: str) -> bytes:
    """An answer with blanks in places where nobody else would put them: a copy of it is not the same bytes."""
    return f'{{ "data" : {data}, "status_code":1000, "timestamp" : "2026-01-15T12:00:00Z" }}'.encode()


def exactly(body: bytes) -> Object:
    """A body with its numbers to the last digit, zeros at their ends too."""
    read: Object = json.loads(body, parse_float=lambda text: Decimal(text).as_tuple())
    return read


def says(result: str = "ACCEPTED", timeout: int = 30) -> Fault:
    """A CPO that answers requests about profiles so."""
    return Fault(module_id="chargingprofiles", body=envelope(f'{{"result": "{result}", "timeout": {timeout}}}'))


def asked_of(platform: DemoPlatform) -> list[Seen]:
    """The requests about profiles that came to a platform."""
    return [seen for seen in platform.seen if seen.path.startswith("/2.2.1/receiver/chargingprofiles/")]


def told_to(platform: DemoPlatform, url: str) -> list[Seen]:
    """What came to exactly this address of a platform."""
    return [
        seen
        for seen in platform.seen
        if platform.base_url + seen.path + (f"?{seen.query}" if seen.query else "") == url
    ]


@pytest.fixture
async def scsp(shared: Bench) -> DemoPlatform:
    """The platform of DE/SC1, a smart charging provider, joined to the hub that all tests share."""
    known = shared.world.platforms.get("P6")
    platform = known or await shared.world.join("P6", ("SCSP", str(SC1)))
    platform.seen.clear()
    platform.faults.clear()
    return platform


class Steering:
    """DE/SC1 at work: asks for, sets and clears the profile of a session."""

    def __init__(self, hub: Bench, platform: DemoPlatform, profile: Object) -> None:
        self.hub, self.platform, self.profile = hub, platform, profile

    async def ask(
        self, method: str, session_id: str, response_url: str, *, receiver: Party | None = CP1
    ) -> httpx.Response:
        """GET, PUT or DELETE with the response URL where that method has it."""
        path = f"receiver/chargingprofiles/{session_id}"
        content = None
        if method == "PUT":
            content = {**self.profile, "response_url": response_url}
        else:
            duration = "duration=900&" if method == "GET" else ""
            path += f"?{duration}response_url={quote(response_url, safe='')}"
        return await self.hub.send(self.platform, method, path, sender=SC1, receiver=receiver, content=content)

    async def accepted(self, method: str, response_url: str) -> str:
        """The callback URL that DE/CP1 got with a request which it accepted."""
        self.hub.p1.faults.append(says())
        answer = await self.ask(method, "S1", response_url)
        assert result_of(answer) == (200, 1000), answer.text
        return callback_in(asked_of(self.hub.p1)[-1])


@pytest.fixture
def steering(shared: Bench, scsp: DemoPlatform, example: Example) -> Steering:
    return Steering(shared, scsp, example("set_charging_profile"))


@pytest.fixture
def results_url(scsp: DemoPlatform, unique: Unique) -> str:
    """An address of DE/SC1 for one result."""
    return f"{scsp.callback_url('chargingprofiles', unique('cb'))}?request_id=5&y=%2F"


def callback_in(seen: Seen) -> str:
    """The response URL that a CPO was given: in the body of a PUT, else in the query."""
    url: str = seen.content["response_url"] if seen.method == "PUT" else dict(parse_qsl(seen.query))["response_url"]
    return url


async def post_result(hub: Bench, url: str, content: Any, **more: Any) -> httpx.Response:
    """A POST of DE/CP1 to exactly the URL that it was given."""
    base = f"{hub.world.url}/ocpi/2.2.1/"
    assert url.startswith(base)
    parties = {"sender": CP1, "receiver": SC1} | more
    return await hub.send(hub.p1, "POST", url.removeprefix(base), content=content, **parties)


async def start_session(hub: Bench, session: Object, session_id: str, *owners: Party) -> None:
    """The hub knows a session of this id at each of these CPOs."""
    for owner in owners:
        platform = hub.p1 if owner == CP1 else hub.p2
        content = {**session, "country_code": owner.country_code, "party_id": owner.party_id, "id": session_id}
        path = f"receiver/sessions/{owner}/{session_id}"
        answer = await hub.send(platform, "PUT", path, sender=owner, receiver=HUB, content=content)
        assert result_of(answer) == (201, 1000), answer.text


# --- the request on its way to the CPO ------------------------------------------------------------


@pytest.mark.proves("CP-01")
@pytest.mark.parametrize("method", METHODS)
async def test_a_request_about_a_profile_reaches_the_named_cpo(
    shared: Bench, steering: Steering, results_url: str, method: str
) -> None:
    shared.p1.faults.append(says())
    answer = await steering.ask(method, "A%2F15", results_url)
    assert result_of(answer) == (200, 1000)
    assert answer.json()["data"] == {"result": "ACCEPTED", "timeout": 30}
    (seen,) = asked_of(shared.p1)
    assert (seen.method, seen.path) == (method, "/2.2.1/receiver/chargingprofiles/A%2F15")
    assert (seen.sender, seen.receiver) == (SC1, CP1)
    assert (answer.headers["ocpi-from-party-id"], answer.headers["ocpi-to-party-id"]) == ("CP1", "SC1")
    assert not asked_of(shared.p2)


@pytest.mark.proves("CP-01")
@pytest.mark.parametrize("method", METHODS)
async def test_without_receiver_the_cpo_of_the_session_is_asked(
    shared: Bench, steering: Steering, results_url: str, session: Object, unique: Unique, method: str
) -> None:
    session_id = unique("S")
    await start_session(shared, session, session_id, CP1)
    shared.p1.faults.append(says())
    answer = await steering.ask(method, session_id, results_url, receiver=None)
    assert result_of(answer) == (200, 1000)
    (seen,) = asked_of(shared.p1)
    assert (seen.method, seen.path) == (method, f"/2.2.1/receiver/chargingprofiles/{session_id}")
    assert (seen.sender, seen.receiver) == (SC1, CP1)


@pytest.mark.proves("CP-01")
async def test_an_emsp_that_delegated_its_charging_is_asked_like_a_cpo(
    shared: Bench, steering: Steering, results_url: str
) -> None:
    shared.p3.faults.append(says())
    assert result_of(await steering.ask("PUT", "S1", results_url, receiver=MS1)) == (200, 1000)
    (seen,) = asked_of(shared.p3)
    assert (seen.sender, seen.receiver) == (SC1, MS1)


@pytest.mark.proves("CP-02")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", ODD_QUERIES)
async def test_the_response_url_is_swapped_and_found_again_to_the_letter(
    shared: Bench, scsp: DemoPlatform, steering: Steering, unique: Unique, method: str, query: str
) -> None:
    """In the query of GET and DELETE, in the body of PUT; all else in both stays."""
    theirs = scsp.callback_url("chargingprofiles", unique("cb")) + query
    callback = await steering.accepted(method, theirs)
    (seen,) = asked_of(shared.p1)
    assert urlsplit(callback)[:2] == urlsplit(shared.world.url)[:2]
    assert len(callback) <= 255
    if method == "PUT":
        assert seen.query == ""
        assert exactly(seen.body) == exactly(json.dumps({**steering.profile, "response_url": callback}).encode())
    else:
        duration = [("duration", "900")] if method == "GET" else []
        assert parse_qsl(seen.query, strict_parsing=True) == [*duration, ("response_url", callback)]
        assert not seen.body
    assert scsp.base_url not in seen.query + seen.body.decode()
    assert result_of(await post_result(shared, callback, {"result": "ACCEPTED"})) == (200, 1000)
    assert [told.content for told in told_to(scsp, theirs)] == [{"result": "ACCEPTED"}]


@pytest.mark.proves("CP-02")
@pytest.mark.parametrize("method", METHODS)
async def test_each_request_has_a_callback_of_its_own(
    shared: Bench, steering: Steering, results_url: str, method: str
) -> None:
    one, two = await steering.accepted(method, results_url), await steering.accepted(method, results_url)
    assert one != two


@pytest.mark.proves("CP-02")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("url", ["", "/results/5", "ftp://s.example/results", "https://s.example/" + "r" * 238])
async def test_without_a_usable_response_url_nothing_is_sent(
    shared: Bench, steering: Steering, method: str, url: str
) -> None:
    answer = await steering.ask(method, "S1", url)
    assert result_of(answer) == (200, 2001)
    assert "data" not in answer.json()
    assert not asked_of(shared.p1)


@pytest.mark.proves("CP-03")
async def test_the_active_profile_is_asked_for_each_time_and_is_no_page(
    shared: Bench, steering: Steering, results_url: str, session: Object, unique: Unique
) -> None:
    """Addressed to the hub, it goes to the CPO of the session, and nothing is kept of the answer."""
    session_id = unique("S")
    await start_session(shared, session, session_id, CP1)
    for result in ("ACCEPTED", "TOO_OFTEN"):
        shared.p1.faults[:] = [says(result)]
        answer = await steering.ask("GET", session_id, results_url, receiver=HUB)
        assert result_of(answer) == (200, 1000)
        assert answer.json()["data"]["result"] == result
        assert not {"link", "x-total-count", "x-limit"} & set(answer.headers)
    assert [seen.method for seen in asked_of(shared.p1)] == ["GET", "GET"]


@pytest.mark.proves("CP-03", "CP-10")
@pytest.mark.parametrize("receiver", [HUB, None], ids=["to the hub", "to nobody"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_session_that_nobody_knows_is_refused_without_data(
    shared: Bench, steering: Steering, results_url: str, unique: Unique, method: str, receiver: Party | None
) -> None:
    answer = await steering.ask(method, unique("S"), results_url, receiver=receiver)
    assert answer.status_code == 200
    assert answer.json()["status_code"] in {2001, 4001}
    assert "data" not in answer.json()
    assert not {"link", "x-total-count", "x-limit"} & set(answer.headers)
    assert not any(asked_of(platform) for platform in shared.everybody)


@pytest.mark.proves("CP-03")
@pytest.mark.parametrize("interface", ["receiver", "sender"])
async def test_profiles_are_not_listed(shared: Bench, scsp: DemoPlatform, interface: str) -> None:
    answer = await shared.send(scsp, "GET", f"{interface}/chargingprofiles", sender=SC1, receiver=HUB)
    assert answer.status_code in {404, 405}
    assert "data" not in answer.json()
    assert not {"link", "x-total-count", "x-limit"} & set(answer.headers)


@pytest.mark.proves("CP-04")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("result", ["ACCEPTED", "NOT_SUPPORTED", "REJECTED", "TOO_OFTEN", "UNKNOWN_SESSION"])
async def test_the_answer_of_the_cpo_comes_back_byte_for_byte(
    shared: Bench, steering: Steering, results_url: str, method: str, result: str
) -> None:
    said = says(result, timeout=15)
    shared.p1.faults.append(said)
    answer = await steering.ask(method, "S1", results_url)
    assert (answer.status_code, answer.content) == (200, said.body)


@pytest.mark.proves("CP-10", "X-39")
@pytest.mark.parametrize("receiver", [None, HUB], ids=["to nobody", "to the hub"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_session_id_of_two_cpos_needs_a_receiver(
    shared: Bench,
    steering: Steering,
    results_url: str,
    session: Object,
    unique: Unique,
    method: str,
    receiver: Party | None,
) -> None:
    session_id = unique("15")
    await start_session(shared, session, session_id, CP1, CP2)
    shared.p1.faults.append(says())
    shared.p2.faults.append(says())
    answer = await steering.ask(method, session_id, results_url, receiver=receiver)
    assert answer.status_code == 200
    assert answer.json()["status_code"] in {2001, 4001}
    assert "data" not in answer.json()
    assert not any(asked_of(platform) for platform in shared.everybody)
    for platform, party in ((shared.p1, CP1), (shared.p2, CP2)):
        assert result_of(await steering.ask(method, session_id, results_url, receiver=party)) == (200, 1000)
        assert [seen.receiver for seen in asked_of(platform)] == [party]


# --- the result on its way back -------------------------------------------------------------------

ACTIVE = "active_charging_profile_result"
FLOWS = [
    pytest.param("GET", ACTIVE, "ACCEPTED", id="GET: ActiveChargingProfileResult with a profile"),
    *(
        pytest.param(method, kind, result, id=f"{method}: {kind} {result}")
        for method, kind in (("PUT", "charging_profile_result"), ("DELETE", "clear_profile_result"))
        for result in ("ACCEPTED", "REJECTED", "UNKNOWN")
    ),
]


@pytest.mark.proves("CP-05", "CP-06")
@pytest.mark.parametrize(("method", "kind", "result"), FLOWS)
async def test_the_result_arrives_bare_at_whoever_asked(
    shared: Bench,
    scsp: DemoPlatform,
    steering: Steering,
    results_url: str,
    example: Example,
    method: str,
    kind: str,
    result: str,
) -> None:
    callback = await steering.accepted(method, results_url)
    body = json.dumps({**example(kind), "result": result}, indent=1).encode()
    answer = await post_result(shared, callback, body, headers={"X-Request-ID": "r1", "X-Correlation-ID": "c1"})
    assert result_of(answer) == (200, 1000)
    assert set(answer.json()) <= {"status_code", "status_message", "timestamp"}
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r1", "c1")
    (told,) = told_to(scsp, results_url)
    assert (told.method, told.body, told.sender, told.receiver) == ("POST", body, CP1, SC1)
    assert scsp.connection is not None
    assert token_in(told) == scsp.connection.own_token
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-request-id"] not in {"", "r1"}
    assert told.headers["x-correlation-id"] == "c1"


@pytest.mark.proves("CP-05")
@pytest.mark.parametrize("result", ["REJECTED", "UNKNOWN"])
async def test_without_acceptance_a_result_has_no_profile(
    shared: Bench, scsp: DemoPlatform, steering: Steering, results_url: str, result: str
) -> None:
    callback = await steering.accepted("GET", results_url)
    assert result_of(await post_result(shared, callback, {"result": result})) == (200, 1000)
    assert [told.content for told in told_to(scsp, results_url)] == [{"result": result}]


@pytest.mark.proves("CP-05", "X-25")
async def test_a_result_in_an_envelope_is_taken_out_of_it(
    shared: Bench, scsp: DemoPlatform, steering: Steering, results_url: str, example: Example
) -> None:
    callback = await steering.accepted("GET", results_url)
    wrapped = {"status_code": 1000, "timestamp": "2026-01-15T12:00:00Z", "data": example(ACTIVE)}
    answer = await post_result(shared, callback, wrapped)
    assert result_of(answer) == (200, 1000)
    assert "data" not in answer.json()
    (told,) = told_to(scsp, results_url)
    assert exactly(told.body) == exactly(json.dumps(example(ACTIVE)).encode())


@pytest.mark.proves("CP-05")
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(says("REJECTED"), id="REJECTED"),
        pytest.param(says("TOO_OFTEN"), id="TOO_OFTEN"),
        pytest.param(web_page(), id="no OCPI answer"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_there_is_no_result_after_anything_but_accepted(
    shared: Bench, scsp: DemoPlatform, steering: Steering, results_url: str, method: str, said: Fault
) -> None:
    shared.p1.faults.append(said)
    await steering.ask(method, "S1", results_url)
    (seen,) = asked_of(shared.p1)
    late = await post_result(shared, callback_in(seen), {"result": "ACCEPTED"})
    assert late.status_code == 404
    assert not told_to(scsp, results_url)


@pytest.mark.proves("CP-05")
async def test_only_the_platform_that_was_asked_may_tell_the_result(
    shared: Bench, scsp: DemoPlatform, steering: Steering, results_url: str
) -> None:
    callback = await steering.accepted("PUT", results_url)
    path = callback.removeprefix(f"{shared.world.url}/ocpi/2.2.1/")
    stranger = await shared.send(shared.p2, "POST", path, sender=CP2, receiver=SC1, content={"result": "ACCEPTED"})
    assert stranger.status_code == 404
    assert not told_to(scsp, results_url)


@pytest.mark.proves("CP-06")
@pytest.mark.parametrize(
    ("fault", "http_status", "code"),
    [
        pytest.param(Fault(body=b"", http_status=204), 200, 1000, id="X-23: nothing at all is a success"),
        pytest.param(Fault(status_code=2001), 200, 2001, id="2001"),
        pytest.param(web_page(), 200, 4000, id="no OCPI answer"),
    ],
)
async def test_the_cpo_gets_an_envelope_without_data_whatever_became_of_its_result(
    shared: Bench,
    scsp: DemoPlatform,
    steering: Steering,
    results_url: str,
    fault: Fault,
    http_status: int,
    code: int,
) -> None:
    callback = await steering.accepted("PUT", results_url)
    scsp.faults.append(fault)
    answer = await post_result(shared, callback, {"result": "ACCEPTED"})
    assert result_of(answer) == (http_status, code)
    assert "data" not in answer.json()


# --- the CPO tells of a changed profile -----------------------------------------------------------


@pytest.mark.proves("CP-06", "CP-07", "X-39")
async def test_a_changed_profile_is_told_to_the_party_that_the_cpo_names(
    shared: Bench, scsp: DemoPlatform, example: Example
) -> None:
    body = json.dumps(example("active_charging_profile"), indent=1).encode()
    answer = await shared.send(
        shared.p1, "PUT", "sender/chargingprofiles/A%2F15", sender=CP1, receiver=SC1, content=body
    )
    assert result_of(answer) == (200, 1000)
    assert "data" not in answer.json()
    assert (answer.headers["ocpi-from-party-id"], answer.headers["ocpi-to-party-id"]) == ("SC1", "CP1")
    (told,) = [seen for seen in scsp.seen if seen.module_id == "chargingprofiles"]
    assert (told.method, told.path, told.query) == ("PUT", "/2.2.1/sender/chargingprofiles/A%2F15", "")
    assert (told.sender, told.receiver, told.body) == (CP1, SC1, body)


@pytest.mark.proves("CP-07")
async def test_an_emsp_that_set_a_profile_is_told_too(shared: Bench, example: Example) -> None:
    content = example("active_charging_profile")
    answer = await shared.send(
        shared.p1, "PUT", "sender/chargingprofiles/15", sender=CP1, receiver=MS1, content=content
    )
    assert result_of(answer) == (200, 1000)
    (told,) = [seen for seen in shared.p3.seen if seen.module_id == "chargingprofiles"]
    assert (told.method, told.receiver) == ("PUT", MS1)
    assert exactly(told.body) == exactly(json.dumps(content).encode())


@pytest.mark.proves("CP-07")
@pytest.mark.parametrize("receiver", [None, HUB], ids=["to nobody", "to the hub"])
async def test_a_changed_profile_of_a_session_without_one_is_told_to_nobody(
    shared: Bench, scsp: DemoPlatform, example: Example, session: Object, unique: Unique, receiver: Party | None
) -> None:
    """Nobody has set a profile for it, so nobody is to hear of it; not the eMSP of the session either."""
    session_id = unique("S")
    await start_session(shared, session, session_id, CP1)
    answer = await shared.send(
        shared.p1,
        "PUT",
        f"sender/chargingprofiles/{session_id}",
        sender=CP1,
        receiver=receiver,
        content=example("active_charging_profile"),
    )
    assert answer.status_code == 200
    assert answer.json()["status_code"] in {2001, 4001}
    assert not [
        seen for platform in (*shared.everybody, scsp) for seen in platform.seen if seen.module_id == "chargingprofiles"
    ]
