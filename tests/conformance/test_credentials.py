"""Handshake and life cycle of a registration, from outside: section 5 of the checklist (C-01 to C-26)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.demo.connection import Connection
from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform, role
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of, token_in
from tests.conftest import HASTY_SECONDS, HUB, loopback_client, running_hub
from tests.web.conftest import CP1, MS1, Bench, join_everybody

Object = dict[str, Any]

NOBODY_LISTENS = "http://127.0.0.1:1/versions"
A_TOKEN = re.compile(r"[\x21-\x7e]{1,64}")

_numbers = itertools.count(100)


def header_of(token: str) -> dict[str, str]:
    """The Authorization header of a credentials token, made by hand (RFC 4648 section 4)."""
    return {"Authorization": f"Token {base64.b64encode(token.encode()).decode()}"}


def looks_at_versions(platform: DemoPlatform) -> list[str]:
    """The paths of the version pages that were read at a platform, in order."""
    return [seen.path for seen in platform.seen if seen.module_id == "versions"]


def envelope(data: Any = None, status_code: int = 1000) -> Object:
    body = {"status_code": status_code, "timestamp": "2026-01-15T12:00:00Z"}
    return body if data is None else {**body, "data": data}


@dataclass
class Newcomer:
    """A platform that was invited and runs; what it says to the hub is said by hand."""

    hub: Bench
    platform: DemoPlatform
    token_a: str

    @property
    def party(self) -> Party:
        return self.platform.parties[0]

    def fresh_token(self) -> str:
        """A token B that opens the platform's versions."""
        return self.platform.invite()

    async def call(
        self, token: str | None, method: str, path: str = "credentials", content: Any = None
    ) -> httpx.Response:
        """A request to the hub with exactly this token."""
        headers = {"Content-Type": "application/json"} if content is not None else {}
        headers |= header_of(token) if token is not None else {}
        url = self.hub.world.versions_url if path == "versions" else f"{self.hub.world.url}/ocpi/2.2.1/{path}"
        body = None if content is None else json.dumps(content)
        return await self.hub.http.request(method, url.rstrip("/"), headers=headers, content=body)

    async def register(self, token_b: str | None = None) -> tuple[str, str]:
        """Token B and token C of a successful POST; from then on the platform answers the hub."""
        token_b = token_b or self.fresh_token()
        answer = await self.call(self.token_a, "POST", content=self.platform.credentials(token_b))
        assert answer.json()["status_code"] == 1000, answer.text
        return token_b, self.know(answer, token_b)

    def know(self, answer: httpx.Response, token_b: str) -> str:
        """Remember the tokens of a successful answer; gives token C."""
        token_c: str = answer.json()["data"]["token"]
        self.platform.connection = Connection(self.hub.world.versions_url, token_c, token_b)
        return token_c


Invite = Callable[..., Awaitable[Newcomer]]


@pytest.fixture(autouse=True)
async def _newcomers_leave(shared: Bench) -> AsyncIterator[None]:
    """Whoever joined the shared hub in a test is out of it afterwards: the fewer there are, the less there is to tell."""
    before = await partner_ids(shared)
    yield
    for joined in set(await partner_ids(shared)) - set(before):
        answer = await shared.world.admin.delete(f"/admin/partners/{joined}")
        assert answer.status_code == 204


async def partner_ids(hub: Bench) -> dict[int, str]:
    """The connections that the operator sees: versions URL by id."""
    listed = (await hub.world.admin.get("/admin/partners")).json()
    return {entry["id"]: entry["versions_url"] for entry in listed}


def fresh_party() -> Party:
    """A party that nobody in this hub has had yet."""
    return Party("FI", str(next(_numbers)))


@pytest.fixture
def invited(shared: Bench) -> Invite:
    """Invites a new platform with these roles to the shared hub: a CPO if none is named."""

    async def make(*roles: tuple[str, Party]) -> Newcomer:
        entries = [(name, str(party)) for name, party in roles or (("CPO", fresh_party()),)]
        platform = await shared.world.platform(f"newcomer {next(_numbers)}", *entries)
        return Newcomer(shared, platform, await shared.world.invite(platform.roles))

    return make


async def reach(hub: Bench, party: Party, platform: DemoPlatform, *, module: str = "locations") -> Seen:
    """What a platform gets when somebody asks one of its parties for something."""
    sender, asker = (CP1, hub.p1) if module == "tokens" else (MS1, hub.p3)
    platform.seen.clear()
    await hub.send(asker, "GET", f"sender/{module}?limit=1", sender=sender, receiver=party)
    (seen,) = [seen for seen in platform.seen if (seen.module_id, seen.sender) == (module, sender)]
    return seen


async def statuses(hub: Bench, party: Party) -> dict[str, str]:
    """How the hub lists a party: status by role."""
    found: dict[str, str] = {}
    url: str | None = f"{hub.world.url}/ocpi/2.2.1/sender/hubclientinfo"
    assert hub.p1.connection is not None
    while url is not None:
        page = await hub.http.get(url, headers=header_of(hub.p1.connection.token))
        for entry in page.json()["data"]:
            if (entry["country_code"], entry["party_id"]) == (party.country_code, party.party_id):
                found[entry["role"]] = entry["status"]
        url = page.headers["link"].partition(">")[0].removeprefix("<") if "link" in page.headers else None
    return found


async def has_registered(newcomer: Newcomer) -> bool:
    """Whether the operator sees a connection of the newcomer's platform."""
    return newcomer.platform.versions_url in (await partner_ids(newcomer.hub)).values()


def news_of(platform: DemoPlatform, party: Party) -> list[tuple[str, str]]:
    """What a platform was told of a party: roles and statuses in order."""
    return [
        (seen.content["role"], seen.content["status"])
        for seen in platform.seen
        if seen.module_id == "hubclientinfo" and seen.path.endswith(f"/{party}")
    ]


# --- registering: POST ----------------------------------------------------------------------------


