"""The operator's interface over HTTP, with real platforms: C-05, C-16, C-19 to C-21, C-24, C-26, HC-06, T-12."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hub.clock import SystemClock
from hub.demo.party import DemoPlatform
from hub.partners.client import PartnerClient
from hub.partners.handshake import Handshake, HubIdentity
from hub.partners.presence import PresenceWatch
from hub.partners.roster import Roster
from hub.store.database import Database
from hub.store.partners import Partners
from hub.store.permissions import PermissionRules
from hub.store.secrets import Safe
from hub.store.tables import InvitationRow
from hub.web.admin import Desk, admin_router
from hub.web.asked import INVITATION_LIFE_DAYS, invitation_state
from hub.web.errors import on_ocpi_error
from ocpi_modules.errors import OcpiError
from ocpi_modules.headers import authorization
from ocpi_modules.types import parse_datetime
from tests.conftest import ADMIN_TOKEN, HUB, World, loopback_client

EVERY_ROUTE = [
    ("POST", "/admin/invitations"),
    ("GET", "/admin/invitations"),
    ("DELETE", "/admin/invitations/7"),
    ("POST", "/admin/partners"),
    ("GET", "/admin/partners"),
    ("DELETE", "/admin/partners/7"),
    ("POST", "/admin/partners/7/rotate"),
]
CP1 = {"role": "CPO", "country_code": "DE", "party_id": "CP1"}
MS1 = {"role": "EMSP", "country_code": "NL", "party_id": "MS1"}
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


async def versions_status(world: World, token: str) -> int:
    """The HTTP status of the hub's versions for a token."""
    async with loopback_client() as client:
        response = await client.get(world.versions_url, headers={"Authorization": authorization(token)})
    return response.status_code


async def only_partner(world: World) -> dict[str, Any]:
    """The one partner that the operator is shown."""
    [partner] = (await world.admin.get("/admin/partners")).json()
    assert isinstance(partner, dict)
    return partner


