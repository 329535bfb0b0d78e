"""The handshake, both ways: checklist sections 4 and 5 (V-05 to V-08, C-01 to C-26), X-03 to X-07, X-11, T-06, T-20."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from hub.partners.client import ANSWER_MAX_BYTES, PartnerClient
from hub.partners.directory import Partner
from hub.partners.handshake import Discovery, read_credentials, require_endpoints
from hub.partners.quirks import Quirks, write_quirks
from hub.store.secrets import token_hash
from ocpi_modules.errors import (
    InvalidParameters,
    MethodNotAllowed,
    NoMatchingEndpoints,
    OcpiError,
    Unauthenticated,
    UnsupportedVersion,
    UnusableApi,
)
from ocpi_modules.headers import authorization, read_authorization
from ocpi_modules.parties import Role
from ocpi_modules.types import decode_json
from tests.partners.conftest import (
    HUB_VERSIONS_URL,
    Bench,
    Platform,
    endpoint_paths,
    failure,
    listed,
    party_role,
    success,
)

CP1 = party_role("CPO", "DE/CP1")
CP2 = party_role("CPO", "BE/CP2")
MS2 = party_role("EMSP", "BE/MS2")
NS1 = party_role("NSP", "GB/NS1")
ONLY_CREDENTIALS = ("credentials", "SENDER", "/creds")
LOCATIONS = ("locations", "SENDER", "/locations")


# --- registration of an invited platform -----------------------------------------------------


async def test_registering_returns_the_hubs_own_object_with_a_new_token(bench: Bench, cp1: Platform) -> None:
    """C-01, C-04, C-07, X-07, T-06."""
    await bench.invite("token-A", CP1)
    answer = decode_json(await bench.handshake.register("token-A", cp1.credentials(CP1)))
    assert answer["url"] == HUB_VERSIONS_URL
    assert [(r["role"], r["country_code"], r["party_id"]) for r in answer["roles"]] == [("HUB", "NL", "HUB")]
    assert answer["roles"][0]["business_details"] == {
        "name": "The hub",
        "website": "https://hub.example",
        "logo": {
            "url": "https://hub.example/l.svg",
            "thumbnail": "https://hub.example/l.svg",
            "category": "NETWORK",
            "type": "svg",
            "width": 256,
            "height": 256,
        },
    }
    assert answer["token"] not in {"token-A", cp1.token}
    assert len(answer["token"]) <= 64
    assert answer["token"].isascii()
    assert answer["token"].isprintable()


async def test_registering_reads_versions_and_details_with_token_b_first(bench: Bench, cp1: Platform) -> None:
    """C-02, C-03, X-03 (no line feed in the token), T-20, V-08 (no routing headers)."""
    await bench.invite("token-A", CP1)
    await bench.handshake.register("token-A", cp1.credentials(CP1))
    assert cp1.seen == ["GET /versions", "GET /2.2.1"]
    ids = [request.headers[name] for request in cp1.requests for name in ("x-request-id", "x-correlation-id")]
    assert len(set(ids)) == 4
    for request in cp1.requests:
        assert request.headers["authorization"] == authorization("token-B")
        assert not [name for name in request.headers if name.startswith("ocpi-")]


async def test_a_registered_platform_is_reached_as_it_listed_itself(bench: Bench, cp1: Platform) -> None:
    """V-05 (the interface of credentials is ignored), V-06, V-07 (unknown modules and versions), C-03."""
    partner = await bench.join(cp1, CP1)
    assert endpoint_paths(partner) == {
        ("credentials", "SENDER"): "https://cp1.example/odd/creds",
        ("locations", "SENDER"): "https://cp1.example/a1?k=1",
        ("tokens", "RECEIVER"): "https://cp1.example/zz/",
    }
    assert (partner.token, partner.versions_url, partner.is_joined) == ("token-B", cp1.url, True)
    assert bench.roster.directory.partner_of(CP1.party) == partner
    assert (bench.member(CP1).name, bench.status(CP1)) == ("The CP1 company", "CONNECTED")


async def test_token_a_is_dead_after_success(bench: Bench, cp1: Platform) -> None:
    """C-05, X-04."""
    await bench.join(cp1, CP1)
    assert not await bench.handshake.is_invited("A-of-cp1.example")
    with pytest.raises(Unauthenticated):
        await bench.handshake.register("A-of-cp1.example", cp1.credentials(CP1))


async def test_two_platforms_have_four_distinct_tokens(bench: Bench, cp1: Platform, web: respx.MockRouter) -> None:
    """C-04."""
    cp2 = Platform("cp2.example", web, token="another-B")
    first, second = await bench.join(cp1, CP1), await bench.join(cp2, CP2)
    assert first.token_hash != second.token_hash
    assert (first.token, second.token) == ("token-B", "another-B")


async def test_a_platform_may_have_several_roles(bench: Bench, cp1: Platform) -> None:
    """C-22: the same role twice, and one party in two roles."""
    both = party_role("EMSP", "DE/CP1")
    partner = await bench.join(cp1, CP1, both, CP2, MS2)
    assert listed(bench.roster.directory.members_of(partner)) == [
        "CPO BE/CP2 CONNECTED",
        "CPO DE/CP1 CONNECTED",
        "EMSP BE/MS2 CONNECTED",
        "EMSP DE/CP1 CONNECTED",
    ]


async def test_a_platform_that_only_reads_needs_no_functional_module(bench: Bench, cp1: Platform) -> None:
    """C-10, T-24: NSP and NAP."""
    cp1.answers["/2.2.1"] = cp1.details_answer(ONLY_CREDENTIALS)
    assert (await bench.join(cp1, NS1)).is_joined


def html(http_status: int = 200) -> httpx.Response:
    return httpx.Response(http_status, html="<h1>hello</h1>")


GOOD_VERSIONS = success([{"version": "2.2.1", "url": "https://cp1.example/2.2.1"}]).content
FAULTS = [
    pytest.param({"/versions": httpx.ConnectError("refused")}, UnusableApi, id="nobody listens (C-08)"),
    pytest.param({"/versions": httpx.ReadTimeout("slow")}, UnusableApi, id="no answer in time (C-08)"),
    pytest.param({"/versions": html()}, UnusableApi, id="HTML (C-08)"),
    pytest.param({"/versions": html(500)}, UnusableApi, id="HTTP 500 (C-08)"),
    pytest.param({"/versions": httpx.Response(204)}, UnusableApi, id="an empty answer (C-08)"),
    pytest.param({"/versions": failure(2000, 401)}, UnusableApi, id="token B refused (C-08)"),
    pytest.param({"/versions": failure(3000)}, UnusableApi, id="a refusal in the envelope (C-08)"),
    pytest.param({"/versions": success([], 404)}, UnusableApi, id="HTTP 404 with a good envelope (C-08)"),
    pytest.param({"/versions": httpx.Response(200, json=[])}, UnusableApi, id="no envelope (C-08)"),
    pytest.param({"/versions": success("2.2.1")}, UnusableApi, id="versions are not a list (C-08)"),
    pytest.param({"/versions": success([{"version": "2.2.1"}])}, UnusableApi, id="2.2.1 without URL (C-08)"),
    pytest.param(
        {"/versions": httpx.Response(200, content=GOOD_VERSIONS + b" " * ANSWER_MAX_BYTES)},
        UnusableApi,
        id="a good answer that is too large (C-08)",
    ),
    pytest.param(
        {"/versions": success([{"version": "2.2.1", "url": "https://[::1"}])},
        UnusableApi,
        id="an URL that is none (C-08)",
    ),
    pytest.param(
        {"/versions": success([{"version": "2.2.1", "url": "https://10.0.0.1/2.2.1"}])},
        UnusableApi,
        id="details at an address that is not public (C-08)",
    ),
    pytest.param({"/2.2.1": html(502)}, UnusableApi, id="no details (C-08)"),
    pytest.param({"/2.2.1": success({"version": "2.2.1"})}, UnusableApi, id="no endpoints (C-08)"),
    pytest.param(
        {"/2.2.1": success({"endpoints": [{"identifier": "tokens", "role": "SENDER", "url": "/tokens"}]})},
        UnusableApi,
        id="a relative URL (C-08)",
    ),
    pytest.param(
        {"/2.2.1": success({"endpoints": [{"identifier": "tokens", "url": "https://cp1.example/t"}]})},
        UnusableApi,
        id="a module without interface (C-08, V-03)",
    ),
    pytest.param({"/versions": success([])}, UnsupportedVersion, id="no versions at all (C-09)"),
    pytest.param(
        {"/versions": success([{"version": "2.1.1", "url": "https://cp1.example/2.1.1"}])},
        UnsupportedVersion,
        id="an older version only (C-09)",
    ),
    pytest.param(
        {"/2.2.1": success({"version": "2.2", "endpoints": []})},
        UnsupportedVersion,
        id="details of another version (C-09)",
    ),
    pytest.param(
        {"/2.2.1": success({"version": "2.2.1", "endpoints": []})},
        NoMatchingEndpoints,
        id="no endpoint (C-10)",
    ),
    pytest.param(
        {
            "/2.2.1": success(
                {
                    "endpoints": [
                        {"identifier": "credentials", "role": "SENDER", "url": "https://cp1.example/c"},
                        {"identifier": "hubclientinfo", "role": "RECEIVER", "url": "https://cp1.example/h"},
                        {"identifier": "nltnm-foo", "role": "SENDER", "url": "https://cp1.example/f"},
                        {"identifier": ["tokens"], "role": "SENDER", "url": "https://cp1.example/t"},
                    ]
                }
            )
        },
        NoMatchingEndpoints,
        id="no functional module (C-10)",
    ),
]


@pytest.mark.parametrize(("answers", "error"), FAULTS)
async def test_discovery_tells_what_is_wrong_with_a_platform(
    cp1: Platform, client: PartnerClient, answers: dict[str, Any], error: type[OcpiError]
) -> None:
    """C-08, C-09, C-10; the errors leave as HTTP 200 (T-14)."""
    cp1.answers |= answers
    with pytest.raises(error) as caught:
        require_endpoints(await Discovery(client).discover(cp1.url, "token-B"), frozenset({Role.CPO}))
    assert caught.value.http_status == 200


FAILURES = [
    pytest.param({"/versions": html(500)}, UnusableApi, id="3001"),
    pytest.param({"/versions": success([])}, UnsupportedVersion, id="3002"),
    pytest.param({"/2.2.1": success({"version": "2.2.1", "endpoints": []})}, NoMatchingEndpoints, id="3003"),
]


@pytest.mark.parametrize(("answers", "error"), FAILURES)
async def test_a_failed_registration_leaves_token_a_usable(
    bench: Bench, cp1: Platform, answers: dict[str, Any], error: type[OcpiError]
) -> None:
    """C-06: nothing is half registered, and another try succeeds."""
    await bench.invite("token-A", CP1)
    good, cp1.answers = cp1.answers, cp1.answers | answers
    with pytest.raises(error):
        await bench.handshake.register("token-A", cp1.credentials(CP1))
    assert bench.roster.directory.partners == {}
    assert bench.status(CP1) == "PLANNED"
    assert await bench.handshake.is_invited("token-A")
    cp1.answers = good
    await bench.handshake.register("token-A", cp1.credentials(CP1))
    assert bench.status(CP1) == "CONNECTED"


async def test_an_entry_alone_counts_as_a_list_of_one(cp1: Platform, client: PartnerClient) -> None:
    """V-07."""
    endpoint = {"identifier": "locations", "role": "SENDER", "url": "https://cp1.example/l"}
    cp1.answers["/versions"] = success({"version": "2.2.1", "url": "https://cp1.example/2.2.1"})
    cp1.answers["/2.2.1"] = success([{"version": "2.2.1", "endpoints": endpoint}])
    found = await Discovery(client).discover(cp1.url, "token-B")
    assert found.endpoints == {("locations", "SENDER"): "https://cp1.example/l"}


async def test_an_endless_trickle_is_cut_off(client: PartnerClient, web: respx.MockRouter) -> None:
    """C-08: the wait is bounded as a whole, not only between two bytes."""

    async def trickle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=_endless())

    client._fetch_wait_seconds = 0.3
    web.route(host="slow.example").mock(side_effect=trickle)
    with pytest.raises(UnusableApi):
        await Discovery(client).discover("https://slow.example/versions", "token-B")


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.02)


WRONG_OBJECTS = [
    pytest.param({"token": None}, id="no token"),
    pytest.param({"token": "with blank"}, id="a blank in the token (T-06)"),
    pytest.param({"token": "x" * 65}, id="65 characters of token (T-06)"),
    pytest.param({"url": None}, id="no url"),
    pytest.param({"url": "https://cp1.example/" + "x" * 236}, id="a url of 256 characters"),
    pytest.param({"url": "ftp://cp1.example/versions"}, id="another scheme"),
    pytest.param({"roles": []}, id="no roles (C-23)"),
    pytest.param({"roles": [{"role": "CPO"}]}, id="a role without party (C-23)"),
]


@pytest.mark.parametrize("changes", WRONG_OBJECTS)
def test_a_wrong_credentials_object_is_refused(cp1: Platform, changes: dict[str, Any]) -> None:
    """C-22, C-23, T-06."""
    assert read_credentials(cp1.credentials(CP1)).url == cp1.url
    with pytest.raises(InvalidParameters):
        read_credentials(cp1.credentials(CP1) | changes)


@pytest.mark.parametrize("content", [None, [], "token", 7], ids=repr)
async def test_a_body_that_is_no_object_is_refused_before_anything_is_called(
    bench: Bench, cp1: Platform, content: Any
) -> None:
    """C-23, C-06."""
    await bench.invite("token-A", CP1)
    with pytest.raises(InvalidParameters):
        await bench.handshake.register("token-A", content)
    assert cp1.requests == []
    assert await bench.handshake.is_invited("token-A")


WRONG_ROLES = [
    pytest.param([CP1, CP1], "same party twice", id="a triple named twice (C-22)"),
    pytest.param([CP1, CP2], "does not cover BE/CP2", id="a party that was not invited (C-25)"),
    pytest.param([party_role("EMSP", "DE/CP1")], "does not cover DE/CP1 as EMSP", id="a role that was not invited"),
    pytest.param([CP1, party_role("HUB", "NL/HUB")], "NL/HUB is this hub", id="the hub itself (C-24)"),
    pytest.param([CP1, party_role("CPO", "nl/hub")], "NL/HUB is this hub", id="the hub in lower case (C-24)"),
]


@pytest.mark.parametrize(("roles", "reason"), WRONG_ROLES)
async def test_only_invited_roles_can_be_claimed(bench: Bench, cp1: Platform, roles: list[Any], reason: str) -> None:
    """C-22, C-24, C-25."""
    await bench.invite("token-A", CP1)
    with pytest.raises(InvalidParameters, match=reason):
        await bench.handshake.register("token-A", cp1.credentials(*roles))
    assert cp1.requests == []


async def test_a_party_that_is_held_cannot_be_taken_over(bench: Bench, cp1: Platform, web: respx.MockRouter) -> None:
    """C-24, X-11: both were invited for it, the first one keeps it."""
    thief = Platform("thief.example", web)
    await bench.invite("token-A2", CP1)
    first = await bench.join(cp1, CP1)
    with pytest.raises(InvalidParameters, match="belongs to another connection"):
        await bench.handshake.register("token-A2", thief.credentials(CP1))
    assert bench.roster.directory.partner_of(CP1.party) == first
    assert list(bench.roster.directory.partners) == [first.id]


async def test_a_registered_platform_cannot_post_again(bench: Bench, cp1: Platform) -> None:
    """C-11."""
    await bench.invite("token-A", CP1)
    answer = decode_json(await bench.handshake.register("token-A", cp1.credentials(CP1)))
    with pytest.raises(MethodNotAllowed) as caught:
        await bench.handshake.register(answer["token"], cp1.credentials(CP1))
    assert caught.value.allowed == ("DELETE", "GET", "PUT")
    assert bench.opens(answer["token"])


async def test_a_token_that_nobody_was_given_opens_nothing(bench: Bench, cp1: Platform) -> None:
    """X-04."""
    with pytest.raises(Unauthenticated):
        await bench.handshake.register("guessed", cp1.credentials(CP1))
    assert cp1.requests == []


def test_reading_credentials_gives_the_hubs_object_with_the_readers_token(bench: Bench) -> None:
    """C-18, X-06."""
    shown = decode_json(bench.handshake.credentials_for("the-token-of-the-reader"))
    assert shown["token"] == "the-token-of-the-reader"
    assert [role["role"] for role in shown["roles"]] == ["HUB"]


# --- renewal by a registered platform --------------------------------------------------------


@pytest.fixture
async def partner(bench: Bench, cp1: Platform) -> Partner:
    """A partner with two roles, right after it joined."""
    joined = await bench.join(cp1, CP1, MS2)
    cp1.requests.clear()
    return joined


async def test_a_put_replaces_tokens_and_endpoints_at_once(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """C-12, C-13, X-05."""
    cp1.answers["/2.2.1"] = cp1.details_answer(LOCATIONS)
    answer = decode_json(await bench.handshake.update(partner, cp1.credentials(CP1, MS2, token="new-B")))
    assert cp1.seen == ["GET /versions", "GET /2.2.1"]
    assert cp1.tokens_seen == ["new-B", "new-B"]
    now = bench.caller(answer["token"])
    assert (now.id, now.token) == (partner.id, "new-B")
    assert endpoint_paths(now) == {("locations", "SENDER"): "https://cp1.example/locations"}
    assert bench.roster.directory.caller(partner.token_hash) is None


@pytest.mark.parametrize(("answers", "error"), FAILURES)
async def test_a_failed_put_changes_nothing(
    bench: Bench, cp1: Platform, partner: Partner, answers: dict[str, Any], error: type[OcpiError]
) -> None:
    """C-14."""
    before = bench.roster.directory
    cp1.answers |= answers
    with pytest.raises(error):
        await bench.handshake.update(partner, cp1.credentials(CP1, token="new-B"))
    now = await bench.roster.refresh()
    assert (now.partners, now.members) == (before.partners, before.members)


async def test_a_put_that_drops_a_party_suspends_it(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """C-25; HC-07: the other one's last_updated stays."""
    bench.clock.advance(60)
    before = bench.member(CP1).last_updated
    await bench.handshake.update(partner, cp1.credentials(CP1))
    assert (bench.status(CP1), bench.status(MS2)) == ("CONNECTED", "SUSPENDED")
    assert (bench.member(CP1).last_updated, bench.member(MS2).last_updated) == (before, bench.clock.now())
    assert bench.roster.directory.partner_of(MS2.party) is None