@pytest.mark.proves("C-01", "C-07", "C-04", "X-07", "X-08")
async def test_registering_is_answered_with_the_object_of_the_hub_whose_only_role_is_hub(invited: Invite) -> None:
    """Not with the partner's own object, and none of the parties behind the hub is in it."""
    newcomer = await invited()
    token_b = newcomer.fresh_token()
    answer = await newcomer.call(newcomer.token_a, "POST", content=newcomer.platform.credentials(token_b))
    newcomer.know(answer, token_b)
    assert answer.status_code in {200, 201}
    assert answer.json()["status_code"] == 1000
    data = answer.json()["data"]
    assert set(data) == {"token", "url", "roles"}
    assert data["url"] == newcomer.hub.world.versions_url
    (only,) = data["roles"]
    assert (only["role"], only["country_code"], only["party_id"]) == ("HUB", HUB.country_code, HUB.party_id)
    assert 1 <= len(only["business_details"]["name"]) <= 100
    assert A_TOKEN.fullmatch(data["token"])
    assert not {"ocpi-from-party-id", "ocpi-to-party-id"} & set(answer.headers)


@pytest.mark.proves("C-02", "C-03")
async def test_the_answer_comes_after_the_hub_has_read_versions_and_details_with_token_b(invited: Invite) -> None:
    newcomer = await invited()
    newcomer.platform.faults.append(Fault(module_id="versions", wait_seconds=0.2))
    token_b = newcomer.fresh_token()
    started = time.perf_counter()
    answer = await newcomer.call(newcomer.token_a, "POST", content=newcomer.platform.credentials(token_b))
    assert time.perf_counter() - started >= 0.4
    newcomer.know(answer, token_b)
    newcomer.platform.faults.clear()
    assert [(seen.method, seen.path) for seen in newcomer.platform.seen] == [("GET", "/versions"), ("GET", "/2.2.1")]
    assert {token_in(seen) for seen in newcomer.platform.seen} == {token_b}


@pytest.mark.proves("C-02", "C-19", "X-51")
async def test_of_many_versions_the_details_of_this_endpoint_are_read_without_routing_headers(
    invited: Invite,
) -> None:
    newcomer = await invited()
    base = newcomer.platform.base_url
    listed = [{"version": name, "url": f"{base}/{name}"} for name in ("2.1.1", "2.2", "2.2.1", "2.3.0", "3.0")]
    newcomer.platform.faults.append(Fault(module_id="versions", body=json.dumps(envelope(listed)).encode(), once=True))
    await newcomer.register()
    assert looks_at_versions(newcomer.platform) == ["/versions", "/2.2.1"]
    for seen in newcomer.platform.seen:
        assert not [name for name in seen.headers if name.startswith("ocpi-")]
        assert seen.headers["x-request-id"]
        assert seen.headers["x-correlation-id"]
    assert len({seen.headers["x-request-id"] for seen in newcomer.platform.seen}) == 2


@pytest.mark.proves("C-03")
async def test_every_later_call_of_the_hub_carries_token_b(invited: Invite) -> None:
    newcomer = await invited()
    token_b, _ = await newcomer.register()
    assert token_in(await reach(newcomer.hub, newcomer.party, newcomer.platform)) == token_b
    await (await invited()).register()
    news = await newcomer.platform.wait_until_seen(lambda seen: seen.module_id == "hubclientinfo")
    assert {token_in(seen) for seen in news} == {token_b}


@pytest.mark.proves("C-04")
async def test_two_registrations_have_six_different_tokens(invited: Invite) -> None:
    one, two = await invited(), await invited()
    tokens = [one.token_a, *(await one.register()), two.token_a, *(await two.register())]
    assert len(set(tokens)) == 6
    assert all(A_TOKEN.fullmatch(token) for token in tokens)


@pytest.mark.proves("C-05", "X-04")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "versions", id="versions"),
        pytest.param("GET", "", id="version details"),
        pytest.param("GET", "credentials", id="credentials GET"),
        pytest.param("POST", "credentials", id="credentials POST: a used token A is no live one"),
        pytest.param("PUT", "credentials", id="credentials PUT"),
        pytest.param("DELETE", "credentials", id="credentials DELETE"),
        pytest.param("GET", "sender/locations", id="a module"),
    ],
)
async def test_token_a_is_dead_everywhere_after_success(invited: Invite, method: str, path: str) -> None:
    newcomer = await invited()
    token_b, token_c = await newcomer.register()
    content = newcomer.platform.credentials(token_b) if method in {"POST", "PUT"} else None
    answer = await newcomer.call(newcomer.token_a, method, path, content)
    assert answer.status_code == 401
    assert 2000 <= answer.json()["status_code"] < 3000
    assert "data" not in answer.json()
    assert result_of(await newcomer.call(token_c, "GET")) == (200, 1000)


REFUSALS = [
    pytest.param([Fault(module_id="versions", http_status=500, body=b"")], 3001, id="C-08 versions: an empty 500"),
    pytest.param([web_page()], 3001, id="C-08 versions: a page of HTML"),
    pytest.param([web_page(200)], 3001, id="C-08 versions: a page of HTML with HTTP 200"),
    pytest.param(
        [Fault(module_id="versions", wait_seconds=HASTY_SECONDS + 1)],
        3001,
        id="C-08 versions: no answer in time",
        marks=pytest.mark.hasty,
    ),
    pytest.param([Fault(http_status=401, status_code=2000)], 3001, id="C-08 versions: token B is refused"),
    pytest.param([Fault(status_code=2001)], 3001, id="C-08 versions: an OCPI error"),
    pytest.param([Fault(body=b"[]")], 3001, id="C-08 versions: JSON without an envelope"),
    pytest.param([Fault(once=True), web_page()], 3001, id="C-08 details: a page of HTML"),
    pytest.param([Fault(once=True), Fault(http_status=401, status_code=2000)], 3001, id="C-08 details: HTTP 401"),
    pytest.param([Fault(once=True), Fault(status_code=3000)], 3001, id="C-08 details: an OCPI error"),
    pytest.param(
        [Fault(once=True), Fault(body=json.dumps(envelope({"version": "2.2.1", "endpoints": []})).encode())],
        3003,
        id="C-10 details: no endpoints at all",
    ),
]