def assert_envelope(response: httpx.Response, http_status: int, status_code: int) -> str:
    """The answer is an error in the envelope (T-12); returns its message."""
    body = response.json()
    assert (response.status_code, body["status_code"]) == (http_status, status_code), body
    assert abs(parse_datetime(body["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert "data" not in body
    return str(body["status_message"])


def door(admin_token: str | None, header: dict[str, Any]) -> httpx.AsyncClient:
    """A client of the routes alone, with nothing behind them that could be reached."""
    database = Database("postgresql://nowhere.invalid/none")
    partners, clock, safe = Partners(database), SystemClock(), Safe(b"a key for tests")
    roster = Roster((partners, PermissionRules(database)), safe, HUB, clock)
    client = PartnerClient(allow_private=False, timeout_seconds=1.0)
    identity = HubIdentity(HUB, "The hub", "https://hub.example/ocpi/versions")
    desk = Desk(
        partners,
        roster,
        Handshake(partners, roster, client, safe, identity, clock),
        PresenceWatch(partners, roster, client, clock, still_alive_seconds=60.0),
        clock,
        identity.versions_url,
    )
    app = FastAPI()
    app.include_router(admin_router(desk, admin_token))
    app.add_exception_handler(OcpiError, on_ocpi_error)
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://hub.example", headers=header)


# --- who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({}, id="no header"),
        pytest.param({"Authorization": "Bearer another"}, id="another token"),
        pytest.param({"Authorization": f"Bearer {ADMIN_TOKEN[:-1]}"}, id="all but the last character"),
        pytest.param({"Authorization": f"Token {ADMIN_TOKEN}"}, id="another scheme"),
        pytest.param({"Authorization": b"Bearer \xe9"}, id="not ASCII"),
    ],
)
async def test_only_the_admin_token_opens(header: dict[str, Any]) -> None:
    """Asked before anything is read: the body is not even JSON."""
    async with door(ADMIN_TOKEN, header) as client:
        for method, path in EVERY_ROUTE:
            assert_envelope(await client.request(method, path, content=b"{"), 401, 2000)


@pytest.mark.parametrize("header", ["Bearer ", "Bearer None", "Bearer anything"])
@pytest.mark.parametrize("configured", [None, ""])
async def test_without_a_configured_token_the_interface_is_closed(configured: str | None, header: str) -> None:
    async with door(configured, {"Authorization": header}) as client:
        for method, path in EVERY_ROUTE:
            assert_envelope(await client.request(method, path, content=b"{"), 403, 2000)


async def test_every_route_is_among_those_that_were_tried() -> None:
    async with door(None, {}) as client:
        described = (await client.get("/openapi.json")).json()["paths"]
    tried = {(method, path.replace("/7", "/{}")) for method, path in EVERY_ROUTE}
    assert tried == {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, methods in described.items() for method in methods
    }
    assert all(
        operation["security"] == [{"HTTPBearer": []}]
        for methods in described.values()
        for operation in methods.values()
    )


# --- invitations -------------------------------------------------------------------------------


async def test_an_invitation_gives_a_token_a_and_where_to_use_it(world: World) -> None:
    """HC-06, T-06, T-07."""
    response = await world.admin.post(
        "/admin/invitations", json={"roles": [{"role": "CPO", "country_code": "de", "party_id": "new"}]}
    )
    made = response.json()
    assert response.status_code == 201
    assert made["versions_url"] == world.versions_url
    life = parse_datetime(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=INVITATION_LIFE_DAYS, minutes=-1) < life <= timedelta(days=INVITATION_LIFE_DAYS)
    assert await versions_status(world, made["token"]) == 200
    listed = (await world.admin.get("/admin/invitations")).json()[0]
    assert (listed["id"], listed["state"], listed["used_at"]) == (made["id"], "OPEN", None)
    assert listed["roles"] == [{"role": "CPO", "country_code": "DE", "party_id": "NEW"}]
    assert made["token"] not in (await world.admin.get("/admin/invitations")).text


WRONG_INVITATIONS = [
    pytest.param(b"{", "JSON", id="not JSON"),
    pytest.param(b"[]", "valid dictionary", id="a list"),
    pytest.param(b"{}", "roles", id="nothing"),
    pytest.param(b'{"roles": []}', "roles", id="no roles"),
    pytest.param(b'{"roles": [{"role": "CPO"}]}', "roles.0.country_code", id="a role without party"),
    pytest.param(
        b'{"roles": [{"role": "KING", "country_code": "DE", "party_id": "CP1"}]}',
        "roles.0.role",
        id="an unknown role",
    ),
    pytest.param(
        b'{"roles": [{"role": "CPO", "country_code": "DEU", "party_id": "CP1"}]}',
        "roles.0.country_code",
        id="three letters of country",
    ),
    pytest.param(
        b'{"roles": [{"role": "CPO", "country_code": "DE", "party_id": "CP1"}], "days": 3}',
        "days",
        id="a field that does not exist",
    ),
    pytest.param(
        b'{"roles": [{"role": "HUB", "country_code": "nl", "party_id": "hub"}]}',
        "NL/HUB is this hub",
        id="the hub itself (C-24)",
    ),
]


@pytest.mark.parametrize(("body", "told"), WRONG_INVITATIONS)
async def test_a_wrong_invitation_is_refused_and_says_why(body: bytes, told: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
    async with door(ADMIN_TOKEN, headers) as client:
        response = await client.post("/admin/invitations", content=body)
    assert told in assert_envelope(response, 400, 2001)


async def test_a_party_that_is_connected_cannot_be_invited_again(world: World) -> None:
    """C-24."""
    await world.join("P1", ("CPO", "DE/CP1"))
    response = await world.admin.post("/admin/invitations", json={"roles": [CP1]})
    assert "DE/CP1 belongs to another connection" in assert_envelope(response, 400, 2001)


async def test_a_revoked_invitation_opens_nothing(world: World) -> None:
    """C-05."""
    made = (await world.admin.post("/admin/invitations", json={"roles": [MS1]})).json()
    path = f"/admin/invitations/{made['id']}"
    assert (await world.admin.delete(path)).status_code == 204
    assert await versions_status(world, made["token"]) == 401
    listed = (await world.admin.get("/admin/invitations")).json()[0]
    assert (listed["id"], listed["state"]) == (made["id"], "REVOKED")
    assert_envelope(await world.admin.delete(path), 404, 2000)


async def test_a_used_invitation_cannot_be_revoked(world: World) -> None:
    await world.join("P1", ("CPO", "DE/CP1"))
    [listed] = (await world.admin.get("/admin/invitations")).json()
    assert listed["state"] == "USED"
    assert_envelope(await world.admin.delete(f"/admin/invitations/{listed['id']}"), 404, 2000)
    assert (await only_partner(world))["parties"][0]["status"] == "CONNECTED"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({}, "OPEN", id="fresh"),
        pytest.param({"expires_at": NOW}, "EXPIRED", id="at the moment it expires"),
        pytest.param({"used_at": NOW, "expires_at": NOW}, "USED", id="used, then expired"),
        pytest.param({"revoked_at": NOW}, "REVOKED", id="taken back"),
    ],
)
def test_the_state_of_an_invitation(changes: dict[str, Any], state: str) -> None:
    row = InvitationRow(
        **{
            "id": 1,
            "token_hash": b"",
            "roles": "[]",
            "created_at": NOW,
            "expires_at": NOW + timedelta(days=1),
            **changes,
        }
    )
    assert invitation_state(row, NOW) == state


