"""Section 6 of the checklist: a request of one party to another, there and back again."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform, role
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conformance.answers import from_to, result_of, ways
from tests.conftest import HASTY_SECONDS, HUB, World
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

SENDER, RECEIVER = Interface.SENDER, Interface.RECEIVER
MARGIN_SECONDS, EARLY_SECONDS = 8.0, 0.1
SETTLE_SECONDS = 0.15
RETURN_TRIES_MAX, RETURN_PAUSE_SECONDS = 400, 0.05
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


def at(platform: DemoPlatform, object_id: str) -> list[Seen]:
    """What a platform saw of one object."""
    return [seen for seen in platform.seen if object_id in seen.path + seen.query or object_id.encode() in seen.body]


def nobody_saw(bench: Bench, object_id: str) -> bool:
    return not any(at(platform, object_id) for platform in bench.everybody)


def exact(body: bytes) -> Any:
    """JSON with every digit of its numbers: 1.10 is not 1.1, but 1e3 may be written as 1E+3."""
    return json.loads(body, parse_float=lambda text: Decimal(text).as_tuple())


def has_routing_headers(headers: Mapping[str, str]) -> bool:
    return any(name.lower().startswith("ocpi-") for name in headers)


def envelope(status_code: int, **fields: Any) -> bytes:
    return json.dumps({"status_code": status_code, "timestamp": "2026-01-15T07:00:00Z", **fields}).encode()


def thing(example: Example, name: str, object_id: str) -> Object:
    """An object of DE/CP1 that concerns NL/MS1, or a token of NL/MS1."""
    if name == "token":
        return example("token", country_code="NL", party_id="MS1", uid=object_id, type="RFID")
    content = example(name, country_code="DE", party_id="CP1", id=object_id)
    if "cdr_token" in content:
        content["cdr_token"] = {**content["cdr_token"], "country_code": "NL", "party_id": "MS1"}
    return content


def command(example: Example, bench: Bench, location_id: str) -> Object:
    """A START_SESSION of NL/MS1."""
    url = bench.p3.callback_url("commands", location_id)
    content = example("start_session", response_url=url, location_id=location_id)
    content["token"] = {**content["token"], "country_code": "NL", "party_id": "MS1"}
    return content


async def put_location(
    bench: Bench, location: Object, receiver: Party | None, *, headers: dict[str, str] | None = None
) -> httpx.Response:
    """PUT a Location of DE/CP1 as DE/CP1."""
    path = f"receiver/locations/DE/CP1/{location['id']}"
    return await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=receiver, content=location, headers=headers)


async def put_token(bench: Bench, token: Object, receiver: Party) -> httpx.Response:
    """PUT a Token of NL/MS1 as NL/MS1."""
    path = f"receiver/tokens/NL/MS1/{token['uid']}"
    return await bench.send(bench.p3, "PUT", path, sender=MS1, receiver=receiver, content=token)


async def held(bench: Bench, location_id: str) -> httpx.Response:
    """The hub's own copy, as the owner reads it."""
    return await bench.send(bench.p1, "GET", f"receiver/locations/DE/CP1/{location_id}", sender=CP1, receiver=HUB)


async def listed(bench: Bench, platform: DemoPlatform, reader: Party, location_id: str) -> list[Object]:
    """What GET All shows a party of one Location id."""
    answer = await bench.send(platform, "GET", "sender/locations?limit=100", sender=reader, receiver=HUB)
    return [entry for entry in answer.json()["data"] if entry["id"] == location_id]


# --- partners with trouble of their own -----------------------------------------------------------


class Elsewhere(DemoPlatform):
    """A CPO that takes tokens at another address than all the rest."""

    def __init__(self, name: str, party: str, base: str) -> None:
        self._elsewhere = base
        super().__init__(name, [role("CPO", party)])

    def url_of(self, module_id: str, interface: Interface) -> str:
        return f"{self._elsewhere}/tokens" if module_id == "tokens" else super().url_of(module_id, interface)