@pytest.mark.proves("C-06", "C-08", "C-10")
@pytest.mark.parametrize(("faults", "code"), REFUSALS)
async def test_an_api_that_cannot_be_used_registers_nothing_and_token_a_stays_good(
    invited: Invite, faults: list[Fault], code: int
) -> None:
    newcomer = await invited()
    newcomer.platform.faults.extend(faults)
    answer = await newcomer.call(
        newcomer.token_a, "POST", content=newcomer.platform.credentials(newcomer.fresh_token())
    )
    assert result_of(answer) == (200, code)
    assert "data" not in answer.json()
    assert not await has_registered(newcomer)
    assert await statuses(newcomer.hub, newcomer.party) == {"CPO": "PLANNED"}
    newcomer.platform.faults.clear()
    await newcomer.register()
    assert await statuses(newcomer.hub, newcomer.party) == {"CPO": "CONNECTED"}


@pytest.mark.proves("C-06", "C-08")
async def test_an_address_where_nobody_listens_is_3001_and_the_next_try_succeeds(invited: Invite) -> None:
    newcomer = await invited()
    wrong = {**newcomer.platform.credentials(newcomer.fresh_token()), "url": NOBODY_LISTENS}
    answer = await newcomer.call(newcomer.token_a, "POST", content=wrong)
    assert result_of(answer) == (200, 3001)
    assert "data" not in answer.json()
    assert not await has_registered(newcomer)
    assert result_of(await newcomer.call(newcomer.token_a, "GET", "versions")) == (200, 1000)
    await newcomer.register()


@pytest.mark.proves("C-09")
async def test_a_platform_without_this_version_is_3002(invited: Invite) -> None:
    newcomer = await invited()
    newcomer.platform.offered_version = "2.1.1"
    answer = await newcomer.call(
        newcomer.token_a, "POST", content=newcomer.platform.credentials(newcomer.fresh_token())
    )
    assert result_of(answer) == (200, 3002)
    assert "data" not in answer.json()
    assert looks_at_versions(newcomer.platform) == ["/versions"]
    assert not await has_registered(newcomer)


@pytest.mark.proves("C-10")
async def test_a_platform_that_offers_credentials_alone_is_3003(invited: Invite) -> None:
    newcomer = await invited()
    only_credentials = [
        {"identifier": "credentials", "role": "SENDER", "url": f"{newcomer.platform.base_url}/2.2.1/sender/credentials"}
    ]
    details = json.dumps(envelope({"version": "2.2.1", "endpoints": only_credentials})).encode()
    newcomer.platform.faults += [Fault(once=True), Fault(body=details)]
    answer = await newcomer.call(
        newcomer.token_a, "POST", content=newcomer.platform.credentials(newcomer.fresh_token())
    )
    assert result_of(answer) == (200, 3003)
    assert "data" not in answer.json()
    assert not await has_registered(newcomer)


@pytest.mark.proves("C-11", "X-04")
async def test_a_registered_platform_cannot_post_again(invited: Invite) -> None:
    newcomer = await invited()
    token_b, token_c = await newcomer.register()
    newcomer.platform.seen.clear()
    answer = await newcomer.call(token_c, "POST", content=newcomer.platform.credentials(newcomer.fresh_token()))
    assert answer.status_code == 405
    assert 2000 <= answer.json()["status_code"] < 3000
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PUT", "DELETE"}
    assert not looks_at_versions(newcomer.platform)
    assert (await newcomer.call(token_c, "GET")).json()["data"]["token"] == token_c
    assert token_in(await reach(newcomer.hub, newcomer.party, newcomer.platform)) == token_b


# --- reading: GET ---------------------------------------------------------------------------------


@pytest.mark.proves("C-18", "X-06")
async def test_get_gives_the_object_of_the_hub_with_the_token_of_its_reader(invited: Invite) -> None:
    """The same form for the holder of an invitation, with token A."""
    newcomer = await invited()
    before = await newcomer.call(newcomer.token_a, "GET")
    assert result_of(before) == (200, 1000)
    _, token_c = await newcomer.register()
    after = await newcomer.call(token_c, "GET")
    assert result_of(after) == (200, 1000)
    for answer, token in ((before, newcomer.token_a), (after, token_c)):
        data = answer.json()["data"]
        assert (data["token"], data["url"]) == (token, newcomer.hub.world.versions_url)
        assert [(entry["role"], entry["country_code"], entry["party_id"]) for entry in data["roles"]] == [
            ("HUB", HUB.country_code, HUB.party_id)
        ]


@pytest.mark.proves("X-51")
async def test_routing_headers_on_credentials_are_ignored_and_not_sent(invited: Invite) -> None:
    newcomer = await invited()
    headers = {**header_of(newcomer.token_a), "OCPI-from-party-id": "ZZZ", "OCPI-to-country-code": "TOO LONG"}
    answer = await newcomer.hub.http.get(f"{newcomer.hub.world.url}/ocpi/2.2.1/credentials", headers=headers)
    assert result_of(answer) == (200, 1000)
    assert not [name for name in answer.headers if name.startswith("ocpi-")]


# --- changing: PUT --------------------------------------------------------------------------------


