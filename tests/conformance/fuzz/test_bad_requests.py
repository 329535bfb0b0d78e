"""Whatever is sent to any route in any method: the envelope, both message ids, a code of OCPI, never a fault of the hub; and it goes on."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.demo.party import DemoPlatform, role
from ocpi_modules.catalog import MODULES
from ocpi_modules.headers import authorization
from ocpi_modules.module import Interface, Operation
from ocpi_modules.parties import Party
from ocpi_modules.types import OcpiObject
from tests.conformance.fuzz.conftest import fresh_id, owned_by
from tests.conformance.fuzz.profiles import fuzz
from tests.conformance.fuzz.strategies import (
    BROKEN_TEXTS,
    NOWHERE,
    Object,
    characters,
    json_text,
    mutated,
    objects,
    odd_bodies,
)
from tests.conformance.fuzz.wire import (
    Headers,
    RawAnswer,
    RawRequest,
    assert_answered_in_ocpi,
    assert_envelope,
    exchange,
)
from tests.conftest import HUB, OBJECTS
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Strategy = st.SearchStrategy[Any]

KNOWN_METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE"]
OTHER_METHODS = ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "LINK", "MKCOL", "M-SEARCH", "PURGE"]
PARTY_OF = {"p1": CP1, "p2": CP2, "p3": MS1, "p4": NS1, "p5": OT1}
"""Who calls: the platform, and a party of it."""

INVITED = role("EMSP", "AT/INV")


# --- the routes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """An address below `/ocpi`: its fixed segments, the names of the others, and what is offered there."""

    fixed: tuple[str, ...]
    path: tuple[str, ...]
    operations: tuple[Operation, ...]

    @property
    def name(self) -> str:
        return "/".join((*self.fixed, *self.path))


def routes() -> list[Route]:
    """Every route of the module table, once: its interfaces, paths and depths."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Operation]] = {}
    for module in MODULES.values():
        for interface in Interface:
            for operation in module.operations(interface):
                fixed = ("2.2.1", *(() if module.id == "credentials" else (interface.lower(),)), module.id)
                for left_out in range(operation.optional + 1):
                    path = operation.path[: len(operation.path) - left_out]
                    found.setdefault((fixed, path), []).append(operation)
    return [Route(*key, tuple(operations)) for key, operations in found.items()]


ROUTES = routes()
REGISTRATION = [route for route in ROUTES if route.fixed[-1] == "credentials"]
OTHERS = [route for route in ROUTES if route not in REGISTRATION]
FIXED = [
    Route(("versions",), (), ()),
    Route(("2.2.1",), (), ()),
    Route(("2.2.1", "pages", "locations"), ("sealed",), ()),
]


def test_every_operation_of_the_table_is_among_the_routes() -> None:
    reached = {id(operation) for route in ROUTES for operation in route.operations}
    offered = [operation for module in MODULES.values() for operation in (*module.sender, *module.receiver)]
    assert reached == {id(operation) for operation in offered}
    assert len(ROUTES) > 25


# --- paths, queries, headers -----------------------------------------------------------------------

_GOOD = {
    "country_code": ["DE", "NL", "de"],
    "party_id": ["CP1", "MS1", "cp1"],
    "location_id": ["L1"],
    "evse_uid": ["E1"],
    "connector_id": ["1"],
    "tariff_id": ["T1"],
    "token_uid": ["U1"],
    "session_id": ["S1"],
    "cdr_id": ["CDR1"],
    "command": ["START_SESSION", "CANCEL_RESERVATION", "RESERVE_NOW", "STOP_SESSION", "UNLOCK_CONNECTOR", "DANCE"],
}

_no_line_feeds = characters("\n")  # these have a test of their own
odd_segments: Strategy = st.sampled_from(
    [
        *("", ".", "..", "%2e%2E", "a%2Fb", "%2F", "..%2F..", "%5C..", "%00", "%C3%A9", "%ff", "%"),
        *("%zz", "%u0041"),
        *("a;b=c", "a:b", "@", "*", "+", "~", "'", '"', "<x>", "{}", "|", "\\", "^", "`", "a,b"),
        *("%F0%9F%9A%97", "#NA"),
        *("a" * 255, "a" * 256, "a" * 5000, "%41" * 300, "DE", "locations", "=authorize", "authorize"),
        *("1" * 40, "L1%20"),
    ]
) | st.text(_no_line_feeds, max_size=40).map(lambda text: quote(text, safe=""))