@asynccontextmanager
async def raw_server(wire: Wire) -> AsyncIterator[int]:
    """A port where every request is answered with the bytes of a wire; then the connection ends, or hangs."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if wire.base.startswith("http:"):  # what speaks TLS sends no line that could be waited for
                length = LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(int(length[1]) if length else 0)
            writer.write(wire.answer)
            await writer.drain()
            if wire.hangs:
                await over.wait()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever called has given up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An answer on the wire: no header but those named."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(frozen=True)
class Wire:
    """A party whose endpoints lead to a raw server (or to no server at all)."""

    party: Party
    answer: bytes = b""
    hangs: bool = False
    base: str = "http://127.0.0.1:{port}"


BARE, TLS, DNS, CUT, SILENT, STALLED, GARBAGE = (
    Wire(Party("AT", "BAR"), http(envelope(1000), "Connection: close")),
    Wire(Party("AT", "TLS"), http(envelope(1000)), base="https://127.0.0.1:{port}"),
    Wire(Party("AT", "DNS"), base="http://nowhere.invalid"),
    Wire(Party("AT", "CUT"), http(b'{"status', length=500)),
    Wire(Party("AT", "SIL"), hangs=True),
    Wire(Party("AT", "STA"), http(b'{"status', length=500), hangs=True),
    Wire(Party("AT", "GAR"), b"220 mail.example ESMTP\r\n"),
)


@pytest.fixture(scope="module")
async def outskirts(_module_bench: Bench) -> AsyncIterator[None]:
    """More parties at the shared hub, each with a trouble that lies below OCPI."""
    async with settled(_module_bench.world, BARE, TLS, DNS, CUT, GARBAGE):
        yield


@pytest.fixture(scope="module")
async def silent_outskirts(_hasty_bench: Bench) -> AsyncIterator[None]:
    """More parties at the hub that soon gives up, none of which says all that it has to."""
    async with settled(_hasty_bench.world, SILENT, STALLED):
        yield


@asynccontextmanager
async def settled(world: World, *wires: Wire) -> AsyncIterator[None]:
    """Parties whose endpoints lead to these servers have joined."""
    async with AsyncExitStack() as stack:
        for wire in wires:
            port = await stack.enter_async_context(raw_server(wire))
            made = Elsewhere(wire.party.party_id, str(wire.party), wire.base.format(port=port))
            platform = await world.stack.enter_async_context(made.running())
            await platform.join(await world.invite(platform.roles), world.versions_url)
        yield


# --- there and back -------------------------------------------------------------------------------

DIRECT = [
    pytest.param("p1", "PUT", "receiver/locations/DE/CP1/{id}", "location", "p3", id="a Location to an eMSP"),
    pytest.param("p1", "PATCH", "receiver/locations/DE/CP1/{id}", "fields", "p3", id="a PATCH"),
    pytest.param("p1", "GET", "receiver/locations/DE/CP1/{id}", None, "p3", id="a look at what the eMSP holds"),
    pytest.param("p1", "PUT", "receiver/tariffs/DE/CP1/{id}", "tariff", "p3", id="a Tariff"),
    pytest.param("p1", "DELETE", "receiver/tariffs/DE/CP1/{id}", None, "p3", id="a DELETE"),
    pytest.param("p1", "PUT", "receiver/sessions/DE/CP1/{id}", "session", "p3", id="a Session"),
    pytest.param("p1", "POST", "receiver/cdrs", "cdr", "p3", id="a CDR"),
    pytest.param("p1", "GET", "sender/tokens?offset=0&mark={id}", None, "p3", id="a list of tokens"),
    pytest.param("p1", "POST", "sender/tokens/{id}/authorize", None, "p3", id="an authorisation"),
    pytest.param("p3", "PUT", "receiver/tokens/NL/MS1/{id}", "token", "p1", id="a Token to a CPO"),
    pytest.param("p3", "GET", "sender/locations?mark={id}", None, "p1", id="a list of Locations"),
    pytest.param("p3", "GET", "sender/locations/{id}/E1/1", None, "p1", id="one Connector"),
    pytest.param("p3", "POST", "receiver/commands/START_SESSION", "command", "p1", id="a command"),
]


@pytest.mark.proves("R-02", "R-03", "R-12")
@pytest.mark.parametrize(("caller", "method", "path", "content", "target"), DIRECT)
async def test_a_direct_request_keeps_its_parties_and_its_answer_turns_them_round(
    shared: Bench,
    example: Example,
    unique: Unique,
    caller: str,
    method: str,
    path: str,
    content: str | None,
    target: str,
) -> None:
    object_id = unique("D")
    body: Object | None = None
    if content == "fields":
        body = {"name": "new", "last_updated": "2026-02-01T00:00:00Z"}
    elif content == "command":
        body = command(example, shared, object_id)
    elif content is not None:
        body = thing(example, content, object_id)
    sender, receiver = {"p1": (CP1, MS1), "p3": (MS1, CP1)}[caller]
    path = path.format(id=object_id)

    answer = await shared.send(getattr(shared, caller), method, path, sender=sender, receiver=receiver, content=body)

    (seen,) = at(getattr(shared, target), object_id)
    assert (seen.method, ways(seen.headers)) == (method, from_to(sender, receiver))
    assert seen.path.partition("/2.2.1/")[2] == path.partition("?")[0]
    assert ways(answer.headers) == from_to(receiver, sender)
    others = [platform for platform in shared.everybody if platform is not getattr(shared, target)]
    assert not any(at(platform, object_id) for platform in others)


WRONG_HEADERS = [
    pytest.param(from_to(CP1, MS1), id="copied and not turned round"),
    pytest.param(from_to(NS1, CP2), id="of two strangers"),
    pytest.param(("/", "/"), id="empty"),
    pytest.param(("NLD/TOOLONG", "??/!"), id="no parties at all"),
]


@pytest.mark.proves("R-03", "R-04", "X-21")
@pytest.mark.parametrize("written", WRONG_HEADERS)
async def test_the_hub_writes_the_routing_headers_of_an_answer_whatever_the_receiver_wrote(
    shared: Bench, location: Object, unique: Unique, written: tuple[str, str]
) -> None:
    headers = {
        f"OCPI-{side}-{part}": value
        for side, party in zip(("from", "to"), written, strict=True)
        for part, value in zip(("country-code", "party-id"), party.split("/"), strict=True)
    }
    shared.p3.faults.append(Fault(module_id="locations", headers=headers))
    answer = await put_location(shared, {**location, "id": unique("L")}, MS1)
    assert answer.json()["status_code"] == 1000
    assert ways(answer.headers) == from_to(MS1, CP1)


@pytest.mark.proves("R-03", "R-04", "X-21")
@pytest.mark.usefixtures("outskirts")
async def test_the_hub_writes_the_routing_headers_of_an_answer_that_had_none(
    shared: Bench, token: Object, unique: Unique
) -> None:
    answer = await put_token(shared, {**token, "uid": unique("U")}, BARE.party)
    assert result_of(answer) == (200, 1000)
    assert ways(answer.headers) == from_to(BARE.party, MS1)


@pytest.mark.proves("R-08")
async def test_the_receiver_sees_its_own_token_and_never_the_callers(
    shared: Bench, location: Object, unique: Unique
) -> None:
    location_id = unique("L")
    await put_location(shared, {**location, "id": location_id}, MS1)
    (seen,) = at(shared.p3, location_id)
    assert shared.p1.connection is not None
    assert shared.p3.connection is not None
    scheme, _, encoded = seen.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(encoded)) == ("Token", shared.p3.connection.own_token.encode())
    everything = repr(dict(seen.headers)) + seen.path + seen.query + seen.body.decode()
    for secret in (shared.p1.connection.token, shared.p1.connection.own_token, shared.p3.connection.token):
        assert secret not in everything
        assert base64.b64encode(secret.encode()).decode() not in everything


@pytest.mark.proves("R-09")
@pytest.mark.parametrize(
    ("suffix", "query"),
    [
        pytest.param("/A%2FB/E1", "x=1", id="a slash in an id"),
        pytest.param("/a%20b", "", id="a blank"),
        pytest.param("/A%2fb/E%2B1/c+d", "", id="escapes in lower case, and both kinds of plus"),
        pytest.param("/%41*BC~1", "", id="an escape that nobody needed"),
        pytest.param("", "limit=2&offset=0&date_from=2026-01-01T00:00:00Z", id="a page of a list"),
        pytest.param("", "date_from=2026-01-01T00%3A00%3A00%2E5Z&x=%2F%26&x=a+b&empty=&bare", id="odd queries"),
    ],
)
async def test_path_and_query_reach_the_receivers_own_endpoint_as_they_were_written(
    shared: Bench, unique: Unique, suffix: str, query: str
) -> None:
    mark = unique("q")
    query = "&".join(part for part in (query, f"mark={mark}") if part)
    assert shared.p3.connection is not None
    # httpx would escape some of it again, so the request is written by hand
    request = httpx.Request("GET", f"{shared.world.url}/ocpi/2.2.1/sender/locations", headers=token_and(MS1, CP1))
    encoded = base64.b64encode(shared.p3.connection.token.encode()).decode()
    request.headers["Authorization"] = f"Token {encoded}"
    request.extensions["target"] = f"/ocpi/2.2.1/sender/locations{suffix}?{query}".encode()
    await shared.http.send(request)
    (seen,) = at(shared.p1, mark)
    assert shared.p1.base_url + seen.path == shared.p1.url_of("locations", SENDER) + suffix
    assert seen.query == query


def token_and(sender: Party, receiver: Party) -> dict[str, str]:
    """The routing headers, written out."""
    return {
        "OCPI-from-country-code": sender.country_code,
        "OCPI-from-party-id": sender.party_id,
        "OCPI-to-country-code": receiver.country_code,
        "OCPI-to-party-id": receiver.party_id,
    }


@pytest.mark.proves("R-09")
@pytest.mark.parametrize(
    ("path", "interface"),
    [
        pytest.param("sender/sessions?offset=1", SENDER, id="the list of a sender"),
        pytest.param("receiver/sessions/DE/CP1/S1?offset=1", RECEIVER, id="the copy of a receiver"),
    ],
)
async def test_a_request_goes_to_the_same_module_and_interface_at_the_receiver(
    bench: Bench, path: str, interface: Interface
) -> None:
    both = await bench.world.join("P6", ("CPO", "AT/ONE"), ("EMSP", "AT/TWO"))
    caller, sender, receiver = (
        (bench.p3, MS1, Party("AT", "ONE")) if interface is SENDER else (bench.p1, CP1, Party("AT", "TWO"))
    )
    await bench.send(caller, "GET", path, sender=sender, receiver=receiver)
    (seen,) = at(both, "offset=1")
    assert (both.base_url + seen.path).startswith(both.url_of("sessions", interface))


# --- what is in it --------------------------------------------------------------------------------

VENDOR = '"x_vendor": {"a": 1.10, "b": 12.3456, "c": 1e3, "d": [null, true, ""]}, "zeta": "\\u00e9\\ud83d\\ude00", '


def with_odd_numbers(content: Object) -> bytes:
    """The object with fields and numbers that only a careless hub would change."""
    return b"{" + VENDOR.encode() + json.dumps(content).encode()[1:]


@pytest.mark.proves("R-10")
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="forwarded"), pytest.param(HUB, id="broadcast"), pytest.param(None, id="open")]
)
async def test_a_body_reaches_its_receiver_without_loss(
    shared: Bench, location: Object, unique: Unique, receiver: Party | None
) -> None:
    location_id = unique("L")
    body = with_odd_numbers({**location, "id": location_id})
    path = f"receiver/locations/DE/CP1/{location_id}"
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=receiver, content=body)
    assert result_of(answer) == (201, 1000)
    (seen,) = await shared.p3.wait_until_seen(lambda seen: location_id in seen.path)
    assert exact(seen.body) == exact(body)


@pytest.mark.proves("R-10")
async def test_a_command_loses_nothing_when_its_response_url_is_replaced(
    shared: Bench, example: Example, unique: Unique
) -> None:
    mark = unique("L")
    body = with_odd_numbers(command(example, shared, mark))
    path = "receiver/commands/START_SESSION"
    await shared.send(shared.p3, "POST", path, sender=MS1, receiver=CP1, content=body)
    (seen,) = at(shared.p1, mark)
    sent, got = exact(body), exact(seen.body)
    assert got.pop("response_url") != sent.pop("response_url")
    assert got == sent


@pytest.mark.proves("R-11", "X-54")
@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param("2026-01-15T06:58:01Z", id="whole seconds"),
        pytest.param("2026-01-15T06:58:01.250Z", id="a fraction of a second"),
        pytest.param("2026-01-15T06:58:01", id="without Z"),
    ],
)
@pytest.mark.parametrize("receiver", [pytest.param(MS1, id="direct"), pytest.param(HUB, id="to the hub")])
async def test_last_updated_is_the_owners_on_every_hop_and_in_the_copy(
    shared: Bench, location: Object, unique: Unique, receiver: Party, stamp: str
) -> None:
    location_id = unique("L")
    sent = {**location, "id": location_id, "last_updated": stamp}
    await put_location(shared, sent, receiver)
    (seen,) = await shared.p3.wait_until_seen(lambda seen: location_id in seen.path)
    (served,) = await listed(shared, shared.p3, MS1, location_id)
    assert seen.content == served == sent


@pytest.mark.proves("R-11", "X-54")
async def test_a_changed_part_gives_its_own_time_to_its_parents_and_never_turns_them_back(
    shared: Bench, location: Object, unique: Unique
) -> None:
    location_id = unique("L")
    evse, other = (entry["uid"] for entry in location["evses"])
    early, middle, late = (f"2026-{month}-01T00:00:00Z" for month in ("02", "03", "04"))
    path = f"receiver/locations/DE/CP1/{location_id}/"

    async def patch(part: str, stamp: str) -> None:
        fields = {"last_updated": stamp, "tariff_ids": ["T"]} if part.count("/") else {"last_updated": stamp}
        answer = await shared.send(shared.p1, "PATCH", path + part, sender=CP1, receiver=HUB, content=fields)
        assert result_of(answer) == (200, 1000)

    await put_location(shared, {**location, "id": location_id}, HUB)
    await patch(f"{evse}/1", late)
    after = (await held(shared, location_id)).json()["data"]
    changed, untouched = after["evses"]
    assert {after["last_updated"], changed["last_updated"], changed["connectors"][0]["last_updated"]} == {late}
    assert (changed["connectors"][1:], untouched) == (location["evses"][0]["connectors"][1:], location["evses"][1])

    await patch(f"{other}/1", early)
    await patch(f"{evse}/2", middle)
    after = (await held(shared, location_id)).json()["data"]
    times = [[entry["last_updated"], *(c["last_updated"] for c in entry["connectors"])] for entry in after["evses"]]
    assert (after["last_updated"], times) == (late, [[late, late, middle], [early, early]])
    copies = await shared.p3.wait_until_seen(lambda seen: location_id in seen.path and seen.method == "PATCH", 3)
    assert [copy.content["last_updated"] for copy in copies] == [late, early, middle]


@pytest.mark.proves("R-12")
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="direct"), pytest.param(HUB, id="broadcast"), pytest.param(None, id="open")]
)
@pytest.mark.parametrize(
    "depth", [pytest.param(0, id="Location"), pytest.param(1, id="EVSE"), pytest.param(2, id="Connector")]
)
async def test_the_owner_stays_in_the_url_on_every_hop(
    shared: Bench, location: Object, unique: Unique, receiver: Party | None, depth: int
) -> None:
    location_id = unique("L")
    evse = location["evses"][0]
    parts = [
        ({**location, "id": location_id}, ""),
        (evse, f"/{evse['uid']}"),
        (evse["connectors"][0], f"/{evse['uid']}/1"),
    ]
    for content, suffix in parts[: depth + 1]:
        path = f"receiver/locations/DE/CP1/{location_id}{suffix}"
        answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=receiver, content=content)
        assert answer.json()["status_code"] == 1000
    *_, seen = await shared.p3.wait_until_seen(lambda seen: location_id in seen.path, depth + 1)
    expected = f"{shared.p3.url_of('locations', RECEIVER)}/DE/CP1/{location_id}{parts[depth][1]}"
    assert shared.p3.base_url + seen.path == expected


# --- who may speak, and for whom ------------------------------------------------------------------


@pytest.mark.proves("R-01")
async def test_a_sender_that_is_not_named_and_could_be_several_is_refused(bench: Bench) -> None:
    twins = await bench.world.join("P6", ("EMSP", "AT/ONE"), ("EMSP", "AT/TWO"))
    for receiver in (CP1, HUB, None):
        answer = await bench.send(twins, "GET", "sender/locations?offset=1", receiver=receiver)
        assert result_of(answer) == (200, 2001)
        assert not answer.json().get("data")
    assert nobody_saw(bench, "offset=1")


@pytest.mark.proves("R-01")
async def test_a_sender_that_is_not_named_and_can_only_be_one_is_that_one(shared: Bench, unique: Unique) -> None:
    """BE/CP2 and BE/MS2 share a platform; only the eMSP reads Locations."""
    mark = unique("q")
    answer = await shared.send(shared.p2, "GET", f"sender/locations?mark={mark}", receiver=CP1)
    (seen,) = at(shared.p1, mark)
    assert result_of(answer) == (200, 1000)
    assert ways(seen.headers) == from_to(MS2, CP1)
    assert ways(answer.headers) == from_to(CP1, MS2)


CONFIGURATION = [
    pytest.param("versions", id="versions"),
    pytest.param("2.2.1", id="version details"),
    pytest.param("2.2.1/credentials", id="credentials"),
    pytest.param("2.2.1/sender/hubclientinfo", id="hubclientinfo"),
]


@pytest.mark.proves("R-05", "X-51")
@pytest.mark.parametrize("path", CONFIGURATION)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(token_and(CP1, MS1), id="addressed to another party"),
        pytest.param({"OCPI-to-party-id": "MS1"}, id="half a pair"),
        pytest.param({"OCPI-from-country-code": "ZZZ", "OCPI-from-party-id": "????"}, id="no party at all"),
    ],
)
async def test_configuration_modules_ignore_routing_headers_and_have_none(
    shared: Bench, unique: Unique, path: str, headers: dict[str, str]
) -> None:
    assert shared.p1.connection is not None
    key = {"Authorization": "Token " + base64.b64encode(shared.p1.connection.token.encode()).decode()}
    headers = headers | {"X-Correlation-ID": unique("c")}
    url = f"{shared.world.url}/ocpi/{path}"
    plain, addressed = [await shared.http.get(url, headers=key | more) for more in ({}, headers)]
    assert result_of(addressed) == (200, 1000)
    assert addressed.json()["data"] == plain.json()["data"]
    assert not has_routing_headers(addressed.headers)
    assert not has_routing_headers(plain.headers)
    came_through = [seen.headers.get("x-correlation-id") for platform in shared.everybody for seen in platform.seen]
    assert headers["X-Correlation-ID"] not in came_through


@pytest.mark.proves("R-05", "X-51")
async def test_calls_of_the_hub_to_configuration_modules_have_no_routing_headers(bench: Bench) -> None:
    joined = await bench.world.join("P6", ("EMSP", "AT/NEW"))
    invited = await bench.world.platform("P7", ("CPO", "AT/OLD"))
    known = {"versions_url": invited.versions_url, "token": invited.invite()}
    assert (await bench.world.admin.post("/admin/partners", json=known)).is_success
    news = await bench.p3.wait_until_seen(lambda seen: seen.module_id == "hubclientinfo", 2)
    handshake = [seen for seen in (*joined.seen, *invited.seen) if seen.module_id in {"versions", "credentials"}]
    assert {seen.module_id for seen in handshake} == {"versions", "credentials"}
    assert not any(has_routing_headers(seen.headers) for seen in [*news, *handshake])


@pytest.mark.proves("R-06")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"OCPI-to-country-code": "nl", "OCPI-to-party-id": "ms1"}, id="a receiver in lower case"),
        pytest.param({"OCPI-to-country-code": "nL", "OCPI-to-party-id": "Ms1"}, id="a receiver in both"),
        pytest.param({"OCPI-from-country-code": "de", "OCPI-from-party-id": "cP1"}, id="a sender in both"),
    ],
)
async def test_parties_are_matched_in_any_case(
    shared: Bench, location: Object, unique: Unique, headers: dict[str, str]
) -> None:
    content = {**location, "id": unique("L")}
    answer = await put_location(shared, content, MS1, headers=token_and(CP1, MS1) | headers)
    (seen,) = at(shared.p3, content["id"])
    assert result_of(answer) == (201, 1000)
    assert tuple(way.upper() for way in ways(seen.headers)) == from_to(CP1, MS1)
    assert tuple(way.upper() for way in ways(answer.headers)) == from_to(MS1, CP1)


@pytest.mark.proves("R-06")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("OCPI-to-party-id", "MS1X", id="a receiver's party id of four"),
        pytest.param("OCPI-to-country-code", "NLD", id="a receiver's country code of three"),
        pytest.param("OCPI-from-party-id", "CP1X", id="a sender's party id of four"),
        pytest.param("OCPI-from-country-code", "DEU", id="a sender's country code of three"),
    ],
)
async def test_parties_that_are_too_long_are_refused(
    shared: Bench, location: Object, unique: Unique, name: str, value: str
) -> None:
    content = {**location, "id": unique("L")}
    answer = await put_location(shared, content, MS1, headers=token_and(CP1, MS1) | {name: value})
    assert result_of(answer) == (200, 2001)
    assert nobody_saw(shared, content["id"])


@pytest.mark.proves("R-07", "X-10")
@pytest.mark.parametrize(
    ("method", "path", "receiver"),
    [
        pytest.param("PUT", "receiver/locations/DE/CP1/{id}", MS1, id="to a party"),
        pytest.param("PUT", "receiver/locations/DE/CP1/{id}", HUB, id="to the hub"),
        pytest.param("PUT", "receiver/locations/DE/CP1/{id}", None, id="to nobody in particular"),
        pytest.param("GET", "sender/tokens/?mark={id}", MS1, id="reading somebody's list"),
        pytest.param("GET", "sender/cdrs?mark={id}", HUB, id="reading at the hub"),
        pytest.param("POST", "sender/tokens/{id}/authorize", MS1, id="authorising"),
    ],
)
async def test_nobody_speaks_for_a_party_of_another_platform(
    shared: Bench, location: Object, unique: Unique, method: str, path: str, receiver: Party | None
) -> None:
    location_id = unique("L")
    content = {**location, "id": location_id} if method == "PUT" else None
    path = path.format(id=location_id)
    answer = await shared.send(shared.p2, method, path, sender=CP1, receiver=receiver, content=content)
    assert result_of(answer) == (200, 2001)
    assert "data" not in answer.json()
    await asyncio.sleep(SETTLE_SECONDS)
    assert nobody_saw(shared, location_id)
    assert (await held(shared, location_id)).status_code == 404


@pytest.mark.proves("X-10")
@pytest.mark.parametrize(
    ("sender", "owner", "change"),
    [
        pytest.param(MS2, "BE/CP2", {}, id="the sender is its neighbour on the platform"),
        pytest.param(CP2, "BE/MS2", {"party_id": "MS2"}, id="the owner owns no Locations"),
        pytest.param(CP2, "DE/CP1", {"country_code": "DE", "party_id": "CP1"}, id="the owner is on another platform"),
        pytest.param(CP2, "NL/HUB", {"country_code": "NL", "party_id": "HUB"}, id="the owner is the hub"),
        pytest.param(CP2, "BE/CP2", {"party_id": "MS2"}, id="the body names another owner than the URL"),
        pytest.param(CP2, "BE/CP2", {"country_code": "DE", "party_id": "CP1"}, id="the body names a stranger"),
    ],
)
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="direct"), pytest.param(HUB, id="hub"), pytest.param(None, id="open")]
)
async def test_token_sender_url_and_body_have_to_name_one_party(
    shared: Bench,
    location: Object,
    unique: Unique,
    receiver: Party | None,
    sender: Party,
    owner: str,
    change: Object,
) -> None:
    location_id = unique("L")
    content = {**location, "country_code": "BE", "party_id": "CP2", "id": location_id, **change}
    path = f"receiver/locations/{owner}/{location_id}"
    answer = await shared.send(shared.p2, "PUT", path, sender=sender, receiver=receiver, content=content)
    assert result_of(answer) in {(200, 2001), (404, 2003)}
    await asyncio.sleep(SETTLE_SECONDS)
    assert nobody_saw(shared, location_id)
    assert not await listed(shared, shared.p3, MS1, location_id)


HALVES = [
    pytest.param({"OCPI-to-party-id": "MS1"}, id="only the receiver's party id"),
    pytest.param({"OCPI-to-country-code": "NL"}, id="only the receiver's country code"),
    pytest.param({"OCPI-to-party-id": "MS1", "OCPI-to-country-code": ""}, id="the other half is empty"),
    pytest.param({"OCPI-from-party-id": ""}, id="only the sender's country code"),
    pytest.param({"OCPI-from-country-code": ""}, id="only the sender's party id"),
]


@pytest.mark.proves("R-20", "X-20")
@pytest.mark.parametrize("headers", HALVES)
async def test_half_a_pair_of_routing_headers_is_refused_and_no_open_routing(
    shared: Bench, location: Object, unique: Unique, headers: dict[str, str]
) -> None:
    content = {**location, "id": unique("L")}
    answer = await put_location(shared, content, None, headers=headers)
    assert result_of(answer) == (200, 2001)
    await asyncio.sleep(SETTLE_SECONDS)
    assert nobody_saw(shared, content["id"])
    assert (await held(shared, content["id"])).status_code == 404


@pytest.mark.proves("X-20")
async def test_a_pair_of_empty_headers_is_no_pair(shared: Bench, location: Object, unique: Unique) -> None:
    """Without a receiver a Location is for everybody, and without a sender DE/CP1 is the only one it can be."""
    content = {**location, "id": unique("L")}
    empty = dict.fromkeys(token_and(CP1, MS1), "")
    answer = await put_location(shared, content, None, headers=empty)
    assert result_of(answer) == (201, 1000)
    (seen,) = await shared.p3.wait_until_seen(lambda seen: content["id"] in seen.path)
    assert ways(seen.headers) == from_to(HUB, MS1)
    assert ways(answer.headers) == from_to(HUB, CP1)


@pytest.mark.proves("X-13")
async def test_what_is_sent_to_one_party_never_replaces_what_all_others_have(
    shared: Bench, location: Object, unique: Unique
) -> None:
    location_id = unique("L")
    for name, receiver in (("for all", HUB), ("for MS1", MS1), ("for NS1", NS1)):
        content = {**location, "id": location_id, "name": name}
        assert (await put_location(shared, content, receiver)).json()["status_code"] == 1000
    readers = ((shared.p3, MS1, "for MS1"), (shared.p4, NS1, "for NS1"), (shared.p2, MS2, "for all"))
    for platform, reader, name in readers:
        (shown,) = await listed(shared, platform, reader, location_id)
        one = await shared.send(platform, "GET", f"sender/locations/{location_id}", sender=reader, receiver=HUB)
        assert shown["name"] == one.json()["data"]["name"] == name
    assert (await held(shared, location_id)).json()["data"]["name"] == "for all"


# --- what the receiver says -----------------------------------------------------------------------


@pytest.mark.proves("R-13", "R-14")
@pytest.mark.parametrize(
    ("http_status", "status_code"),
    [
        pytest.param(200, 2000, id="2000"),
        pytest.param(200, 2001, id="2001"),
        pytest.param(200, 2002, id="2002"),
        pytest.param(200, 2003, id="2003"),
        pytest.param(200, 2004, id="2004"),
        pytest.param(200, 3000, id="3000"),
        pytest.param(200, 3001, id="3001"),
        pytest.param(200, 3002, id="3002"),
        pytest.param(200, 3003, id="3003"),
        pytest.param(404, 2004, id="404 and 2004"),
        pytest.param(404, 2003, id="404 and 2003"),
        pytest.param(405, 2000, id="405"),
        pytest.param(200, 2901, id="a custom client code"),
        pytest.param(200, 3901, id="a custom server code"),
        pytest.param(200, 4901, id="a custom hub code"),
    ],
)
async def test_the_receivers_errors_reach_the_requester_as_they_are(
    shared: Bench, location: Object, unique: Unique, http_status: int, status_code: int
) -> None:
    said = envelope(
        status_code, status_message="No such plug — niet hier", data={"reason": ["odd", 1.50], "result": None}
    )
    shared.p3.faults.append(Fault(module_id="locations", http_status=http_status, body=said))
    content = {**location, "id": unique("L")}
    answer = await put_location(shared, content, MS1)
    assert answer.status_code == http_status
    assert exact(answer.content) == exact(said)
    assert not await listed(shared, shared.p3, MS1, content["id"]), "what was refused is not kept"


@pytest.mark.proves("R-14")
@pytest.mark.parametrize(
    ("http_status", "status_code"),
    [
        pytest.param(200, 1000, id="200"),
        pytest.param(201, 1000, id="201"),
        pytest.param(200, 1901, id="a custom success"),
    ],
)
async def test_the_receivers_success_reaches_the_requester_as_it_is(
    shared: Bench, location: Object, unique: Unique, http_status: int, status_code: int
) -> None:
    shared.p3.faults.append(Fault(module_id="locations", http_status=http_status, status_code=status_code))
    answer = await put_location(shared, {**location, "id": unique("L")}, MS1)
    assert result_of(answer) == (http_status, status_code)


# --- what the hub says, when nobody else can ------------------------------------------------------


@pytest.mark.proves("R-15", "R-19", "X-22")
@pytest.mark.parametrize(
    ("caller", "method", "path"),
    [
        pytest.param("p1", "PUT", "receiver/locations/DE/CP1/{id}", id="a push"),
        pytest.param("p3", "GET", "sender/locations?mark={id}", id="a list"),
        pytest.param("p3", "GET", "sender/locations/{id}", id="an object"),
        pytest.param("p1", "POST", "sender/tokens/{id}/authorize", id="an authorisation"),
    ],
)
async def test_a_receiver_that_nobody_knows_is_4001(
    shared: Bench, location: Object, unique: Unique, caller: str, method: str, path: str
) -> None:
    location_id, sender = unique("L"), {"p1": CP1, "p3": MS1}[caller]
    content = {**location, "id": location_id} if method == "PUT" else None
    path = path.format(id=location_id)
    answer = await shared.send(
        getattr(shared, caller), method, path, sender=sender, receiver=Party("ZZ", "ZZZ"), content=content
    )
    assert result_of(answer) == (200, 4001)
    assert "data" not in answer.json()
    assert ways(answer.headers) == from_to(HUB, sender)
    await asyncio.sleep(SETTLE_SECONDS)
    assert nobody_saw(shared, location_id)
    assert (await held(shared, location_id)).status_code == 404


@pytest.mark.proves("R-16", "R-19", "X-22")
async def test_a_receiver_that_is_down_is_4003_and_not_tried_again_before_it_is_back(
    bench: Bench, location: Object
) -> None:
    async with bench.p3.down():
        for _ in range(2):  # refused, then known to be OFFLINE
            started = time.perf_counter()
            answer = await put_location(bench, location, MS1)
            assert result_of(answer) == (200, 4003)
            assert ways(answer.headers) == from_to(HUB, CP1)
            assert time.perf_counter() - started < MARGIN_SECONDS
    assert result_of(await put_location(bench, location, MS1)) == (200, 4003)
    await asyncio.sleep(SETTLE_SECONDS)
    assert not [seen for seen in bench.p3.seen if seen.module_id == "locations"]
    assert not await listed(bench, bench.p3, MS1, location["id"]), "and that request shows that it is back"
    for _ in range(RETURN_TRIES_MAX):
        if result_of(await put_location(bench, location, MS1)) == (201, 1000):
            break
        await asyncio.sleep(RETURN_PAUSE_SECONDS)
    (seen,) = [entry for entry in bench.p3.seen if entry.method == "PUT" and entry.module_id == "locations"]
    assert seen.content["id"] == location["id"]


@pytest.mark.proves("R-16", "R-19", "X-22")
async def test_a_receiver_that_is_not_there_yet_or_any_more_is_4003(bench: Bench, location: Object) -> None:
    await bench.world.invite([role("EMSP", "AT/SOO")])
    assert (await bench.p4.leave()).is_success
    bench.forget_what_was_seen()
    for planned_or_suspended in (Party("AT", "SOO"), NS1):
        answer = await put_location(bench, location, planned_or_suspended)
        assert result_of(answer) == (200, 4003)
        assert ways(answer.headers) == from_to(HUB, CP1)
    await asyncio.sleep(SETTLE_SECONDS)
    assert not bench.p4.seen
    assert nobody_saw(bench, location["id"])


@pytest.mark.proves("R-16", "R-19", "X-22")
@pytest.mark.usefixtures("outskirts")
@pytest.mark.parametrize(
    "wire", [pytest.param(DNS, id="no such name"), pytest.param(TLS, id="no TLS where TLS should be")]
)
async def test_a_receiver_to_which_no_connection_comes_about_is_4003(
    shared: Bench, token: Object, unique: Unique, wire: Wire
) -> None:
    started = time.perf_counter()
    answer = await put_token(shared, {**token, "uid": unique("U")}, wire.party)
    assert result_of(answer) == (200, 4003)
    assert ways(answer.headers) == from_to(HUB, MS1)
    assert time.perf_counter() - started < MARGIN_SECONDS


@pytest.mark.hasty
@pytest.mark.proves("R-17", "R-19", "X-22")
@pytest.mark.usefixtures("silent_outskirts")
@pytest.mark.parametrize(
    "wire", [pytest.param(SILENT, id="not a word"), pytest.param(STALLED, id="the beginning of an answer")]
)
async def test_a_receiver_that_has_not_answered_in_time_is_4002(
    shared: Bench, token: Object, unique: Unique, wire: Wire
) -> None:
    content = {**token, "uid": unique("U")}
    started = time.perf_counter()
    answer = await put_token(shared, content, wire.party)
    took = time.perf_counter() - started
    assert result_of(answer) == (200, 4002)
    assert "data" not in answer.json()
    assert ways(answer.headers) == from_to(HUB, MS1)
    assert HASTY_SECONDS - EARLY_SECONDS <= took < HASTY_SECONDS + MARGIN_SECONDS


@pytest.mark.proves("R-18", "R-19", "X-22")
@pytest.mark.usefixtures("outskirts")
@pytest.mark.parametrize("wire", [pytest.param(CUT, id="half an answer"), pytest.param(GARBAGE, id="another protocol")])
async def test_a_receiver_whose_answer_breaks_off_is_4000(
    shared: Bench, token: Object, unique: Unique, wire: Wire
) -> None:
    answer = await put_token(shared, {**token, "uid": unique("U")}, wire.party)
    assert result_of(answer) == (200, 4000)
    assert ways(answer.headers) == from_to(HUB, MS1)


HTML = b"<html><body>Welcome</body></html>"


@pytest.mark.proves("R-18", "R-19", "X-22", "X-23")
@pytest.mark.parametrize("method", [pytest.param("PUT", id="to a push"), pytest.param("GET", id="to a GET")])
@pytest.mark.parametrize(
    ("fault", "http_status"),
    [
        pytest.param(web_page(), 200, id="a gateway's page"),
        pytest.param(web_page(200), 200, id="a page that is well"),
        pytest.param(web_page(404), 404, id="a page that says 404"),
        pytest.param(web_page(405), 405, id="a page that says 405"),
        pytest.param(Fault(http_status=200, body=b'{"data": []}'), 200, id="data without a code"),
        pytest.param(Fault(http_status=200, body=b"[]"), 200, id="a bare list"),
        pytest.param(Fault(body=b'{"detail": "Not Found"}', http_status=404), 404, id="a framework's 404"),
        pytest.param(Fault(http_status=200, body=b'{"status_code": "1000"}'), 200, id="a code that is text"),
        pytest.param(Fault(http_status=200, body=b'{"status_code": 1000'), 200, id="JSON without an end"),
        pytest.param(Fault(body=b"", http_status=500), 200, id="an empty 500"),
        pytest.param(
            Fault(body=b"", http_status=302, headers={"Location": "http://127.0.0.1:9/"}), 200, id="a redirect"
        ),
    ],
)
async def test_an_answer_that_is_not_ocpi_is_4000(
    shared: Bench, location: Object, unique: Unique, fault: Fault, http_status: int, method: str
) -> None:
    content = {**location, "id": unique("L")}
    shared.p3.faults.append(fault)
    path = f"receiver/locations/DE/CP1/{content['id']}"
    body = content if method == "PUT" else None
    answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=MS1, content=body)
    assert result_of(answer) == (http_status, 4000)
    assert "data" not in answer.json()
    assert ways(answer.headers)[1] == str(CP1)
    shared.p3.faults.clear()
    assert not await listed(shared, shared.p3, MS1, content["id"])


@pytest.mark.proves("X-23")
@pytest.mark.parametrize(
    "http_status", [pytest.param(200, id="200"), pytest.param(201, id="201"), pytest.param(204, id="204")]
)
@pytest.mark.parametrize(
    ("method", "expected"),
    [pytest.param("PUT", 1000, id="success of a push"), pytest.param("GET", 4000, id="no answer to a GET")],
)
async def test_an_empty_answer_is_success_for_a_push_and_nothing_else(
    shared: Bench, location: Object, unique: Unique, http_status: int, method: str, expected: int
) -> None:
    content = {**location, "id": unique("L")}
    shared.p3.faults.append(Fault(body=b"", http_status=http_status))
    path = f"receiver/locations/DE/CP1/{content['id']}"
    body = content if method == "PUT" else None
    answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=MS1, content=body)
    assert answer.status_code in {200, 201}
    assert answer.json()["status_code"] == expected
    assert answer.json()["status_message"]
    assert ways(answer.headers)[1] == str(CP1)


@pytest.mark.proves("R-18", "R-19", "X-22")
@pytest.mark.parametrize(
    ("caller", "method", "path", "receiver"),
    [
        pytest.param(
            "p1", "PUT", "receiver/locations/DE/CP1/{id}", CP2, id="a CPO takes no Locations, its platform does"
        ),
        pytest.param("p1", "POST", "receiver/commands/START_SESSION", MS1, id="an eMSP takes no commands"),
        pytest.param("p3", "GET", "sender/locations?mark={id}", MS2, id="an eMSP has no Locations, its platform does"),
        pytest.param("p1", "PUT", "receiver/sessions/DE/CP1/{id}", NS1, id="a navigation provider takes no Sessions"),
    ],
)
async def test_a_receiver_without_this_module_in_this_role_is_4000(
    shared: Bench, example: Example, unique: Unique, caller: str, method: str, path: str, receiver: Party
) -> None:
    object_id, sender = unique("L"), {"p1": CP1, "p3": MS1}[caller]
    body: Object | None = None
    if method == "POST":
        body = command(example, shared, object_id)
    elif method == "PUT":
        body = thing(example, path.split("/")[1].removesuffix("s"), object_id)
    path = path.format(id=object_id)
    answer = await shared.send(getattr(shared, caller), method, path, sender=sender, receiver=receiver, content=body)
    assert result_of(answer) == (200, 4000)
    assert ways(answer.headers) == from_to(HUB, sender)
    assert nobody_saw(shared, object_id)


@pytest.mark.proves("R-18", "R-19", "X-22")
async def test_a_receiver_whose_platform_lists_no_such_endpoint_is_4000(bench: Bench, location: Object) -> None:
    quiet = await bench.world.platform("P6", ("EMSP", "AT/QUI"))
    quiet.hidden.add(("locations", RECEIVER))
    await quiet.join(await bench.world.invite(quiet.roles), bench.world.versions_url)
    answer = await put_location(bench, location, Party("AT", "QUI"))
    assert result_of(answer) == (200, 4000)
    assert not at(quiet, location["id"])


# --- neighbours -----------------------------------------------------------------------------------


@pytest.mark.proves("R-22")
async def test_two_parties_on_one_platform_reach_each_other_like_any_others(
    shared: Bench, location: Object, unique: Unique
) -> None:
    content = {**location, "country_code": "BE", "party_id": "CP2", "id": unique("L")}
    path = f"receiver/locations/BE/CP2/{content['id']}"
    answer = await shared.send(shared.p2, "PUT", path, sender=CP2, receiver=MS2, content=content)
    (seen,) = at(shared.p2, content["id"])
    assert result_of(answer) == (201, 1000)
    assert ways(seen.headers) == from_to(CP2, MS2)
    assert ways(answer.headers) == from_to(MS2, CP2)
    assert shared.p2.base_url + seen.path == f"{shared.p2.url_of('locations', RECEIVER)}/BE/CP2/{content['id']}"
    assert seen.content == content