@pytest.mark.proves("C-12", "C-13", "C-25", "X-05")
async def test_put_replaces_roles_address_and_token_and_the_old_token_stops(invited: Invite) -> None:
    """The platform moves to another address and brings one more party."""
    newcomer = await invited()
    _, token_c = await newcomer.register()
    more = fresh_party()
    roles = [("CPO", str(newcomer.party)), ("CPO", str(more))]
    moved = await newcomer.hub.world.platform(f"moved {more}", *roles)
    newcomer.platform.seen.clear()
    token_b2 = moved.invite()
    answer = await newcomer.call(token_c, "PUT", content=moved.credentials(token_b2))
    assert result_of(answer) == (200, 1000)
    data = answer.json()["data"]
    assert (data["url"], [entry["role"] for entry in data["roles"]]) == (newcomer.hub.world.versions_url, ["HUB"])
    token_c2 = data["token"]
    assert token_c2 not in {token_c, newcomer.token_a, token_b2}
    assert [(seen.path, token_in(seen)) for seen in moved.seen] == [("/versions", token_b2), ("/2.2.1", token_b2)]
    moved.connection = Connection(newcomer.hub.world.versions_url, token_c2, token_b2)
    assert (await newcomer.call(token_c, "GET")).status_code == 401
    assert (await newcomer.call(token_c, "GET", "sender/locations")).status_code == 401
    assert (await newcomer.call(token_c2, "GET")).json()["data"]["token"] == token_c2
    for party in (newcomer.party, more):
        assert token_in(await reach(newcomer.hub, party, moved)) == token_b2
    assert not [seen for seen in newcomer.platform.seen if seen.module_id != "hubclientinfo"]


@pytest.mark.proves("C-12")
async def test_put_reads_versions_and_details_again_though_nothing_but_the_token_changed(invited: Invite) -> None:
    """What the hub has read last is what it uses: the list of endpoints has shrunk meanwhile."""
    newcomer = await invited()
    _, token_c = await newcomer.register()
    newcomer.platform.hidden.add(("locations", Interface.SENDER))
    newcomer.platform.seen.clear()
    token_b2 = newcomer.fresh_token()
    answer = await newcomer.call(token_c, "PUT", content=newcomer.platform.credentials(token_b2))
    assert [(seen.path, token_in(seen)) for seen in newcomer.platform.seen if seen.module_id == "versions"] == [
        ("/versions", token_b2),
        ("/2.2.1", token_b2),
    ]
    newcomer.know(answer, token_b2)
    hub, party = newcomer.hub, newcomer.party
    gone = await hub.send(hub.p3, "GET", "sender/locations", sender=MS1, receiver=party)
    assert result_of(gone) == (200, 4000)
    assert token_in(await reach(hub, party, newcomer.platform, module="sessions")) == token_b2


@pytest.mark.proves("X-05", "C-13")
async def test_while_a_put_is_open_the_old_registration_works(invited: Invite) -> None:
    newcomer = await invited()
    token_b, token_c = await newcomer.register()
    newcomer.platform.faults.append(Fault(module_id="versions", wait_seconds=0.3, once=True))
    newcomer.platform.seen.clear()
    token_b2 = newcomer.fresh_token()
    put = asyncio.create_task(newcomer.call(token_c, "PUT", content=newcomer.platform.credentials(token_b2)))
    await newcomer.platform.wait_until_seen(lambda seen: seen.path == "/versions")
    assert result_of(await newcomer.call(token_c, "GET")) == (200, 1000)
    await newcomer.hub.send(newcomer.hub.p3, "GET", "sender/locations", sender=MS1, receiver=newcomer.party)
    (asked,) = [seen for seen in newcomer.platform.seen if (seen.module_id, seen.sender) == ("locations", MS1)]
    assert token_in(asked) == token_b
    assert not put.done()
    answer = await put
    assert result_of(answer) == (200, 1000)
    newcomer.know(answer, token_b2)
    assert (await newcomer.call(token_c, "GET")).status_code == 401


def _unreachable(content: Object, platform: DemoPlatform) -> Object:
    return {**content, "url": NOBODY_LISTENS}


def _of_another_version(content: Object, platform: DemoPlatform) -> Object:
    platform.offered_version = "2.1.1"
    return content


def _gateway_in_between(content: Object, platform: DemoPlatform) -> Object:
    platform.faults.append(web_page())
    return content


def _without_endpoints(content: Object, platform: DemoPlatform) -> Object:
    details = envelope({"version": "2.2.1", "endpoints": []})
    platform.faults += [Fault(once=True), Fault(module_id="versions", body=json.dumps(details).encode())]
    return content


def _without_roles(content: Object, platform: DemoPlatform) -> Object:
    return {**content, "roles": []}


def _with_the_party_of_another(content: Object, platform: DemoPlatform) -> Object:
    return {**content, "roles": [*content["roles"], role("CPO", str(CP1))]}


def _with_the_party_of_the_hub(content: Object, platform: DemoPlatform) -> Object:
    return {**content, "roles": [*content["roles"], role("CPO", str(HUB))]}


@pytest.mark.proves("C-14", "X-05")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        pytest.param(_unreachable, 3001, id="nobody listens at the new address"),
        pytest.param(_gateway_in_between, 3001, id="the new address answers HTML"),
        pytest.param(_of_another_version, 3002, id="another version"),
        pytest.param(_without_endpoints, 3003, id="no endpoints"),
        pytest.param(_without_roles, 2001, id="no valid object"),
        pytest.param(_with_the_party_of_another, 2001, id="C-24: a party of somebody else"),
        pytest.param(_with_the_party_of_the_hub, 2001, id="C-24: the party of the hub"),
    ],
)
async def test_a_put_that_fails_changes_nothing(
    invited: Invite, spoil: Callable[[Object, DemoPlatform], Object], code: int
) -> None:
    newcomer = await invited()
    token_b, token_c = await newcomer.register()
    token_b2 = newcomer.fresh_token()
    content = spoil(newcomer.platform.credentials(token_b2), newcomer.platform)
    answer = await newcomer.call(token_c, "PUT", content=content)
    assert result_of(answer) == (200, code)
    assert "data" not in answer.json()
    newcomer.platform.faults.clear()
    assert (await newcomer.call(token_c, "GET")).json()["data"]["token"] == token_c
    assert (await newcomer.call(token_b2, "GET")).status_code == 401
    assert token_in(await reach(newcomer.hub, newcomer.party, newcomer.platform)) == token_b
    assert await statuses(newcomer.hub, newcomer.party) == {"CPO": "CONNECTED"}