async def test_a_put_may_add_a_party_that_nobody_holds(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """C-25."""
    await bench.handshake.update(partner, cp1.credentials(CP1, MS2, NS1))
    assert bench.status(NS1) == "CONNECTED"


async def test_a_put_cannot_take_what_belongs_to_others(
    bench: Bench, cp1: Platform, partner: Partner, web: respx.MockRouter
) -> None:
    """C-24: a party that another platform holds, one that another platform is invited to bring, the hub."""
    await bench.join(Platform("cp2.example", web), CP2)
    await bench.invite("token-for-another", NS1)
    for wanted in (CP2, NS1, party_role("HUB", "NL/HUB")):
        with pytest.raises(InvalidParameters):
            await bench.handshake.update(partner, cp1.credentials(CP1, MS2, wanted))
    assert bench.roster.directory.caller(partner.token_hash) == partner
    assert listed(bench.roster.directory.members_of(partner)) == [
        "CPO DE/CP1 CONNECTED",
        "EMSP BE/MS2 CONNECTED",
    ]


async def test_an_expired_invitation_reserves_nothing(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """C-25."""
    await bench.invite("token-for-another", NS1)
    bench.clock.advance(2 * 24 * 3600)
    await bench.handshake.update(partner, cp1.credentials(CP1, NS1))
    assert bench.status(NS1) == "CONNECTED"


async def test_a_put_does_not_bring_back_who_left_meanwhile(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """C-16, X-05: the DELETE came while the versions were being read."""

    async def leave_first(request: httpx.Request) -> httpx.Response:
        await bench.handshake.unregister(partner)
        return cp1.versions_answer()

    cp1.router.route(host="other.example", path="/versions").mock(side_effect=leave_first)
    content = cp1.credentials(CP1) | {"url": "https://other.example/versions"}
    with pytest.raises(Unauthenticated):
        await bench.handshake.update(partner, content)
    assert bench.roster.directory.partners == {}
    assert bench.status(CP1) == "SUSPENDED"


# --- the end ---------------------------------------------------------------------------------


async def test_unregistering_stops_both_directions(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """C-16, HC-05, X-47."""
    await bench.handshake.unregister(partner)
    assert bench.roster.directory.caller(partner.token_hash) is None
    assert bench.roster.directory.partner_of(CP1.party) is None
    assert (bench.status(CP1), bench.status(MS2)) == ("SUSPENDED", "SUSPENDED")
    rows = await bench.partners.load()
    assert [(row.token_hash, row.token_sealed) for row in rows.partners] == [(None, None)]
    assert list(rows.endpoints) == []
    assert cp1.requests == []


async def test_who_left_can_be_invited_and_join_again(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """X-47."""
    await bench.partners.set_quirks(partner.id, write_quirks(Quirks(lenient=True, links="rebuild")))
    await bench.handshake.unregister(partner)
    await bench.invite("another-A", CP1)
    await bench.handshake.register("another-A", cp1.credentials(CP1))
    assert bench.status(CP1) == "CONNECTED"
    (again,) = bench.roster.directory.partners.values()
    assert again.quirks == Quirks(lenient=True, links="rebuild"), "its software is what it was"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(success(), id="the partner agrees"),
        pytest.param(httpx.ConnectError("down"), id="the partner is down"),
        pytest.param(html(500), id="the partner is at a loss"),
    ],
)
async def test_a_dismissed_partner_is_told_and_out_in_any_case(
    bench: Bench, cp1: Platform, partner: Partner, answer: Any
) -> None:
    """C-16, from the hub's side."""
    cp1.answers["/odd/creds"] = answer
    await bench.handshake.dismiss(partner)
    assert set(cp1.seen) == {"DELETE /odd/creds"}
    assert set(cp1.tokens_seen) == {"token-B"}
    assert bench.roster.directory.partners == {}


# --- the hub registers at a platform ---------------------------------------------------------


class Host(Platform):
    """A platform at which the hub registers: it answers our credentials with `greeting`, and notes them and
    whom their token opens the hub for at that moment.
    """

    bench: Bench
    greeting: httpx.Response | Exception
    offered: dict[str, Any]
    opened_as: Partner | None

    def greet(self, bench: Bench, answer: httpx.Response | Exception) -> None:
        self.bench, self.greeting = bench, answer
        self.answers["/2.2.1"] = self.details_answer(ONLY_CREDENTIALS, LOCATIONS)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method in {"POST", "PUT"}:
            self.offered = json.loads(request.content)
            self.opened_as = self.bench.roster.directory.caller(token_hash(self.offered["token"]))
            self.answers[request.url.path] = self.greeting
        return super()._answer(request)


@pytest.fixture
def host(bench: Bench, web: respx.MockRouter) -> Host:
    """A platform that gave the hub the token A `their-A` and answers with `their-C`."""
    made = Host("host.example", web)
    made.greet(bench, success(made.credentials(CP2, MS2, token="their-C")))
    return made


async def test_the_hub_registers_in_the_order_of_the_handshake(bench: Bench, host: Host) -> None:
    """C-19."""
    partner = await bench.handshake.register_at(host.url, "their-A")
    assert host.seen == ["GET /versions", "GET /2.2.1", "POST /creds"]
    assert host.tokens_seen == ["their-A"] * 3
    assert host.requests[-1].headers["content-type"] == "application/json"
    assert (host.offered["url"], host.offered["roles"][0]["role"]) == (HUB_VERSIONS_URL, "HUB")
    assert (partner.token, partner.is_joined, partner.name) == ("their-C", True, "The CP2 company")
    assert bench.caller(host.offered["token"]) == partner
    assert listed(bench.roster.directory.members_of(partner)) == [
        "CPO BE/CP2 CONNECTED",
        "EMSP BE/MS2 CONNECTED",
    ]


async def test_token_b_opens_the_hub_while_its_post_is_open(bench: Bench, host: Host) -> None:
    """C-20, V-08: as the token of a platform that has not joined yet."""
    await bench.handshake.register_at(host.url, "their-A")
    assert host.opened_as is not None
    assert not host.opened_as.is_joined


REFUSALS = [
    pytest.param(failure(3001), id="refused in the envelope"),
    pytest.param(failure(2000, 401), id="their token A is dead"),
    pytest.param(html(500), id="no envelope"),
    pytest.param(httpx.ReadTimeout("slow"), id="no answer in time"),
    pytest.param(success({"token": "their-C"}), id="an answer that is no credentials object"),
    pytest.param(success(None), id="an answer without credentials"),
]


@pytest.mark.parametrize("greeting", REFUSALS)
async def test_token_b_is_discarded_when_the_post_fails(bench: Bench, host: Host, greeting: Any) -> None:
    """C-21."""
    host.greet(bench, greeting)
    with pytest.raises(UnusableApi):
        await bench.handshake.register_at(host.url, "their-A")
    assert host.opened_as is not None
    assert not bench.opens(host.offered["token"])
    assert (await bench.partners.load()).partners == []


async def test_a_registration_with_a_useless_answer_is_taken_back(bench: Bench, host: Host) -> None:
    """C-21: the other side believes that we joined."""
    host.greet(bench, success({"token": "their-C"}))
    with pytest.raises(UnusableApi):
        await bench.handshake.register_at(host.url, "their-A")
    assert (host.seen[-1], host.tokens_seen[-1]) == ("DELETE /creds", "their-C")


@pytest.mark.parametrize(
    ("endpoints", "remark"),
    [
        pytest.param([LOCATIONS], "credentials", id="no credentials"),
        pytest.param([ONLY_CREDENTIALS], "functional", id="no functional module"),
    ],
)
async def test_nothing_is_posted_when_endpoints_are_missing(
    bench: Bench, host: Host, endpoints: list[tuple[str, str, str]], remark: str
) -> None:
    """C-21."""
    host.answers["/2.2.1"] = host.details_answer(*endpoints)
    with pytest.raises(NoMatchingEndpoints, match=remark):
        await bench.handshake.register_at(host.url, "their-A")
    assert host.seen == ["GET /versions", "GET /2.2.1"]
    assert (await bench.partners.load()).partners == []


@pytest.mark.parametrize("taken", [CP1, party_role("HUB", "NL/HUB")], ids=["held by another", "the hub's own"])
async def test_parties_that_are_taken_undo_our_registration_there(
    bench: Bench, cp1: Platform, host: Host, taken: Any
) -> None:
    """C-24, X-11."""
    first = await bench.join(cp1, CP1)
    host.greet(bench, success(host.credentials(CP2, taken, token="their-C")))
    with pytest.raises(InvalidParameters, match=str(taken.party)):
        await bench.handshake.register_at(host.url, "their-A")
    assert (host.seen[-1], host.tokens_seen[-1]) == ("DELETE /creds", "their-C")
    assert not bench.opens(host.offered["token"])
    assert bench.roster.directory.partner_of(CP1.party) == first
    assert bench.roster.directory.partner_of(CP2.party) is None


async def test_a_registration_that_a_killed_hub_left_open_is_forgotten(
    bench: Bench, cp1: Platform, partner: Partner
) -> None:
    """C-21."""
    await bench.partners.open("https://half.example/versions", token_hash("half-open-B"), bench.clock.now())
    await bench.roster.refresh()
    bench.clock.advance(1)
    opened_since = bench.clock.now()
    await bench.partners.open("https://other.example/versions", token_hash("open-elsewhere-B"), opened_since)
    await bench.roster.refresh()
    assert bench.opens("half-open-B")
    await bench.handshake.discard_unfinished(before=opened_since)
    assert not bench.opens("half-open-B")
    assert bench.opens("open-elsewhere-B"), "a process that lives has it open"
    await bench.handshake.discard_unfinished(before=opened_since + timedelta(seconds=1))
    assert list(bench.roster.directory.partners) == [partner.id]


# --- rotation --------------------------------------------------------------------------------


@pytest.fixture
async def connected(bench: Bench, host: Host) -> Partner:
    """A partner at which the hub registered."""
    partner = await bench.handshake.register_at(host.url, "their-A")
    host.requests.clear()
    host.greet(bench, success(host.credentials(CP2, MS2, token="their-C2")))
    return partner


async def test_rotation_replaces_the_tokens_of_both_directions(bench: Bench, host: Host, connected: Partner) -> None:
    """C-26: the old token is dead at once, the partner's new one is used."""
    await bench.handshake.rotate(connected)
    assert (host.seen, host.tokens_seen) == (["PUT /creds"], ["their-C"])
    now = bench.caller(host.offered["token"])
    assert (now.id, now.token, now.endpoints) == (connected.id, "their-C2", connected.endpoints)
    assert bench.roster.directory.caller(connected.token_hash) is None
    assert list(bench.roster.directory.partners) == [connected.id]
    assert (bench.status(CP2), bench.status(MS2)) == ("CONNECTED", "CONNECTED")


async def test_the_new_token_opens_the_hub_while_its_put_is_open(bench: Bench, host: Host, connected: Partner) -> None:
    """X-05."""
    await bench.handshake.rotate(connected)
    assert host.opened_as is not None
    assert not host.opened_as.is_joined


@pytest.mark.parametrize("greeting", REFUSALS)
async def test_a_failed_rotation_leaves_the_tokens_in_use(
    bench: Bench, host: Host, connected: Partner, greeting: Any
) -> None:
    """C-26, X-05."""
    host.greet(bench, greeting)
    with pytest.raises(UnusableApi):
        await bench.handshake.rotate(connected)
    assert bench.roster.directory.partners == {connected.id: connected}
    assert not bench.opens(host.offered["token"])
    assert "DELETE /creds" not in host.seen


async def test_rotation_needs_a_credentials_endpoint(bench: Bench, cp1: Platform) -> None:
    """C-26."""
    cp1.answers["/2.2.1"] = cp1.details_answer(LOCATIONS)
    partner = await bench.join(cp1, CP1)
    with pytest.raises(NoMatchingEndpoints):
        await bench.handshake.rotate(partner)


# --- tokens at rest --------------------------------------------------------------------------


async def test_no_token_stands_in_the_database_as_it_is(bench: Bench, cp1: Platform) -> None:
    await bench.invite("token-A", CP1)
    answer = decode_json(await bench.handshake.register("token-A", cp1.credentials(CP1)))
    [row] = (await bench.partners.load()).partners
    stored = repr(row) + repr(await bench.partners.invitations())
    for token in ("token-A", "token-B", answer["token"]):
        assert token not in stored
    assert row.token_sealed is not None
    assert bench.safe.open(row.token_sealed) == "token-B"


def test_one_trailing_line_feed_of_a_token_is_forgiven() -> None:
    """X-03."""
    assert read_authorization("Token dG9rZW4tQgo=") == "token-B"
