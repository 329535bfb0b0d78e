"""Section 4 of the checklist: what the hub lists of itself, and what it makes of the lists of others."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hub.demo.party import DemoPlatform, role
from hub.demo.server import LoopbackServer
from ocpi_modules.parties import Party
from tests.conftest import HUB, World, loopback_client
from tests.web.conftest import CP1, MS1, Bench

Object = dict[str, Any]
Listing = Callable[[str], Any]

FUNCTIONAL = ("locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles")
CUSTOM_MODULE = "nltnm-foo"


def with_token(token: str) -> dict[str, str]:
    return {"Authorization": "Token " + base64.b64encode(token.encode()).decode("ascii")}


def token_of(platform: DemoPlatform) -> str:
    assert platform.connection is not None
    return platform.connection.token


def success(data: Any = None) -> Object:
    """The envelope of a partner."""
    return {"data": data, "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}


async def read(http: httpx.AsyncClient, url: str, token: str) -> Any:
    """The data at an address of the hub; no routing headers are sent and none come back."""
    answer = await http.get(url, headers=with_token(token))
    assert (answer.status_code, answer.json()["status_code"]) == (200, 1000), answer.text
    assert not [name for name in answer.headers if name.startswith("ocpi-")]
    return answer.json()["data"]


async def endpoints_of(bench: Bench) -> list[Object]:
    """The endpoints in the version details of the hub."""
    token = token_of(bench.p1)
    (version,) = await read(bench.http, bench.world.versions_url, token)
    listed: list[Object] = (await read(bench.http, version["url"], token))["endpoints"]
    return listed


# --- what the hub lists -----------------------------------------------------------------------------


@pytest.mark.proves("V-01", "V-02")
async def test_every_version_that_is_listed_is_served_and_2_2_1_is_among_them(shared: Bench) -> None:
    versions = await read(shared.http, shared.world.versions_url, token_of(shared.p1))
    assert isinstance(versions, list)
    assert "2.2.1" in [entry["version"] for entry in versions]
    for entry in versions:
        assert set(entry) == {"version", "url"}
        assert entry["url"].startswith(f"{shared.world.url}/")
        assert (await read(shared.http, entry["url"], token_of(shared.p1)))["version"] == entry["version"]


@pytest.mark.proves("V-02")
@pytest.mark.parametrize("version", ["2.0", "2.1.1", "2.2", "2.3.0", "3.0"])
async def test_a_version_that_is_not_listed_is_not_served(shared: Bench, version: str) -> None:
    versions = await read(shared.http, shared.world.versions_url, token_of(shared.p1))
    assert version not in [entry["version"] for entry in versions]
    answer = await shared.http.get(f"{shared.world.url}/ocpi/{version}", headers=with_token(token_of(shared.p1)))
    assert (answer.status_code, answer.json()["status_code"] // 1000) == (404, 2)


@pytest.mark.proves("V-03")
async def test_version_details_name_module_interface_and_absolute_url(shared: Bench) -> None:
    token = token_of(shared.p1)
    (version,) = await read(shared.http, shared.world.versions_url, token)
    details = await read(shared.http, version["url"], token)
    assert details["version"] == version["version"] == "2.2.1"
    assert details["endpoints"]
    for entry in details["endpoints"]:
        assert set(entry) == {"identifier", "role", "url"}
        assert entry["role"] in {"SENDER", "RECEIVER"}
        assert entry["url"].startswith(f"{shared.world.url}/")
        assert len(entry["url"]) <= 255


@pytest.mark.proves("V-04", "X-56")
async def test_the_hub_offers_both_interfaces_of_every_module_at_addresses_of_their_own(shared: Bench) -> None:
    listed = await endpoints_of(shared)
    offered = sorted((entry["identifier"], entry["role"]) for entry in listed)
    wanted = [(module, side) for module in FUNCTIONAL for side in ("SENDER", "RECEIVER")]
    assert offered == sorted([*wanted, ("credentials", "SENDER"), ("hubclientinfo", "SENDER")])
    urls = [entry["url"].rstrip("/") for entry in listed]
    assert len(set(urls)) == len(urls)
    for url in urls:
        assert not [other for other in urls if other.startswith(f"{url}/")], "no address lies below another"


@pytest.mark.proves("X-56")
async def test_the_same_segments_mean_other_things_at_the_two_interfaces(shared: Bench, location: Object) -> None:
    """A Location, an EVSE and a connector at the sender; an owner and a Location at the receiver."""
    urls = {(entry["identifier"], entry["role"]): entry["url"] for entry in await endpoints_of(shared)}
    evse = location["evses"][0] | {"uid": "CP1"}
    location |= {"id": "DE", "evses": [evse | {"connectors": [evse["connectors"][0] | {"id": "DE"}]}]}
    put = await shared.http.put(
        f"{urls['locations', 'RECEIVER']}/DE/CP1/DE", json=location, headers=_from(shared.p1, CP1)
    )
    assert put.status_code == 201
    whole = await shared.http.get(f"{urls['locations', 'RECEIVER']}/DE/CP1/DE", headers=_from(shared.p1, CP1))
    part = await shared.http.get(f"{urls['locations', 'SENDER']}/DE/CP1/DE", headers=_from(shared.p3, MS1))
    assert whole.json()["data"] == location
    assert part.json()["data"] == location["evses"][0]["connectors"][0]


def _from(platform: DemoPlatform, party: Party) -> dict[str, str]:
    """A request of a party to the hub."""
    return {
        **with_token(token_of(platform)),
        "OCPI-from-country-code": party.country_code,
        "OCPI-from-party-id": party.party_id,
        "OCPI-to-country-code": HUB.country_code,
        "OCPI-to-party-id": HUB.party_id,
    }


@pytest.mark.proves("V-04")
async def test_every_endpoint_that_is_listed_answers(shared: Bench) -> None:
    """None of them is an unknown path; those that cannot be read say which methods they have."""
    for entry in await endpoints_of(shared):
        answer = await shared.http.get(entry["url"], headers=_from(shared.p3, MS1))
        is_list = entry["role"] == "SENDER" and entry["identifier"] not in {"commands", "chargingprofiles"}
        if is_list:
            assert (answer.status_code, answer.json()["status_code"]) == (200, 1000), entry
        else:
            assert answer.json()["status_code"] // 1000 == 2


# --- what partners list -----------------------------------------------------------------------------


async def joined_as(world: World, roles: list[Object], versions: Listing, endpoints: Listing) -> DemoPlatform:
    """A platform that joined with version pages of its own; both listings are functions of its base URL."""
    platform = DemoPlatform("odd", roles)

    async def listed(request: Request) -> Response:
        return JSONResponse(success(versions(platform.base_url)))

    async def detailed(request: Request) -> Response:
        return JSONResponse(success({"version": "2.2.1", "endpoints": endpoints(platform.base_url)}))

    pages = (Route("/versions", listed), Route("/details", detailed))
    await world.stack.enter_async_context(platform.running(*pages))
    await platform.join(await world.invite(roles), world.versions_url)
    return platform


def usual_versions(base_url: str) -> list[Object]:
    return [{"version": "2.2.1", "url": f"{base_url}/details"}]


def entry(module: str, side: str, url: str) -> Object:
    return {"identifier": module, "role": side, "url": url}


@pytest.mark.proves("V-05")
async def test_credentials_are_listed_once_as_sender(shared: Bench) -> None:
    listed = [entry["role"] for entry in await endpoints_of(shared) if entry["identifier"] == "credentials"]
    assert listed == ["SENDER"]


@pytest.mark.proves("V-05")
@pytest.mark.parametrize(
    "sides",
    [
        pytest.param(["SENDER"], id="as sender"),
        pytest.param(["RECEIVER"], id="as receiver"),
        pytest.param(["SENDER", "RECEIVER"], id="as both"),
        pytest.param(["BOTH"], id="as something else"),
        pytest.param([None], id="as nothing"),
    ],
)
async def test_it_is_the_same_in_which_role_a_partner_lists_its_credentials(
    world: World, sides: list[str | None]
) -> None:
    """It registers, and the hub finds its credentials when it unregisters or renews tokens there."""

    def endpoints(base: str) -> list[Object]:
        own = [entry("credentials", side, f"{base}/2.2.1/sender/credentials") for side in sides if side]
        bare = [{"identifier": "credentials", "url": f"{base}/2.2.1/sender/credentials"} for side in sides if not side]
        return [*own, *bare, entry("locations", "SENDER", f"{base}/2.2.1/sender/locations")]

    platform = await joined_as(world, [role("CPO", "DE/CP1")], usual_versions, endpoints)
    (partner,) = (await world.admin.get("/admin/partners")).json()
    assert [party["status"] for party in partner["parties"]] == ["CONNECTED"]
    renewed = await world.admin.post(f"/admin/partners/{partner['id']}/rotate")
    assert renewed.status_code == 200, renewed.text
    assert [seen.method for seen in platform.seen if seen.module_id == "credentials"] == ["PUT"]


class Recorder:
    """A server that answers every request with a success and remembers its method and raw target, if a party stands behind it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode()
        target = scope["raw_path"].decode().partition("?")[0] + (f"?{query}" if query else "")
        if Headers(scope=scope).get("ocpi-from-party-id") not in {None, HUB.party_id}:
            self.calls.append(f"{scope['method']} {target}")
        data = [] if scope["method"] == "GET" else {"result": "REJECTED", "timeout": 1}
        await JSONResponse(success(data))(scope, receive, send)


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[Recorder, str]]:
    """A recorder and its base URL."""
    recorder = Recorder()
    server = LoopbackServer(recorder)
    await server.start()
    try:
        yield recorder, f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