@pytest.mark.proves("C-15", "C-17", "X-04")
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_who_is_not_registered_yet_can_neither_put_nor_delete(invited: Invite, method: str) -> None:
    newcomer = await invited()
    content = newcomer.platform.credentials(newcomer.fresh_token()) if method == "PUT" else None
    answer = await newcomer.call(newcomer.token_a, method, content=content)
    assert answer.status_code == 405
    assert 2000 <= answer.json()["status_code"] < 3000
    assert set(answer.headers["allow"].split(", ")) == {"GET", "POST"}
    assert not newcomer.platform.seen
    await newcomer.register()


@pytest.mark.proves("X-04")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_token_that_nobody_knows_is_401_whatever_the_method(invited: Invite, method: str) -> None:
    newcomer = await invited()
    content = newcomer.platform.credentials(newcomer.fresh_token()) if method in {"POST", "PUT"} else None
    for token in ("nobody-has-this-one", None):
        answer = await newcomer.call(token, method, content=content)
        assert answer.status_code == 401
        assert 2000 <= answer.json()["status_code"] < 3000
    assert not newcomer.platform.seen


# --- leaving: DELETE ------------------------------------------------------------------------------


@pytest.mark.proves("C-16")
async def test_who_has_left_neither_opens_anything_nor_is_called_by_anybody(
    database_url: str, tmp_path: Path, location: Object
) -> None:
    """No forwards, broadcasts, ClientInfo and probes; with short timers, so that the others are probed meanwhile."""
    async with running_hub(database_url, tmp_path, still_alive_seconds=0.4) as world, loopback_client() as http:
        hub = await join_everybody(world, http)
        assert hub.p3.connection is not None
        token_c = hub.p3.connection.token
        left = await hub.send(hub.p3, "DELETE", "credentials")
        assert result_of(left) == (200, 1000)
        assert "data" not in left.json()
        await asyncio.sleep(0.1)  # for what was under way
        hub.forget_what_was_seen()
        for path in ("versions", "2.2.1", "2.2.1/credentials", "2.2.1/sender/locations"):
            answer = await http.get(f"{world.url}/ocpi/{path}", headers=header_of(token_c))
            assert (answer.status_code, "data" in answer.json()) == (401, False)
        told = await hub.send(hub.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=HUB, content=location)
        assert told.json()["status_code"] == 1000
        refused = await hub.send(
            hub.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=location
        )
        assert refused.status_code == 200
        assert refused.json()["status_code"] in {4001, 4003}
        await world.join("P6", ("CPO", "FI/AAA"))
        await hub.p4.wait_until_seen(lambda seen: seen.module_id == "locations")
        await hub.p4.wait_until_seen(lambda seen: seen.path.endswith("/FI/AAA"))
        await hub.p4.wait_until_seen(lambda seen: seen.path == "/versions", 2)
        assert not hub.p3.seen


# --- the hub registers at a partner ---------------------------------------------------------------


async def connect(hub: Bench, platform: DemoPlatform, token_a: str) -> httpx.Response:
    """The operator enters the address and token A of a platform."""
    content = {"versions_url": platform.versions_url, "token": token_a}
    return await hub.world.admin.post("/admin/partners", json=content)


@pytest.mark.proves("C-19", "C-20", "X-51")
async def test_the_hub_reads_versions_and_details_with_a_then_posts_b_and_uses_c(shared: Bench) -> None:
    party = fresh_party()
    platform = await shared.world.platform(f"host {party}", ("CPO", str(party)))
    base = platform.base_url
    listed = [{"version": name, "url": f"{base}/{name}"} for name in ("2.1.1", "2.2", "2.2.1", "3.0")]
    platform.faults.append(Fault(module_id="versions", body=json.dumps(envelope(listed)).encode(), once=True))
    token_a = platform.invite()
    assert (await connect(shared, platform, token_a)).status_code == 201
    steps = list(platform.seen)
    assert [(seen.method, seen.path) for seen in steps] == [
        ("GET", "/versions"),
        ("GET", "/2.2.1"),
        ("POST", "/2.2.1/sender/credentials"),
    ]
    assert [token_in(seen) for seen in steps] == [token_a] * 3
    assert not [name for seen in steps for name in seen.headers if name.startswith("ocpi-")]
    assert len({seen.headers["x-request-id"] for seen in steps}) == 3
    said = steps[2].content
    assert steps[2].headers["content-type"] == "application/json"
    assert (said["url"], [entry["role"] for entry in said["roles"]]) == (shared.world.versions_url, ["HUB"])
    assert platform.connection is not None
    token_b, token_c = said["token"], platform.connection.own_token
    assert len({token_a, token_b, token_c}) == 3
    assert A_TOKEN.fullmatch(token_b)
    assert token_in(await reach(shared, party, platform)) == token_c
    back = await shared.http.get(f"{shared.world.url}/ocpi/2.2.1/credentials", headers=header_of(token_b))
    assert back.json()["data"]["token"] == token_b


@pytest.mark.proves("C-20")
async def test_token_b_opens_versions_and_details_while_the_post_of_the_hub_is_open(shared: Bench) -> None:
    """A partner written by hand, which looks at the hub inside its POST handler."""
    party = fresh_party()
    looks: list[tuple[str, int, int]] = []

    async def open_post(request: Request) -> Response:
        said = await request.json()
        for path in ("versions", "2.2.1", "2.2.1/sender/locations"):
            looked = await shared.http.get(f"{shared.world.url}/ocpi/{path}", headers=header_of(said["token"]))
            looks.append((path, *result_of(looked)))
        credentials = {"token": "C-of-the-hand-made", "url": platform.versions_url, "roles": platform.roles}
        return JSONResponse(envelope(credentials))

    by_hand = Route("/2.2.1/sender/credentials", open_post, methods=["POST"])
    made = DemoPlatform(f"by hand {party}", [role("CPO", str(party))])
    platform = await shared.world.stack.enter_async_context(made.running(by_hand))
    assert (await connect(shared, platform, platform.invite())).status_code == 201
    assert looks[:2] == [("versions", 200, 1000), ("2.2.1", 200, 1000)]
    assert looks[2][1] == 401, "modules open after the registration"
    platform.connection = Connection(shared.world.versions_url, "", "C-of-the-hand-made")
    assert token_in(await reach(shared, party, platform)) == "C-of-the-hand-made"