# --- partners ----------------------------------------------------------------------------------


async def test_partners_are_shown_without_their_tokens(world: World) -> None:
    platform = await world.join("P2", ("EMSP", "BE/MS2"), ("CPO", "BE/CP2"))
    shown = await only_partner(world)
    assert (shown["state"], shown["versions_url"]) == ("JOINED", platform.versions_url)
    assert [(p["role"], p["country_code"], p["party_id"], p["status"]) for p in shown["parties"]] == [
        ("CPO", "BE", "CP2", "CONNECTED"),
        ("EMSP", "BE", "MS2", "CONNECTED"),
    ]
    assert abs(parse_datetime(shown["heard_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    urls = {(entry["identifier"], entry["role"]): entry["url"] for entry in shown["endpoints"]}
    assert "credentials" in {module_id for module_id, _ in urls}
    assert all(url.startswith(platform.base_url) for url in urls.values())
    assert platform.connection is not None
    text = (await world.admin.get("/admin/partners")).text
    assert platform.connection.token not in text
    assert not {"token", "token_hash", "token_sealed"} & shown.keys()


async def test_the_hub_registers_at_a_platform_on_demand(world: World) -> None:
    """C-19, C-20: the platform reads the hub's versions with token B before it answers."""
    platform = await world.platform("P3", ("EMSP", "NL/MS1"))
    asked = {"versions_url": platform.versions_url, "token": platform.invite()}
    response = await world.admin.post("/admin/partners", json=asked)
    assert response.status_code == 201, response.text
    assert response.json() == await only_partner(world)
    assert response.json()["parties"][0]["status"] == "CONNECTED"
    assert platform.connection is not None
    assert await versions_status(world, platform.connection.token) == 200


async def test_a_platform_that_cannot_be_used_is_told_apart_from_a_wrong_request(world: World) -> None:
    """C-21: 502 is the platform's fault, 400 the operator's; nothing stays behind."""
    platform = await world.platform("P3", ("EMSP", "NL/MS1"))
    asked = {"versions_url": platform.versions_url, "token": "a-wrong-token"}
    assert_envelope(await world.admin.post("/admin/partners", json=asked), 502, 3001)
    refused = await world.admin.post("/admin/partners", json=asked | {"versions_url": "nowhere"})
    message = assert_envelope(refused, 400, 2001)
    assert "versions_url" in message
    assert "a-wrong-token" not in message
    assert (await world.admin.get("/admin/partners")).json() == []


async def connected(world: World) -> tuple[DemoPlatform, str]:
    """A platform that joined, and the path of the partner that it is."""
    platform = await world.join("P1", ("CPO", "DE/CP1"))
    return platform, f"/admin/partners/{(await only_partner(world))['id']}"


async def test_rotation_renews_both_tokens(world: World) -> None:
    """C-26."""
    platform, path = await connected(world)
    assert platform.connection is not None
    old = platform.connection.token
    response = await world.admin.post(f"{path}/rotate")
    assert response.status_code == 200, response.text
    assert platform.connection.token != old
    assert await versions_status(world, old) == 401
    assert await versions_status(world, platform.connection.token) == 200
    assert response.json() == await only_partner(world) | {"heard_at": response.json()["heard_at"]}


async def test_a_failed_rotation_leaves_the_tokens_alone(world: World) -> None:
    """C-26, X-05."""
    platform, path = await connected(world)
    assert platform.connection is not None
    async with platform.down():
        assert_envelope(await world.admin.post(f"{path}/rotate"), 502, 3001)
    assert await versions_status(world, platform.connection.token) == 200


async def test_a_dismissed_partner_is_told_and_gone(world: World) -> None:
    """C-16."""
    platform, path = await connected(world)
    assert platform.connection is not None
    token = platform.connection.token
    assert (await world.admin.delete(path)).status_code == 204
    assert [seen.method for seen in platform.seen if "credentials" in seen.path][-1] == "DELETE"
    assert await versions_status(world, token) == 401
    assert (await world.admin.get("/admin/partners")).json() == []


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/admin/partners/7"), ("POST", "/admin/partners/7/rotate")])
async def test_an_unknown_partner_is_not_found(method: str, path: str) -> None:
    async with door(ADMIN_TOKEN, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        assert_envelope(await client.request(method, path), 404, 2000)