@pytest.mark.proves("V-06")
async def test_partners_are_called_exactly_where_they_listed_themselves(
    bench: Bench, example: Callable[..., Object], location: Object, token: Object
) -> None:
    """On two other servers, with paths that look like nothing, one of them with a query of its own."""
    party, roles = Party("AT", "ODD"), [role("CPO", "AT/ODD"), role("EMSP", "AT/ODD")]
    async with recording() as (first, first_url), recording() as (second, second_url):

        def endpoints(base: str) -> list[Object]:
            return [
                entry("credentials", "SENDER", f"{base}/2.2.1/sender/credentials"),
                entry("tokens", "SENDER", f"{first_url}/a1"),
                entry("tokens", "RECEIVER", f"{second_url}/in/~tok%20ens/x.php"),
                entry("locations", "SENDER", f"{second_url}/zz?k=1"),
                entry("locations", "RECEIVER", f"{first_url}/"),
                entry("commands", "RECEIVER", f"{second_url}/do?it=now"),
                entry("hubclientinfo", "RECEIVER", f"{first_url}/who"),
            ]

        await joined_as(bench.world, roles, usual_versions, endpoints)
        command = example("start_session", response_url=bench.p3.callback_url("commands", "1"))
        command["token"] |= {"country_code": "NL", "party_id": "MS1"}
        calls: list[tuple[DemoPlatform, str, str, Party, Party, Object | None]] = [
            (bench.p1, "POST", "sender/tokens/U1/authorize?type=RFID", CP1, party, None),
            (bench.p3, "PUT", "receiver/tokens/NL/MS1/U1", MS1, party, token),
            (bench.p3, "GET", "sender/locations?limit=1", MS1, party, None),
            (bench.p3, "GET", "sender/locations/L%2F1/E1", MS1, party, None),
            (bench.p1, "PUT", "receiver/locations/DE/CP1/L1", CP1, party, location),
            (bench.p3, "POST", "receiver/commands/START_SESSION", MS1, party, command),
        ]
        for platform, method, path, sender, receiver, content in calls:
            answer = await bench.send(platform, method, path, sender=sender, receiver=receiver, content=content)
            assert answer.json()["status_code"] == 1000, path
        assert first.calls == [
            "POST /a1/U1/authorize?type=RFID",
            "PUT /DE/CP1/L1",
        ]
        assert second.calls == [
            "PUT /in/~tok%20ens/x.php/NL/MS1/U1",
            "GET /zz?k=1&limit=1",
            "GET /zz/L%2F1/E1?k=1",
            "POST /do/START_SESSION?it=now",
        ]