@pytest.mark.proves("C-21")
@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(["credentials"], id="no functional module"),
        pytest.param(["locations", "sessions"], id="no credentials"),
        pytest.param([], id="nothing"),
    ],
)
async def test_the_hub_posts_nothing_where_expected_endpoints_are_missing(shared: Bench, listed: list[str]) -> None:
    party = fresh_party()
    platform = await shared.world.platform(f"bare {party}", ("CPO", str(party)))
    endpoints = [
        {"identifier": name, "role": "SENDER", "url": f"{platform.base_url}/2.2.1/sender/{name}"} for name in listed
    ]
    details = json.dumps(envelope({"version": "2.2.1", "endpoints": endpoints})).encode()
    platform.faults += [Fault(once=True), Fault(module_id="versions", body=details)]
    answer = await connect(shared, platform, platform.invite())
    assert answer.status_code >= 400
    assert answer.json()["status_code"] == 3003
    assert [seen.method for seen in platform.seen] == ["GET", "GET"]
    assert await statuses(shared, party) == {}


@pytest.mark.proves("C-21")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(module_id="credentials", status_code=3001), id="3001"),
        pytest.param(Fault(module_id="credentials", http_status=405, status_code=2000), id="HTTP 405"),
        pytest.param(Fault(module_id="credentials", http_status=500, body=b"oops"), id="HTTP 500"),
        pytest.param(Fault(module_id="credentials", body=json.dumps(envelope({})).encode()), id="no credentials in it"),
        pytest.param(
            Fault(module_id="credentials", wait_seconds=HASTY_SECONDS + 1),
            id="no answer in time",
            marks=pytest.mark.hasty,
        ),
    ],
)
async def test_token_b_is_discarded_when_the_post_of_the_hub_fails(shared: Bench, fault: Fault) -> None:
    party = fresh_party()
    platform = await shared.world.platform(f"refuses {party}", ("CPO", str(party)))
    platform.faults.append(fault)
    answer = await connect(shared, platform, platform.invite())
    assert answer.status_code >= 400
    assert answer.json()["status_code"] == 3001
    (posted,) = [seen for seen in platform.seen if seen.method == "POST"]
    token_b = posted.content["token"]
    for path in ("versions", "2.2.1", "2.2.1/credentials", "2.2.1/sender/locations"):
        answer = await shared.http.get(f"{shared.world.url}/ocpi/{path}", headers=header_of(token_b))
        assert answer.status_code == 401
    assert platform.versions_url not in (await partner_ids(shared)).values()
    assert await statuses(shared, party) == {}


# --- roles ----------------------------------------------------------------------------------------


@pytest.mark.proves("C-22")
async def test_a_platform_brings_several_parties_in_the_same_and_in_several_roles(invited: Invite) -> None:
    """Three CPOs and an eMSP, which has the id of one of the CPOs."""
    one, two, both = fresh_party(), fresh_party(), fresh_party()
    newcomer = await invited(("CPO", one), ("CPO", two), ("CPO", both), ("EMSP", both))
    token_b, _ = await newcomer.register()
    for party in (one, two, both):
        seen = await reach(newcomer.hub, party, newcomer.platform)
        assert (seen.receiver, token_in(seen)) == (party, token_b)
    assert (await reach(newcomer.hub, both, newcomer.platform, module="tokens")).receiver == both
    assert await statuses(newcomer.hub, both) == {"CPO": "CONNECTED", "EMSP": "CONNECTED"}


@pytest.mark.proves("C-22", "C-23")
@pytest.mark.parametrize("name", ["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"])
async def test_every_role_may_register(invited: Invite, name: str) -> None:
    """With a name and a token of the greatest length, on a platform that has another party too."""
    newcomer = await invited((name, fresh_party()), ("OTHER" if name == "CPO" else "CPO", fresh_party()))
    token_b = "B" * 64
    newcomer.platform.connection = Connection("", "", token_b)
    newcomer.platform.roles[0]["business_details"] = {"name": "N" * 100}
    answer = await newcomer.call(newcomer.token_a, "POST", content=newcomer.platform.credentials(token_b))
    assert answer.json()["status_code"] == 1000, answer.text
    assert await statuses(newcomer.hub, newcomer.party) == {name: "CONNECTED"}


def _changed(**changes: Any) -> Callable[[Object], Any]:
    return lambda content: {**content, **changes}


def _lacking(field: str) -> Callable[[Object], Any]:
    return lambda content: {name: value for name, value in content.items() if name != field}


def _role_changed(**changes: Any) -> Callable[[Object], Any]:
    return lambda content: {**content, "roles": [{**content["roles"][0], **changes}]}


def _role_lacking(field: str) -> Callable[[Object], Any]:
    return lambda content: {**content, "roles": [_lacking(field)(content["roles"][0])]}


def _twice(change: Callable[[str], str]) -> Callable[[Object], Any]:
    def spoil(content: Object) -> Object:
        (first,) = content["roles"]
        again = {**first, "country_code": change(first["country_code"]), "party_id": change(first["party_id"])}
        return {**content, "roles": [first, again]}

    return spoil