@st.composite
def paths(draw: st.DrawFn, route: Route) -> str:
    """The path of a route: mostly with ids that are known here, sometimes with odd ones, too many or too few segments."""
    segments = [draw(segments_named(name)) for name in route.path]
    odd = draw(st.sampled_from(["", "", "", "", "", "more", "slash", "less"]))
    if odd == "more":
        segments.append(draw(odd_segments))
    if odd == "less" and segments:
        segments.pop()
    return "/".join(["/ocpi", *route.fixed, *segments]) + ("/" if odd == "slash" else "")


def segments_named(name: str) -> Strategy:
    """What stands in the place of a name in a path."""
    if name.startswith("="):
        return st.just(name[1:])
    good = st.sampled_from(_GOOD.get(name, ["1"]))
    return st.one_of(good, good, good, odd_segments)


_query_names = st.sampled_from(
    ["date_from", "date_to", "offset", "limit", "type", "response_url", "duration", "x", "%00", ""]
)
_query_values = st.sampled_from(
    [
        *("2026-01-01T00:00:00Z", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999Z"),
        *("2026-01-01T00:00:00+00:00", "0000-01-01T00:00:00Z"),
        *("0", "1", "-1", "1e3", "100", "9007199254740992", "9007199254740993", "9" * 15, "9" * 40),
        *("%D9%A1", "%B2", "", "abc", "%00"),
        *("RFID", "app_user", "%C3%A9", "x" * 300, "..", quote(f"{NOWHERE}/cb?x=1", safe="")),
        *("http://", "javascript:1", "%ff", "a=b=c"),
        quote(f"{NOWHERE}/é ?", safe=""),
    ]
) | st.text(max_size=10).map(lambda text: quote(text.encode("utf-8", "replace"), safe=""))

queries: Strategy = st.one_of(
    st.just(""),
    st.lists(st.builds("{}={}".format, _query_names, _query_values), max_size=4).map(
        lambda pairs: "?" + "&".join(pairs)
    ),
    st.sampled_from(
        ["?", "?&&&", "?=", "?a", "?" + "&".join("x=1" for _ in range(150)), "?limit=1&limit=x", "?;", "??a=b", "?#"]
    ),
)

_odd_header_values = st.sampled_from(
    ["", " ", "x", "N", "NL", "NLX", "MS1", "é", "a" * 300, "\t", "N/", "%4E", "nl", "ms1"]
)
_names = [f"OCPI-{side}-{half}" for side in ("from", "to") for half in ("country-code", "party-id")]


@st.composite
def routing(draw: st.DrawFn, speaker: Party) -> Headers:
    """Routing headers: mostly of somebody there, sometimes half of them, odd ones or the same one twice."""
    receiver = draw(st.sampled_from([HUB, HUB, MS1, CP1, MS2, CP2, NS1, Party("ZZ", "ZZZ"), None, None]))
    sender = draw(st.sampled_from([speaker, speaker, speaker, speaker, None, Party("FR", "XXX")]))
    pairs = [(side, party) for side, party in (("from", sender), ("to", receiver)) if party is not None]
    headers = [
        (f"OCPI-{side}-{half}", value)
        for side, party in pairs
        for half, value in (("country-code", party.country_code), ("party-id", party.party_id))
    ]
    odd = draw(st.sampled_from(["", "", "", "", "half", "twice", "odd"]))
    if odd == "half" and headers:
        headers.pop(draw(st.integers(0, len(headers) - 1)))
    if odd in {"twice", "odd"}:
        headers.append((draw(st.sampled_from(_names)), draw(_odd_header_values)))
    return headers


more_headers: Strategy = st.lists(
    st.tuples(
        st.sampled_from(
            ["X-Request-ID", "X-Correlation-ID", "Accept", "Cookie", "Expect", "Upgrade", "Accept-Encoding", "x-Odd!"]
        ),
        _odd_header_values | st.sampled_from(["r1", "c1", "100-continue", "websocket", "*/*", "gzip;q=0"]),
    ),
    max_size=3,
)
content_types: Strategy = st.sampled_from(
    ["application/json", "application/json; charset=utf-8", "text/xml", "é/é", ""]
)

_b64 = base64.b64encode(b"nobody").decode()
odd_authorizations: Strategy = st.sampled_from(
    [
        None,
        "",
        "Token",
        "Token ",
        f"Token {_b64}",
        f"Bearer {_b64}",
        "Token é",
        "Token ====",
        "Token /w==",
        "Token AAAA",
        "Basic Og==",
    ]
)


# --- bodies ------------------------------------------------------------------------------------------


@st.composite
def bodies(draw: st.DrawFn, route: Route, speaker: Party) -> bytes:
    """What comes with a request: an object of the route that is valid, mutated, or no object at all."""
    kind = draw(st.sampled_from(["valid", "mutated", "mutated", "mutated", "odd", "none"]))
    models = [model for operation in route.operations for model in (*operation.bodies, *operation.choices.values())]
    if kind == "none":
        return b""
    if kind == "odd" or not models:
        nonsense: bytes = draw(odd_bodies)
        return nonsense
    model = draw(st.sampled_from(models))
    content = aligned(draw(objects(model)), model, speaker)
    return json_text(content) if kind == "valid" else draw(mutated(content))


_IDS: Object = {
    "Location": {"id": "L1"},
    "EVSE": {"uid": "E1"},
    "Connector": {"id": "1"},
    "Tariff": {"id": "T1"},
    "Token": {"uid": "U1"},
    "Session": {"id": "S1"},
    "Credentials": {"url": NOWHERE},
}


def aligned(content: Object, model: type[OcpiObject], speaker: Party) -> Object:
    """An object with the ids that are known here, so that it gets past the first questions."""
    changed: Object = {**_IDS.get(model.__name__, {})}
    if "response_url" in content:
        changed["response_url"] = f"{NOWHERE}/cb"
    if "country_code" in content:
        changed |= {"country_code": speaker.country_code, "party_id": speaker.party_id}
    if isinstance(content.get("cdr_token"), dict):
        changed["cdr_token"] = owned_by(content["cdr_token"], MS1)
    if isinstance(content.get("token"), dict):
        changed["token"] = owned_by(content["token"], speaker)
    return {**content, **changed}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without its token: that is not known before the hub runs."""

    speaker: str
    request: RawRequest
    authorization: str | None
    has_token: bool

    def with_token(self, token: str) -> RawRequest:
        """The request as it goes out."""
        shown = authorization(token) if self.has_token else self.authorization
        headers = self.request.headers + ([] if shown is None else [("Authorization", shown)])
        return RawRequest(self.request.method, self.request.target, headers, self.request.body)


@st.composite
def requests(draw: st.DrawFn, route: Route) -> Asked:
    """A request to a route by somebody: anything from nearly right to nonsense."""
    offered = sorted({operation.method for operation in route.operations}) or ["GET"]
    method = draw(st.sampled_from(offered) | st.sampled_from(offered) | st.sampled_from(KNOWN_METHODS + OTHER_METHODS))
    speaker = draw(st.sampled_from(["p1", "p1", "p3", "p3", "p2", "p4", "p5"]))
    headers = [*draw(routing(PARTY_OF[speaker])), ("Content-Type", draw(content_types)), *draw(more_headers)]
    body = draw(bodies(route, PARTY_OF[speaker])) if method != "GET" or draw(st.booleans()) else b""
    request = RawRequest(method, draw(paths(route)) + draw(queries), headers, body)
    has_token = draw(st.sampled_from([True] * 9 + [False]))
    return Asked(speaker, request, None if has_token else draw(odd_authorizations), has_token)


# --- what has to hold ----------------------------------------------------------------------------------


@pytest.fixture
async def stocked(shared: Bench) -> AsyncIterator[Bench]:
    """The hub knows an object of each kind, under the ids of `_GOOD`; and after the test it still does all of its work."""
    for module_id, speaker, owner, changes in (
        ("locations", shared.p1, CP1, {"id": "L1"}),
        ("tariffs", shared.p1, CP1, {"id": "T1"}),
        ("tokens", shared.p3, MS1, {"uid": "U1", "type": "RFID"}),
        ("sessions", shared.p1, CP1, {"id": "S1", "cdr_token": token_of_ms1()}),
    ):
        content = owned_by({**good(module_id.removesuffix("s")), **changes}, owner)
        if module_id == "locations":
            content["evses"][0]["uid"] = "E1"
        path = f"receiver/{module_id}/{owner}/{next(iter(changes.values()))}"
        answer = await shared.send(speaker, "PUT", path, sender=owner, receiver=HUB, content=content)
        assert answer.json()["status_code"] == 1000, answer.text
    yield shared
    await assert_works(shared)


def good(name: str) -> Object:
    """A good example of an object."""
    content: Object = json.loads((OBJECTS / f"{name}.json").read_text())
    return content


def token_of_ms1() -> Object:
    return owned_by(good("session")["cdr_token"], MS1)


async def assert_works(bench: Bench) -> None:
    """A push is kept, told to the others and read again; a party asks another and hears its answer."""
    id_ = fresh_id()
    path = f"receiver/locations/DE/CP1/{id_}"
    text = json_text({**good("location"), "country_code": "DE", "party_id": "CP1", "id": id_}).replace(b" ", b"")
    answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content=text)
    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
    for platform in (bench.p2, bench.p3, bench.p4, bench.p5):
        await platform.wait_until_seen(lambda seen: seen.body == text)
    read = await bench.send(bench.p1, "GET", path, sender=CP1, receiver=HUB)
    assert b'"data":' + text in read.content
    asked = await bench.send(bench.p3, "GET", "sender/locations?limit=1", sender=MS1, receiver=CP1)
    assert asked.json()["status_code"] == 1000


async def ask(bench: Bench, request: RawRequest) -> RawAnswer:
    """Send it to the hub."""
    host = bench.world.url.removeprefix("http://")
    return await exchange(int(host.rpartition(":")[2]), request.as_bytes(host))


async def assert_survived(bench: Bench, request: RawRequest) -> RawAnswer:
    """The answer is one of OCPI, repeats the ids that were usable, and the next request is answered well."""
    answer = await ask(bench, request)
    assert_answered_in_ocpi(answer, method=request.method)
    for name in ("X-Request-ID", "X-Correlation-ID"):
        sent = [value for key, value in request.headers if key == name]
        if sent in (["r1"], ["c1"]):
            assert answer.values(name.lower()) == sent
    if answer.status == 405:
        assert answer.values("allow")
    listed = await bench.send(bench.p3, "GET", "sender/hubclientinfo?limit=1")
    assert listed.json()["status_code"] == 1000
    return answer


def token_of(platform: DemoPlatform) -> str:
    assert platform.connection is not None
    return platform.connection.token


@pytest.mark.proves("T-11", "T-12", "T-16", "S-01", "S-05", "Y-03")
@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in OTHERS + FIXED])
@given(data=st.data())
@fuzz(10)
async def test_any_request_to_any_route_is_answered_in_ocpi(stocked: Bench, route: Route, data: st.DataObject) -> None:
    asked = data.draw(requests(route))
    await assert_survived(stocked, asked.with_token(token_of(getattr(stocked, asked.speaker))))


# --- registration: with a platform of its own, which may be thrown out ---------------------------------


@pytest.fixture
async def temporary(shared: Bench) -> DemoPlatform:
    """A platform that nobody misses when its registration is gone."""
    known = shared.world.platforms.get("TMP")
    return known or await shared.world.platform("TMP", ("EMSP", "AT/TMP"))


async def rejoined(bench: Bench, platform: DemoPlatform) -> str:
    """The token of the platform; it joins (again) when the hub does not know it any more."""
    if platform.connection is not None:
        known = await bench.send(platform, "GET", "credentials")
        if known.status_code == 200:
            return token_of(platform)
    return (await platform.join(await bench.world.invite(platform.roles), bench.world.versions_url)).token


@pytest.mark.proves("T-11", "T-12", "T-16", "M-02", "C-22", "S-01", "S-05")
@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in REGISTRATION])
@pytest.mark.parametrize("is_joined", [pytest.param(True, id="joined"), pytest.param(False, id="invited")])
@given(data=st.data())
@fuzz(14)
async def test_any_request_about_credentials_is_answered_in_ocpi(
    stocked: Bench, temporary: DemoPlatform, route: Route, is_joined: bool, data: st.DataObject
) -> None:
    asked = data.draw(requests(route))
    token = await rejoined(stocked, temporary) if is_joined else await stocked.world.invite([INVITED])
    await assert_survived(stocked, asked.with_token(token))


# --- bodies: JSON or not -------------------------------------------------------------------------------


def is_json(text: bytes) -> bool:
    """Whether a text is JSON, as Python's own reader sees it."""
    try:
        value = json.loads(text.decode(), parse_constant=refused)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return False
    return True


def refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def is_within_bounds(text: bytes) -> bool:
    """Whether a text is free of what the hub does not read although it is JSON: a hundred levels, numbers without end."""
    return text.count(b"{") + text.count(b"[") < 60 and not re.search(rb"[0-9]{4300}|[eE][+-]?[0-9]{9}", text)


WITH_BODIES = [
    route
    for route in OTHERS
    if any(operation.has_body for operation in route.operations) and route.fixed[1:] != ("receiver", "hubclientinfo")
]

ASKED_BY_MS1 = {
    ("receiver", "tokens"),
    ("receiver", "commands"),
    ("receiver", "chargingprofiles"),
    ("sender", "sessions"),
}


@pytest.mark.proves("T-13", "T-14", "R-19", "X-01", "S-03")
@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in WITH_BODIES])
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="to the hub"), pytest.param(None, id="to a party")])
@given(data=st.data())
@fuzz(8)
async def test_only_a_body_that_is_no_json_is_an_http_error(
    stocked: Bench, route: Route, receiver: Party | None, data: st.DataObject
) -> None:
    operation = data.draw(st.sampled_from([operation for operation in route.operations if operation.has_body]))
    speaker, other = (MS1, CP1) if route.fixed[1:] in ASKED_BY_MS1 else (CP1, MS1)
    body = data.draw(bodies(route, speaker))
    answer = await stocked.send(
        stocked.p1 if speaker == CP1 else stocked.p3,
        operation.method,
        "/".join([*route.fixed[1:], *(good_segment(name, speaker) for name in route.path)]),
        sender=speaker,
        receiver=receiver or other,
        content=body,
    )
    assert_envelope(answer.content)
    if (is_json(body) and is_within_bounds(body)) or (operation.body_optional and not body.strip()):
        assert answer.status_code in {200, 201, 404}, answer.text
    elif not is_json(body):
        assert (answer.status_code, answer.json()["status_code"]) == (400, 2000), answer.text