@pytest.mark.proves("V-07")
async def test_unknown_modules_and_versions_of_a_partner_do_no_harm(world: World) -> None:
    """The hub reads the details of the one version that both speak; it calls what it knows and lists nothing that it does not."""

    def versions(base: str) -> list[Object]:
        others = [{"version": number, "url": f"{base}/{number}"} for number in ("1.9", "3.0", "2.2.1-beta")]
        return [*others, {"version": "2.2.1", "url": f"{base}/details"}, {"version": "2.3.0", "url": f"{base}/2.3.0"}]

    def endpoints(base: str) -> list[Object]:
        return [
            entry(CUSTOM_MODULE, "SENDER", f"{base}/foo"),
            entry("bookings", "RECEIVER", f"{base}/bookings"),
            entry("Locations", "SENDER", f"{base}/another-spelling"),
            {"identifier": "nltnm-bar", "role": "OWNER", "url": "ftp://nowhere", "since": 3},
            entry("credentials", "SENDER", f"{base}/2.2.1/sender/credentials"),
            entry("locations", "SENDER", f"{base}/2.2.1/sender/locations"),
        ]

    platform = await joined_as(world, [role("CPO", "DE/CP1")], versions, endpoints)
    (partner,) = (await world.admin.get("/admin/partners")).json()
    assert [party["status"] for party in partner["parties"]] == ["CONNECTED"]
    assert sorted(endpoint["identifier"] for endpoint in partner["endpoints"]) == ["credentials", "locations"]
    await platform.wait_until_seen(lambda seen: seen.module_id == "locations")
    assert {seen.module_id for seen in platform.seen} == {"locations"}, (
        "it is asked for what is known, and for nothing else"
    )
    async with loopback_client() as http:
        listed = await read(http, f"{world.url}/ocpi/2.2.1", token_of(platform))
    known = {*FUNCTIONAL, "credentials", "hubclientinfo"}
    assert {endpoint["identifier"] for endpoint in listed["endpoints"]} == known