@pytest.mark.proves("C-22", "C-23")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: [content], id="a list"),
        pytest.param(lambda content: "credentials", id="a text"),
        pytest.param(_lacking("token"), id="no token"),
        pytest.param(_changed(token=""), id="T-06 an empty token"),
        pytest.param(_changed(token="two words"), id="T-06 a token with a blank"),
        pytest.param(_changed(token="t" * 65), id="T-06 a token of 65 characters"),
        pytest.param(_changed(token=7), id="a number as token"),
        pytest.param(_lacking("url"), id="no url"),
        pytest.param(_changed(url="/versions"), id="a relative url"),
        pytest.param(_changed(url="http://127.0.0.1/" + "v" * 239), id="a url of 256 characters"),
        pytest.param(_lacking("roles"), id="no roles"),
        pytest.param(_changed(roles=None), id="null as roles"),
        pytest.param(_changed(roles=[]), id="an empty list of roles"),
        pytest.param(_changed(roles={}), id="an object as roles"),
        pytest.param(_role_lacking("role"), id="a role without role"),
        pytest.param(_role_changed(role="CHARGER"), id="an unknown role"),
        pytest.param(_role_changed(role="cpo"), id="a role in lower case"),
        pytest.param(_role_lacking("party_id"), id="no party_id"),
        pytest.param(_role_changed(party_id=""), id="an empty party_id"),
        pytest.param(_role_changed(party_id="ABCD"), id="a party_id of four characters"),
        pytest.param(_role_lacking("country_code"), id="no country_code"),
        pytest.param(_role_changed(country_code="FIN"), id="a country_code of three letters"),
        pytest.param(_role_lacking("business_details"), id="no business_details"),
        pytest.param(_role_changed(business_details={"website": "https://x.example"}), id="no name"),
        pytest.param(_role_changed(business_details={"name": None}), id="null as name"),
        pytest.param(_role_changed(business_details={"name": "N" * 101}), id="a name of 101 characters"),
        pytest.param(_twice(str), id="C-22 the same party twice in one role"),
        pytest.param(_twice(str.lower), id="C-22, Y-04 the same party twice, in another case"),
    ],
)
async def test_wrong_credentials_are_refused_and_nothing_is_asked_of_their_sender(
    invited: Invite, spoil: Callable[[Object], Any]
) -> None:
    party = Party("FI", f"X{next(_numbers) % 100:02}")
    newcomer = await invited(("CPO", party))
    content = spoil(newcomer.platform.credentials(newcomer.fresh_token()))
    answer = await newcomer.call(newcomer.token_a, "POST", content=content)
    assert result_of(answer) == (200, 2001)
    assert "data" not in answer.json()
    assert not newcomer.platform.seen
    assert await statuses(newcomer.hub, party) == {"CPO": "PLANNED"}
    assert result_of(await newcomer.call(newcomer.token_a, "GET")) == (200, 1000)


@pytest.mark.proves("C-23")
async def test_an_unknown_field_in_credentials_is_no_fault(invited: Invite) -> None:
    """X-44, Y-10."""
    newcomer = await invited()
    token_b = newcomer.fresh_token()
    content = {**newcomer.platform.credentials(token_b), "x_vendor": {"a": 1}}
    answer = await newcomer.call(newcomer.token_a, "POST", content=content)
    assert result_of(answer)[1] == 1000
    newcomer.know(answer, token_b)


# --- whose parties --------------------------------------------------------------------------------


async def still_reaches_its_owner(hub: Bench) -> bool:
    """Whether what is sent to DE/CP1 comes to P1."""
    return (await reach(hub, CP1, hub.p1)).receiver == CP1


TAKEN = [
    pytest.param("CPO", CP1, id="the role that P1 holds"),
    pytest.param("EMSP", CP1, id="X-11: another role of the party of P1"),
    pytest.param("CPO", HUB, id="the party of the hub"),
    pytest.param("HUB", HUB, id="the hub itself"),
]


@pytest.mark.proves("C-24", "X-11")
@pytest.mark.parametrize(("name", "party"), TAKEN)
async def test_a_registration_cannot_take_over_a_party(invited: Invite, name: str, party: Party) -> None:
    newcomer = await invited()
    content = newcomer.platform.credentials(newcomer.fresh_token())
    content = {**content, "roles": [*content["roles"], role(name, str(party).lower())]}
    answer = await newcomer.call(newcomer.token_a, "POST", content=content)
    assert result_of(answer) == (200, 2001)
    assert not await has_registered(newcomer)
    assert await still_reaches_its_owner(newcomer.hub)


@pytest.mark.proves("C-24", "X-11")
@pytest.mark.parametrize(("name", "party"), TAKEN)
async def test_a_registered_platform_cannot_take_over_a_party(invited: Invite, name: str, party: Party) -> None:
    newcomer = await invited()
    _, token_c = await newcomer.register()
    content = newcomer.platform.credentials(newcomer.fresh_token())
    content = {**content, "roles": [*content["roles"], role(name, str(party).lower())]}
    answer = await newcomer.call(token_c, "PUT", content=content)
    assert result_of(answer) == (200, 2001)
    assert result_of(await newcomer.call(token_c, "GET")) == (200, 1000)
    assert await still_reaches_its_owner(newcomer.hub)


@pytest.mark.proves("C-24", "X-11")
@pytest.mark.parametrize(("name", "party"), TAKEN)
async def test_nobody_is_invited_to_bring_a_party_that_is_taken(shared: Bench, name: str, party: Party) -> None:
    wanted = [{"role": name, "country_code": party.country_code, "party_id": party.party_id}]
    answer = await shared.world.admin.post("/admin/invitations", json={"roles": wanted})
    assert answer.status_code == 400
    assert answer.json()["status_code"] == 2001


@pytest.mark.proves("C-24", "C-21", "X-11")
@pytest.mark.parametrize(("name", "party"), TAKEN)
async def test_the_hub_takes_its_registration_back_at_a_partner_that_claims_a_taken_party(
    shared: Bench, name: str, party: Party
) -> None:
    platform = await shared.world.platform(f"claims {name} {party}", ("CPO", str(fresh_party())), (name, str(party)))
    answer = await connect(shared, platform, platform.invite())
    assert answer.status_code == 400
    assert answer.json()["status_code"] == 2001
    assert [seen.method for seen in platform.seen if seen.module_id == "credentials"] == ["POST", "DELETE"]
    token_b = next(seen for seen in platform.seen if seen.method == "POST").content["token"]
    back = await shared.http.get(shared.world.versions_url, headers=header_of(token_b))
    assert back.status_code == 401
    assert await still_reaches_its_owner(shared)


