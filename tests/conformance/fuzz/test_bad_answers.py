"""Whatever a receiver answers: its caller gets an answer of OCPI, soon, and the hub goes on."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.demo.party import DemoPlatform, role
from ocpi_modules.catalog import VERSION
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conformance.fuzz.conftest import fresh_id, owned_by
from tests.conformance.fuzz.profiles import fuzz
from tests.conformance.fuzz.strategies import Num, Object, exactly, json_text, mutated, odd_bodies, styles, wild_values
from tests.conformance.fuzz.test_bad_requests import assert_works, good, is_json, is_within_bounds, token_of
from tests.conformance.fuzz.wire import DATE_TIME, RawAnswer, RawPartner, assert_answered_in_ocpi, assert_envelope
from tests.conftest import HUB
from tests.web.conftest import CP1, MS1, Bench

Strategy = st.SearchStrategy[Any]

RAW_CPO, RAW_EMSP = Party("SE", "RWC"), Party("SE", "RWE")
OWN_CODES = frozenset({1000, 2004, 4000, 4002, 4003})
"""What the hub may say itself about an answer that is none: a push without a body is a success (X-23), a 404 of a token is 2004 (X-02)."""


WELL = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status_code":1000,"timestamp":"2026-01-31T12:00:00Z"}'


class RawPlatform(DemoPlatform):
    """A platform that joins like any other, and lists the addresses of a `RawPartner` for all functional modules."""

    def __init__(self, raw: RawPartner) -> None:
        self.raw = raw
        super().__init__("RAW", [role("CPO", str(RAW_CPO)), role("EMSP", str(RAW_EMSP))])

    def url_of(self, module_id: str, interface: Interface) -> str:
        if module_id in {"credentials", "hubclientinfo"}:
            return super().url_of(module_id, interface)
        return f"http://127.0.0.1:{self.raw.port}/{VERSION}/{interface.value.lower()}/{module_id}"


@pytest.fixture(scope="module")
async def raw_platform(_module_bench: Bench) -> AsyncIterator[RawPlatform]:
    raw = RawPartner()
    await raw.start()
    platform = RawPlatform(raw)
    world = _module_bench.world
    async with platform.running():
        await platform.join(await world.invite(platform.roles), world.versions_url)
        world.platforms["RAW"] = platform
        yield platform
    await raw.stop()


# --- answers -----------------------------------------------------------------------------------------

_codes = st.sampled_from([1000, 1999, 2001, 2003, 2999, 3000, 4001, 4999, 0, -1, 7, 2**70, 10**12]).map(str).map(Num)
_wrong_codes: Strategy = st.sampled_from(["1000", None, True, [Num("1000")], {}]) | wild_values
_times = st.sampled_from(["2026-01-31T12:00:00Z", "now", None])


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """What looks like an envelope; the code may be anything."""
    content: Object = {"status_code": draw(_codes | _codes | _wrong_codes)}
    if draw(st.booleans()):
        content["data"] = draw(wild_values)
    if draw(st.booleans()):
        content |= {"timestamp": draw(_times), "status_message": draw(wild_values)}
    return json_text(content, draw(styles))


_HTML = b"<html><body>Bad gateway</body></html>"
answer_bodies: Strategy = st.one_of(
    envelopes(), envelopes(), odd_bodies, st.sampled_from([_HTML, b"", gzip.compress(b"{}")])
)

_odd_bytes = st.sampled_from(
    [b"", b"x", b"\xe9", b"\xff\xfe", b"=?utf-8?q?x?=", b"a" * 5000, b"1", b"-1", b"99999999999999999999", b"\xd9\xa3"]
)
_here = st.sampled_from(
    [
        *(b"/elsewhere", b"cdrs/1", b"?x=1", b"http://[", b"http://[::1", b"javascript:1"),
        *(b"http://127.0.0.1:99999/", b"http://127.0.0.1:x/"),
        *(b"", b"#", b"\xe9", b"http://\xe9/", b"/a b", b"/%zz%", b"http://:80", b"x" * 3000),
        *(b"/\xc3\xa9?\xe9", b"..", b"/../../x", b"/\x01"),
    ]
)
_elsewhere = st.sampled_from(
    [b"//127.0.0.1:9/x", b"http://127.0.0.1:9/x", b"HTTP://127.0.0.1:9", b"http://user:secret@127.0.0.1:9/"]
)
_places = _here | _elsewhere
_forms = st.sampled_from(
    [b'<#>; rel="next"', b"#; rel=next", b"<#>", b'<#>; rel="prev", <#>; rel="last next"', b'; rel="next"']
)
_links = st.builds(lambda place, form: form.replace(b"#", place), _places, _forms)
_encodings = st.sampled_from([b"gzip", b"br", b"zstd", b"deflate", b"nonsense", b"gzip, gzip"])
_counts = st.sampled_from([b"X-Total-Count", b"X-Limit", b"X-Request-ID", b"OCPI-from-party-id", b"Content-Type"])
_of_http = st.sampled_from(
    [b"Set-Cookie", b"x-\xe9", b"Content-Length", b"Transfer-Encoding", b"Upgrade", b"Connection"]
)
_lengths = st.sampled_from([(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1"), (b"Content-Length", b"100")])
_headers = st.lists(
    st.one_of(
        st.tuples(st.just(b"Location"), _places),
        st.tuples(st.just(b"Link"), _links),
        st.tuples(_counts, _odd_bytes),
        st.tuples(st.just(b"Content-Encoding"), _encodings),
        st.tuples(_of_http, _odd_bytes),
        _lengths,
    ),
    max_size=3,
)
_statuses = st.sampled_from(
    [200, 200, 200, 201, 204, 301, 304, 400, 401, 403, 404, 405, 409, 418, 500, 502, 503, 101, 199, 299, 599, 999]
)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer on the wire: status line, headers, body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def as_bytes(self) -> bytes:
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers)
        return b"HTTP/1.1 %d So\r\n%sConnection: close\r\n\r\n%s" % (self.status, lines, self.body)


well_formed: Strategy = st.builds(Said, _statuses, _headers.map(tuple), answer_bodies)

no_http: Strategy = st.binary(max_size=30) | st.sampled_from(
    [
        *(b"", b"\r\n", b"HTTP/1.1", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n"),
        *(b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n{}"),
        *(b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        *(b"HTTP/1.1 -1 X\r\n\r\n",),
        *(b"HTTP/1.1 200 OK\r\nA\r\n\r\n", b"HTTP/1.1 200 OK\r\n: b\r\n\r\n"),
        *(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n",),
        *(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 20000 + b"\r\n\r\n{}", b"<html></html>"),
        *(b"\x15\x03\x01\x00\x02\x02", b"SSH-2.0-x\r\n"),
        *(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",),
        *(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",),
        *(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",),
        *(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",),
    ]
)


# --- requests that are forwarded -----------------------------------------------------------------------

Ask = Callable[[Bench], Awaitable[list[httpx.Response]]]


async def put_location(bench: Bench) -> list[httpx.Response]:
    content = {**owned_by(good("location"), CP1), "id": fresh_id()}
    return [await to_emsp(bench, "PUT", f"receiver/locations/DE/CP1/{content['id']}", content)]


async def patch_session(bench: Bench) -> list[httpx.Response]:
    fields = {
        "cdr_token": owned_by(good("session")["cdr_token"], RAW_EMSP),
        "kwh": 1,
        "last_updated": "2026-01-01T00:00:00Z",
    }
    return [await to_emsp(bench, "PATCH", f"receiver/sessions/DE/CP1/{fresh_id()}", fields)]


async def delete_tariff(bench: Bench) -> list[httpx.Response]:
    return [await to_emsp(bench, "DELETE", f"receiver/tariffs/DE/CP1/{fresh_id()}")]


async def post_cdr_and_read_it(bench: Bench) -> list[httpx.Response]:
    content = {**owned_by(good("cdr"), CP1), "id": fresh_id()}
    content["cdr_token"] = owned_by(content["cdr_token"], RAW_EMSP)
    posted = await to_emsp(bench, "POST", "receiver/cdrs", content)
    if not 1000 <= posted.json()["status_code"] < 2000:
        return [posted]
    return [posted, await to_emsp(bench, "GET", f"receiver/cdrs/DE/CP1/{content['id']}")]


async def authorize(bench: Bench) -> list[httpx.Response]:
    return [await to_emsp(bench, "POST", f"sender/tokens/{fresh_id()}/authorize?type=RFID", {"location_id": "L1"})]


async def list_and_follow(bench: Bench) -> list[httpx.Response]:
    first = await to_cpo(bench, "GET", "sender/locations?limit=2")
    if "link" not in first.headers:
        return [first]
    url = first.headers["link"].partition(">")[0].removeprefix("<")
    assert url.startswith(bench.world.url)
    return [first, await to_cpo(bench, "GET", url.removeprefix(f"{bench.world.url}/ocpi/2.2.1/"))]


async def read_connector(bench: Bench) -> list[httpx.Response]:
    return [await to_cpo(bench, "GET", "sender/locations/L1/E1/1")]


async def command(bench: Bench) -> list[httpx.Response]:
    content = {"session_id": "S1", "response_url": bench.p3.callback_url("commands", "mine")}
    return [await to_cpo(bench, "POST", "receiver/commands/STOP_SESSION", content)]


async def read_profile(bench: Bench) -> list[httpx.Response]:
    url = bench.p3.callback_url("chargingprofiles", "mine")
    return [await to_cpo(bench, "GET", f"receiver/chargingprofiles/S1?duration=1&response_url={url}")]


async def put_profile(bench: Bench) -> list[httpx.Response]:
    url = bench.p3.callback_url("chargingprofiles", "mine")
    content = {"charging_profile": {"charging_rate_unit": "W"}, "response_url": url}
    return [await to_cpo(bench, "PUT", "receiver/chargingprofiles/S1", content)]


async def prefer(bench: Bench) -> list[httpx.Response]:
    return [await to_cpo(bench, "PUT", "sender/sessions/S1/charging_preferences", {"profile_type": "FAST"})]


async def put_token(bench: Bench) -> list[httpx.Response]:
    content = {**owned_by(good("token"), MS1), "uid": fresh_id(), "type": "RFID"}
    return [await to_cpo(bench, "PUT", f"receiver/tokens/NL/MS1/{content['uid']}", content)]


async def to_emsp(bench: Bench, method: str, path: str, content: Any = None) -> httpx.Response:
    return await bench.send(bench.p1, method, path, sender=CP1, receiver=RAW_EMSP, content=content)


async def to_cpo(bench: Bench, method: str, path: str, content: Any = None) -> httpx.Response:
    return await bench.send(bench.p3, method, path, sender=MS1, receiver=RAW_CPO, content=content)


ASKS: list[Ask] = [
    *(put_location, patch_session, delete_tariff, post_cdr_and_read_it, authorize, list_and_follow),
    *(read_connector, command, read_profile, put_profile, prefer, put_token),
]
each_ask = pytest.mark.parametrize("ask", [pytest.param(ask, id=ask.__name__) for ask in ASKS])


# --- what has to hold ------------------------------------------------------------------------------------


@pytest.fixture
async def stage(shared: Bench, raw_platform: RawPlatform) -> AsyncIterator[tuple[Bench, RawPartner]]:
    """The bench and the server whose answers are written by the test; afterwards the hub still does all of its work."""
    yield shared, raw_platform.raw
    raw_platform.raw.say(WELL)
    await assert_works(shared)
    infos = (await shared.send(shared.p3, "GET", "sender/hubclientinfo")).json()["data"]
    assert "OFFLINE" not in {entry["status"] for entry in infos}


def assert_passed_on_or_said_so(answer: httpx.Response, body: bytes) -> None:
    """What came from the receiver goes on untouched if it has a code and a date, and with a date if it has none; for all else the hub
    speaks itself, in its own words.
    """
    raw = RawAnswer(
        answer.status_code, [(name.lower(), value) for name, value in answer.headers.items()], answer.content
    )
    assert answer.status_code in {200, 201, 404, 405}
    if answer.content == body or says_the_same(answer.content, body):
        assert isinstance(answer.json()["status_code"], int)
        return
    assert_answered_in_ocpi(raw, codes=OWN_CODES)


def says_the_same(told: bytes, body: bytes) -> bool:
    """Whether an answer was only written anew: with a date of the hub in the place of none or of nonsense, or with the one thing in a
    list taken out of it (decision 22). Code and data are those that came, to the digit.
    """
    if not (is_json(body) and is_within_bounds(body)) or not isinstance(came := exactly(body), dict):
        return False
    content = exactly(told)
    wanted = came.get("data")
    alike = [wanted] if not isinstance(wanted, list) or len(wanted) > 1 else [wanted, *(wanted or [None])]
    is_same = content["status_code"] == came.get("status_code") and content.get("data") in alike
    return is_same and bool(
        content.get("timestamp") == came.get("timestamp") or DATE_TIME.fullmatch(content["timestamp"])
    )


@pytest.mark.proves("R-13", "R-14", "R-18", "R-19", "T-11", "T-15", "T-16", "X-23", "X-26", "S-01", "S-05")
@each_ask
@given(said=well_formed)
@fuzz(14)
async def test_any_answer_of_a_receiver_becomes_one_of_ocpi(
    stage: tuple[Bench, RawPartner], ask: Ask, said: Said
) -> None:
    bench, raw = stage
    raw.say(said.as_bytes())
    for answer in await ask(bench):
        assert_passed_on_or_said_so(answer, said.body)


@pytest.mark.proves("R-18", "R-19", "T-11", "T-16", "X-23", "S-05")
@each_ask
@given(said=no_http)
@fuzz(10)
async def test_what_is_no_http_answer_becomes_4000(stage: tuple[Bench, RawPartner], ask: Ask, said: bytes) -> None:
    bench, raw = stage
    raw.say(said)
    for answer in await ask(bench):
        assert_envelope(answer.content, {*OWN_CODES, 2001})
        assert answer.status_code in {200, 201, 404}


@pytest.mark.proves("R-13", "R-14", "P-14", "P-15", "CD-04", "T-15", "X-21", "X-26", "S-05")
@each_ask
@given(headers=_headers, status=st.sampled_from([200, 201]))
@example(headers=[(b"Location", b"/cdrs/\xe9")], status=201)
@example(headers=[(b"Link", b'</\xe9>; rel="next"')], status=200)
@fuzz(14)
async def test_odd_headers_of_a_good_answer_do_no_harm(
    stage: tuple[Bench, RawPartner], ask: Ask, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    bench, raw = stage
    body = b'{"status_code":1000,"data":[],"timestamp":"2026-01-31T12:00:00Z"}'
    raw.say(Said(status, tuple(headers), body).as_bytes())
    for answer in await ask(bench):
        assert_passed_on_or_said_so(answer, body)


@pytest.mark.proves("T-17", "T-22")
@each_ask
@given(said=st.sampled_from([b"", b"HTTP/1.1 200", b"HTTP/1.1 500 X\r\n\r\n"]))
@fuzz(3)
async def test_nothing_is_sent_twice_because_of_a_bad_answer(
    stage: tuple[Bench, RawPartner], ask: Ask, said: bytes
) -> None:
    bench, raw = stage
    raw.say(said)
    await ask(bench)
    assert raw.request_ids
    assert len(set(raw.request_ids)) == len(raw.request_ids), "one message came twice"


ENVELOPES = st.builds(
    lambda code, data, message, style: json_text(
        {"data": data, "status_code": code, "status_message": message, "timestamp": "2026-01-31T12:00:00Z"}, style
    ),
    st.sampled_from([1000, 1901, 2000, 2001, 2003, 2901, 3001, 3999, 4001]).map(str).map(Num),
    wild_values.map(lambda data: {"list": data} if isinstance(data, list) else data),  # lists: see `says_the_same`
    st.text(max_size=5),
    styles,
)


@pytest.mark.proves("R-03", "R-13", "R-14", "CM-02", "CM-12", "TK-09", "Y-07", "Y-10")
@each_ask
@given(body=ENVELOPES, status=st.sampled_from([200, 201, 404, 405]))
@fuzz(10)
async def test_an_answer_of_ocpi_comes_back_byte_for_byte(
    stage: tuple[Bench, RawPartner], ask: Ask, body: bytes, status: int
) -> None:
    bench, raw = stage
    raw.say(Said(status, ((b"Content-Type", b"application/json"),), body).as_bytes())
    answer, *_ = await ask(bench)
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers["ocpi-from-country-code"] == "SE"


@pytest.mark.proves("CM-07", "CM-08", "X-23")
@pytest.mark.parametrize("timestamp", ["2026-01-31T12:00:00Z", "now", None])
@given(style=styles, is_listed=st.booleans())
@fuzz(5)
async def test_a_result_may_come_after_an_accepted_that_is_written_oddly(
    stage: tuple[Bench, RawPartner], timestamp: str | None, style: int, is_listed: bool
) -> None:
    bench, raw = stage
    accepted = {"result": "ACCEPTED", "timeout": Num("30")}
    content = {"status_code": Num("1000"), "data": [accepted] if is_listed else accepted}
    raw.say(Said(200, (), json_text(content | ({"timestamp": timestamp} if timestamp else {}), style)).as_bytes())
    (answer,) = await command(bench)
    told = answer.json()["data"]
    assert (told[0] if isinstance(told, list) else told)["result"] == "ACCEPTED"
    callback = json.loads(next(body for body in raw.bodies if b"response_url" in body))["response_url"]
    bench.forget_what_was_seen()
    headers = {"Authorization": authorization(token_of(bench.world.platforms["RAW"])), **routing_headers(RAW_CPO, MS1)}
    result = await bench.http.post(callback, headers=headers, json={"result": "ACCEPTED"})
    assert result.json()["status_code"] == 1000, result.text
    await bench.p3.wait_until_seen(lambda seen: seen.path.endswith("/commands/mine"))


# --- calls that nobody waits for ---------------------------------------------------------------------------

any_answer = well_formed.map(Said.as_bytes) | no_http
_NUL_MESSAGE = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status_code":2001,"status_message":"a\\u0000b"}'


async def accepted_cdr(bench: Bench) -> bytes:
    """A CDR for the raw party that the hub has accepted."""
    content = {**owned_by(good("cdr"), CP1), "id": fresh_id()}
    content["cdr_token"] = owned_by(content["cdr_token"], RAW_EMSP)
    text = json_text(json.loads(json.dumps(content)))
    answer = await bench.send(bench.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=text)
    assert answer.status_code == 201, answer.text
    return text


@pytest.mark.proves("B-10", "CD-02", "X-45")
@given(said=any_answer)
@example(said=_NUL_MESSAGE)
@fuzz(15)
async def test_a_cdr_that_is_answered_oddly_holds_up_no_other_cdr(stage: tuple[Bench, RawPartner], said: bytes) -> None:
    bench, raw = stage
    raw.say(said)
    first = await accepted_cdr(bench)
    await raw.until_asked(first)
    second = await accepted_cdr(bench)
    await raw.until_asked(second)


@pytest.mark.proves("B-10", "B-14")
@given(said=any_answer)
@fuzz(12)
async def test_a_broadcast_that_is_answered_oddly_holds_up_no_other(
    stage: tuple[Bench, RawPartner], said: bytes
) -> None:
    bench, raw = stage
    raw.say(said)
    for _ in range(2):
        content = {**owned_by(good("location"), CP1), "id": fresh_id()}
        text = json.dumps(content).encode()
        path = f"receiver/locations/DE/CP1/{content['id']}"
        answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content=text)
        assert answer.status_code == 201
        await raw.until_asked(text)


# --- answers during a registration ---------------------------------------------------------------------------

WELL_CODES = frozenset({1000, 2001, 3001, 3002, 3003})


@st.composite
def discoveries(draw: st.DrawFn, port: int) -> dict[str, bytes]:
    """What a platform says of its versions and of their details: nearly right in one of the two."""
    base = f"http://127.0.0.1:{port}"
    endpoints = [
        {"identifier": module_id, "role": interface, "url": f"{base}/{module_id}"}
        for module_id in ("credentials", "locations")
        for interface in Interface
    ]
    said = {
        "versions": enveloped([{"version": VERSION, "url": f"{base}/details"}]),
        "details": enveloped({"version": VERSION, "endpoints": endpoints}),
    }
    wrong = draw(st.sampled_from(sorted(said)))
    body = draw(mutated(said[wrong]) | answer_bodies)
    texts = {name: json_text(content) for name, content in said.items()} | {wrong: body}
    status = draw(st.sampled_from([200, 200, 200, 201, 301, 401, 404, 500]))
    answers = {name: Said(status if name == wrong else 200, (), text).as_bytes() for name, text in texts.items()}
    return answers | draw(st.just({}) | no_http.map(lambda odd: {wrong: odd}))


def enveloped(data: Any) -> Object:
    return {"status_code": Num(1000), "data": data, "timestamp": "2026-01-31T12:00:00Z"}


@pytest.mark.proves("C-08", "C-10", "V-05", "V-07", "T-11", "S-01", "S-05")
@given(data=st.data())
@fuzz(20)
async def test_whatever_a_platform_says_of_itself_its_registration_is_answered_in_ocpi(
    stage: tuple[Bench, RawPartner], data: st.DataObject
) -> None:
    bench, raw = stage
    raw.say(b"", **data.draw(discoveries(raw.port)))
    party = role("EMSP", "AT/NEW")
    token = await bench.world.invite([party])
    content = {"token": "B", "url": f"http://127.0.0.1:{raw.port}/versions", "roles": [party]}
    url = f"{bench.world.url}/ocpi/2.2.1/credentials"
    answer = await bench.http.post(url, headers={"Authorization": authorization(token)}, json=content)
    assert_envelope(answer.content, WELL_CODES)
    assert answer.status_code == 200
    if answer.json()["status_code"] == 1000:
        headers = {"Authorization": authorization(answer.json()["data"]["token"])}
        assert (await bench.http.delete(url, headers=headers)).json()["status_code"] == 1000