@pytest.mark.proves("V-07")
async def test_the_hub_joins_a_platform_that_lists_more_than_it_knows(world: World) -> None:
    """The same as initiator."""
    platform = DemoPlatform("odd", [role("CPO", "DE/CP1")])

    async def detailed(request: Request) -> Response:
        base = platform.base_url
        own = [entry("credentials", "RECEIVER", f"{base}/2.2.1/sender/credentials")]
        more = [entry(CUSTOM_MODULE, "SENDER", f"{base}/foo"), entry("tariffs", "SENDER", f"{base}/t")]
        return JSONResponse(success({"version": "2.2.1", "endpoints": [*more, *own]}))

    async def listed(request: Request) -> Response:
        base = platform.base_url
        return JSONResponse(success([*usual_versions(base), {"version": "3.0", "url": f"{base}/3.0"}]))

    await world.stack.enter_async_context(platform.running(Route("/versions", listed), Route("/details", detailed)))
    asked = {"versions_url": platform.versions_url, "token": platform.invite()}
    made = await world.admin.post("/admin/partners", json=asked)
    assert made.status_code == 201, made.text
    assert [endpoint["identifier"] for endpoint in made.json()["endpoints"]] == ["credentials", "tariffs"]


# --- with which token -------------------------------------------------------------------------------


@pytest.mark.proves("V-08")
async def test_reading_versions_changes_nothing(shared: Bench) -> None:
    """A hundred times, without routing headers and with such as make no sense here."""
    token = token_of(shared.p3)
    urls = (shared.world.versions_url, f"{shared.world.url}/ocpi/2.2.1")
    before = [await read(shared.http, url, token) for url in urls], await _registrations(shared.world)
    nonsense = {**with_token(token), "OCPI-from-party-id": "TOOLONG", "OCPI-to-country-code": "ZZ"}
    for url in urls:
        for _ in range(100):
            assert await read(shared.http, url, token) == before[0][urls.index(url)]
        odd = await shared.http.get(url, headers=nonsense)
        assert (odd.status_code, odd.json()["status_code"]) == (200, 1000)
    assert await _registrations(shared.world) == before[1]
    assert not [seen for platform in shared.everybody for seen in platform.seen if seen.method != "GET"]


async def _registrations(world: World) -> list[Object]:
    """All that an operator sees of the partners, but for when they were last heard."""
    partners = (await world.admin.get("/admin/partners")).json()
    return [{name: value for name, value in partner.items() if name != "heard_at"} for partner in partners]


@pytest.mark.proves("V-08")
async def test_versions_are_open_to_an_invitation_and_to_a_registered_partner(world: World) -> None:
    """To token A until the handshake is done, and to token C from then on."""
    platform = await world.platform("P1", ("CPO", "DE/CP1"))
    invitation = await world.invite(platform.roles)
    urls = (world.versions_url, f"{world.url}/ocpi/2.2.1")
    async with loopback_client() as http:
        before = [await read(http, url, invitation) for url in urls]
        await platform.join(invitation, world.versions_url)
        assert [await read(http, url, token_of(platform)) for url in urls] == before
        for url in urls:
            assert (await http.get(url, headers=with_token(invitation))).status_code == 401


@pytest.mark.proves("V-08")
async def test_versions_are_open_to_token_b_while_the_hubs_own_post_waits_for_its_answer(world: World) -> None:
    heard: list[tuple[int, int]] = []
    platform = DemoPlatform("asked", [role("CPO", "DE/CP1")])
    token_c = "the-token-that-the-hub-is-to-use"

    async def registered(request: Request) -> Response:
        """Look at the hub before the answer to its POST."""
        theirs = await request.json()
        async with loopback_client() as http:
            for url in (theirs["url"], f"{world.url}/ocpi/2.2.1"):
                answer = await http.get(url, headers=with_token(theirs["token"]))
                heard.append((answer.status_code, answer.json()["status_code"]))
        return JSONResponse(success(platform.credentials(token_c)))

    posted = Route("/2.2.1/sender/credentials", registered, methods=["POST"])
    await world.stack.enter_async_context(platform.running(posted))
    asked = {"versions_url": platform.versions_url, "token": platform.invite()}
    made = await world.admin.post("/admin/partners", json=asked)
    assert made.status_code == 201, made.text
    assert heard == [(200, 1000), (200, 1000)]