@pytest.mark.proves("T-13", "X-01")
@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in WITH_BODIES])
async def test_no_route_takes_a_text_that_is_no_json(stocked: Bench, route: Route) -> None:
    speaker, other = (MS1, CP1) if route.fixed[1:] in ASKED_BY_MS1 else (CP1, MS1)
    platform = stocked.p1 if speaker == CP1 else stocked.p3
    path = "/".join([*route.fixed[1:], *(good_segment(name, speaker) for name in route.path)])
    operation = next(operation for operation in route.operations if operation.has_body)
    for text in BROKEN_TEXTS:
        answer = await stocked.send(platform, operation.method, path, sender=speaker, receiver=other, content=text)
        assert_envelope(answer.content)
        if not (is_json(text) or (operation.body_optional and not text.strip())):
            assert (answer.status_code, answer.json()["status_code"]) == (400, 2000), text[:20]


LISTS = [route for route in OTHERS if "sender" in route.fixed and not route.path]
_window_names = st.sampled_from(["date_from", "date_to", "offset", "limit"])


@pytest.mark.proves("P-01", "P-10", "P-13", "Y-02")
@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in LISTS])
@given(pairs=st.lists(st.tuples(_window_names, _query_values), min_size=1, max_size=3))
@fuzz(12)
async def test_any_window_of_a_list_is_a_page_or_2001(
    stocked: Bench, route: Route, pairs: list[tuple[str, str]]
) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    answer = await stocked.send(stocked.p3, "GET", "/".join(route.fixed[1:]) + "?" + query, sender=MS1, receiver=HUB)
    assert_envelope(answer.content, {1000, 2001})
    assert answer.status_code == 200
    if answer.json()["status_code"] == 1000:
        assert isinstance(answer.json()["data"], list)
        assert answer.headers["x-total-count"].isdigit()
        assert answer.headers["x-limit"].isdigit()