@pytest.mark.proves("C-25")
async def test_a_post_claims_invited_roles_only(invited: Invite) -> None:
    """Some of them are enough; another role of an invited party is not covered."""
    party, other = fresh_party(), fresh_party()
    newcomer = await invited(("CPO", party), ("CPO", other))
    content = newcomer.platform.credentials(newcomer.fresh_token())
    for claimed in (role("EMSP", str(party)), role("CPO", str(fresh_party()))):
        answer = await newcomer.call(newcomer.token_a, "POST", content={**content, "roles": [claimed]})
        assert result_of(answer) == (200, 2001)
    some = await newcomer.call(newcomer.token_a, "POST", content={**content, "roles": [role("CPO", str(party))]})
    assert some.json()["status_code"] == 1000
    newcomer.know(some, content["token"])
    assert (await reach(newcomer.hub, party, newcomer.platform)).receiver == party
    refused = await newcomer.hub.send(newcomer.hub.p3, "GET", "sender/locations", sender=MS1, receiver=other)
    assert result_of(refused)[1] in {4001, 4003}


@pytest.mark.proves("C-25", "X-47")
async def test_dropping_and_adding_a_role_changes_who_is_reached_at_once_and_is_told(
    invited: Invite, token: Object
) -> None:
    cpo, emsp = fresh_party(), fresh_party()
    newcomer = await invited(("CPO", cpo), ("EMSP", emsp))
    hub, platform = newcomer.hub, newcomer.platform
    _, token_c = await newcomer.register()
    assert (await reach(hub, emsp, platform, module="tokens")).receiver == emsp
    await hub.p4.wait_until_seen(lambda seen: seen.path.endswith(f"/{emsp}"))
    hub.forget_what_was_seen()
    full = list(platform.roles)

    async def put(roles: list[Object], token: str) -> str:
        token_b = newcomer.fresh_token()
        content = {**platform.credentials(token_b), "roles": roles}
        answer = await newcomer.call(token, "PUT", content=content)
        assert result_of(answer) == (200, 1000)
        return newcomer.know(answer, token_b)

    token_c = await put(full[:1], token_c)
    refused = await hub.send(hub.p1, "GET", "sender/tokens", sender=CP1, receiver=emsp)
    assert refused.status_code == 200
    assert refused.json()["status_code"] in {4001, 4003}
    for other in (hub.p1, hub.p2, hub.p3, hub.p4, hub.p5):
        await other.wait_until_seen(lambda seen: seen.path.endswith(f"/{emsp}"))
        assert news_of(other, emsp) == [("EMSP", "SUSPENDED")]
    assert await statuses(hub, emsp) == {"EMSP": "SUSPENDED"}
    assert (await reach(hub, cpo, platform)).receiver == cpo
    hub.forget_what_was_seen()
    await put(full, token_c)
    assert (await reach(hub, emsp, platform, module="tokens")).receiver == emsp
    for other in (hub.p1, hub.p2, hub.p3, hub.p4, hub.p5):
        await other.wait_until_seen(lambda seen: seen.path.endswith(f"/{emsp}"))
        assert news_of(other, emsp) == [("EMSP", "CONNECTED")]
        assert news_of(other, cpo) == []
    assert await statuses(hub, emsp) == {"EMSP": "CONNECTED"}


# --- new tokens on demand -------------------------------------------------------------------------


async def renew(newcomer: Newcomer) -> httpx.Response:
    """What the operator does when a token may have leaked."""
    listed = await partner_ids(newcomer.hub)
    (found,) = [id_ for id_, url in listed.items() if url == newcomer.platform.versions_url]
    return await newcomer.hub.world.admin.post(f"/admin/partners/{found}/rotate")


@pytest.mark.proves("C-26", "X-05")
async def test_the_operator_renews_both_tokens_by_a_put_at_the_partner(invited: Invite) -> None:
    newcomer = await invited()
    platform, hub = newcomer.platform, newcomer.hub
    token_b, token_c = await newcomer.register()
    platform.connection = Connection(hub.world.versions_url, token_c, token_b)
    rotated = await renew(newcomer)
    assert rotated.status_code == 200
    (put,) = [seen for seen in platform.seen if (seen.method, seen.module_id) == ("PUT", "credentials")]
    fresh = put.content["token"]
    assert token_in(put) == token_b
    assert fresh not in {token_c, token_b, newcomer.token_a}
    assert (put.content["url"], [entry["role"] for entry in put.content["roles"]]) == (hub.world.versions_url, ["HUB"])
    assert not [name for name in put.headers if name.startswith("ocpi-")]
    assert platform.connection is not None
    assert (platform.connection.token, platform.connection.own_token != token_b) == (fresh, True)
    assert (await newcomer.call(token_c, "GET")).status_code == 401
    assert (await newcomer.call(fresh, "GET")).json()["data"]["token"] == fresh
    assert token_in(await reach(hub, newcomer.party, platform)) == platform.connection.own_token


@pytest.mark.proves("C-26", "X-05")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(module_id="credentials", status_code=3001), id="3001"),
        pytest.param(web_page(), id="HTML"),
    ],
)
async def test_a_renewal_that_the_partner_refuses_changes_nothing(invited: Invite, fault: Fault) -> None:
    newcomer = await invited()
    platform, hub = newcomer.platform, newcomer.hub
    token_b, token_c = await newcomer.register()
    platform.faults.append(fault)
    rotated = await renew(newcomer)
    assert rotated.status_code == 502
    platform.faults.clear()
    platform.connection = Connection(hub.world.versions_url, token_c, token_b)
    (put,) = [seen for seen in platform.seen if (seen.method, seen.module_id) == ("PUT", "credentials")]
    assert (await newcomer.call(put.content["token"], "GET")).status_code == 401
    assert result_of(await newcomer.call(token_c, "GET")) == (200, 1000)
    assert token_in(await reach(hub, newcomer.party, platform)) == token_b