def good_segment(name: str, owner: Party) -> str:
    if name in {"country_code", "party_id"}:
        return owner.country_code if name == "country_code" else owner.party_id
    return name[1:] if name.startswith("=") else _GOOD.get(name, ["1"])[0]


@pytest.mark.proves("T-11", "T-12", "T-16")
@pytest.mark.parametrize("segment", ["%0a", "a%0Ab", "%0d%0a", "%E2%80%A8", "%85", "%0b"])
@pytest.mark.parametrize("place", ["receiver/locations/DE/CP1/{}", "sender/tokens/{}/authorize", "{}", "sender/{}"])
async def test_a_line_break_in_a_path_is_no_way_around_the_hub(stocked: Bench, segment: str, place: str) -> None:
    """A framework whose patterns end at a line break would answer instead, and would ask for no token."""
    request = RawRequest("GET", f"/ocpi/2.2.1/{place.format(segment)}")
    assert (await assert_survived(stocked, request)).status == 401


_url_tails = st.text(characters(), max_size=20) | st.sampled_from(["[", "//[", "\r\nX: y", "x" * 250, "%zz"])


@pytest.mark.proves("CM-03", "CP-02", "T-14", "S-05")
@pytest.mark.parametrize("is_in_query", [pytest.param(False, id="in the body"), pytest.param(True, id="in the query")])
@given(start=st.sampled_from([NOWHERE + "/", "http://", "HTTP:", ""]), tail=_url_tails)
@example(start=NOWHERE + "/", tail="\0")
@example(start=NOWHERE + "/", tail=" HTTP/1.1\r\nX: y")
@fuzz(14)
async def test_any_response_url_is_taken_or_refused_in_ocpi(
    stocked: Bench, is_in_query: bool, start: str, tail: str
) -> None:
    url = start + tail
    path = f"receiver/chargingprofiles/S1?duration=1&response_url={quote(url, safe='')}"
    content = {"session_id": "S1", "response_url": url}
    answer = await (
        stocked.send(stocked.p3, "GET", path, sender=MS1, receiver=CP1)
        if is_in_query
        else stocked.send(
            stocked.p3, "POST", "receiver/commands/STOP_SESSION", sender=MS1, receiver=CP1, content=content
        )
    )
    assert_envelope(answer.content, {1000, 2001})
    assert answer.status_code == 200


# --- what is hardly HTTP -------------------------------------------------------------------------------

_tokens = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-!#$%&'*+.^_`|~", min_size=1, max_size=12)


@pytest.mark.proves("T-12", "T-16")
@given(
    line=st.one_of(
        _tokens.filter(lambda method: method not in {*KNOWN_METHODS, *OTHER_METHODS}).map(
            "{} /ocpi/versions HTTP/1.1".format
        ),
        st.sampled_from(
            [
                *(
                    "GET /ocpi/é HTTP/1.1",
                    "GET ocpi/versions HTTP/1.1",
                    "GET /ocpi/ver sions HTTP/1.1",
                    "GET  HTTP/1.1",
                ),
                *(
                    "GET /ocpi/versions HTTP/9.9",
                    "GET /ocpi/versions",
                    "CONNECT /ocpi/versions HTTP/1.1",
                    "GET http:// HTTP/1.1",
                ),
                *(
                    "GET /ocpi/versions HTTP/1.1\r\nContent-Length: -1",
                    "GET /ocpi/versions HTTP/1.1\r\nContent-Length: 1x",
                ),
                *(
                    "GET /ocpi/versions HTTP/1.1\r\nNo colon",
                    "GET /ocpi/versions HTTP/1.1\r\nX: \x7f",
                    "GET /ocpi/versions HTTP/1.1\r\nX: \x00",
                    "\x16\x03\x01",
                ),
            ]
        ),
    )
)
@fuzz(20)
async def test_what_is_no_request_is_answered_in_the_envelope_with_ids(stocked: Bench, line: str) -> None:
    answer = await exchange(
        int(stocked.world.url.rpartition(":")[2]), f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert_answered_in_ocpi(answer)
