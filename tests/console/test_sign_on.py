"""Single sign-on against a provider on loopback: the way there and back, roles from groups, and everything that can be wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey
from pydantic import SecretStr, ValidationError

from hub.console.accounts import Role, read_grants
from hub.console.oidc import Metadata, claim_at, read_metadata, scopes
from hub.console.sign_on import Ticket
from hub.settings import Settings
from tests.conftest import World, loopback_client, running_hub
from tests.console.provider import (
    ANOTHER_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    MINE,
    IdentityProvider,
    challenge,
    identity_provider,
    signed_with,
    unsigned,
)
from tests.console.visitors import Visitor, said, stranger, visitor
from tests.databases import Databases

START, NEXT = "/console/sign-in/start", "/console/cdrs?period=2026-10"
ROLES = "clerks=clerk,bosses=approver,bosses=admin"


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as made:
        yield made


@pytest.fixture(scope="module")
async def standing(
    provider: IdentityProvider, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A hub that knows the provider."""
    settings = {
        "oidc_issuer": provider.url,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SecretStr(CLIENT_SECRET),
        "oidc_roles": ROLES,
    }
    async with databases.lent() as url, running_hub(url, tmp_path_factory.mktemp("hub"), **settings) as made:
        yield made


@pytest.fixture
async def hub(standing: World, provider: IdentityProvider) -> World:
    """The same with a provider that does nothing wrong and knows Ines."""
    fresh = IdentityProvider(provider.server)
    for name in ("claims", "userinfo", "wrong", "metadata", "refuses", "forgets_codes", "is_broken", "sign"):
        setattr(provider, name, getattr(fresh, name))
    return standing


async def there(somebody: Visitor, next: str = NEXT) -> httpx.Response:
    """Go to the provider, and with what it answers to the door of the hub; returns what the provider says."""
    away = await somebody.http.get(START, params={"next": next})
    assert away.status_code == 303, said(away.text)
    async with loopback_client() as elsewhere:
        return await elsewhere.get(away.headers["location"])


async def signed_on(somebody: Visitor, status: int = 303) -> httpx.Response:
    """Go there and come back."""
    back = await somebody.http.get((await there(somebody)).headers["location"])
    assert back.status_code == status, said(back.text)
    return back


async def test_who_comes_back_has_the_account_and_the_roles_of_its_groups(
    hub: World, provider: IdentityProvider
) -> None:
    ines = stranger(hub)
    page = await ines.get(f"/console/sign-in?next={NEXT}")
    assert f"Single sign-on at 127.0.0.1:{provider.server.port}" in said(page)
    assert f'href="{START}?next=%2Fconsole%2Fcdrs%3Fperiod%3D2026-10"' in page
    provider.claims |= {"sub": "happy", "preferred_username": "Happy", "name": "Happy H.", "zoneinfo": "Europe/Oslo"}
    back = await signed_on(ines)
    assert back.headers["location"] == NEXT
    me = said(await ines.get("/console/me"))
    assert "Happy H. happy · clerk" in me
    assert "Times in Europe/Oslo" in me
    assert "You sign in by single sign-on" in me
    await ines.post("/console/me/password", 409, current="whatever-it-may-be")

    provider.claims |= {"groups": ["bosses", "others"], "preferred_username": "renamed"}
    boss = stranger(hub)
    await signed_on(boss)
    assert "happy · admin, approver" in said(await boss.get("/console/me")), "the same account, under its first name"
    assert "roles: admin approver" in said(await boss.get("/console/audit?target=happy&action=account_changed"))
    await ines.post("/console/sign-out")
    assert "Sign in" in await ines.get("/console/causes")


async def test_groups_that_are_told_only_to_those_who_ask_are_asked_for(hub: World, provider: IdentityProvider) -> None:
    del provider.claims["groups"]
    provider.claims |= {"sub": "asked", "preferred_username": "asked"}
    provider.userinfo = {"sub": "asked", "groups": "clerks"}
    asked = stranger(hub)
    await signed_on(asked)
    assert "asked · clerk" in said(await asked.get("/console/me"))
    provider.userinfo = {"sub": "somebody else", "groups": ["bosses"]}
    assert "two people at once" in said((await signed_on(stranger(hub), 403)).text)


async def test_what_is_told_to_the_provider_says_nothing_of_the_secret_of_the_browser(
    hub: World, provider: IdentityProvider
) -> None:
    away = await stranger(hub).http.get(START)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
    cookie = away.headers["set-cookie"]
    ticket = Ticket(cookie.partition("=")[2].partition(":")[0].strip('"'))
    assert (asked["state"], asked["nonce"]) == (ticket.state, ticket.nonce)
    assert (asked["code_challenge"], asked["code_challenge_method"]) == (challenge(ticket.verifier), "S256")
    assert ticket.verifier not in away.headers["location"]
    assert asked["redirect_uri"] == f"{hub.url}/console/sign-in/back"
    assert asked["scope"] == "openid profile email groups"
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/console/sign-in", "Max-Age=600"))


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        pytest.param(
            {"wrong": {"nonce": "another"}}, 403, "not good for this sign-in", id="the nonce of another browser"
        ),
        pytest.param({"wrong": {"nonce": None}}, 403, "not good for this sign-in", id="no nonce"),
        pytest.param({"wrong": {"aud": "another-client"}}, 403, "not good for this sign-in", id="for somebody else"),
        pytest.param(
            {"wrong": {"aud": [CLIENT_ID, "another"], "azp": "another"}},
            403,
            "not good",
            id="for two, given to the other",
        ),
        pytest.param({"wrong": {"iss": "https://another.example"}}, 403, "not good", id="by another provider"),
        pytest.param({"wrong": {"exp": 1}}, 403, "not good for this sign-in", id="expired"),
        pytest.param({"wrong": {"iat": 99_999_999_999}}, 403, "not good for this sign-in", id="of the future"),
        pytest.param({"wrong": {"at_hash": "AAAA"}}, 403, "not good", id="beside another access token"),
        pytest.param({"sign": signed_with("ES256", ANOTHER_KEY)}, 403, "not good", id="signed by somebody else"),
        pytest.param(
            {"sign": signed_with("HS256", OctKey.import_key(CLIENT_SECRET))},
            403,
            "not good",
            id="with the shared secret",
        ),
        pytest.param({"sign": unsigned}, 403, "not good for this sign-in", id="signed by nobody"),
        pytest.param({"sign": lambda _: "no-token"}, 403, "not good for this sign-in", id="no token at all"),
        pytest.param({"forgets_codes": True}, 403, "refuses this: invalid_grant", id="the code is expired"),
        pytest.param({"refuses": "access_denied"}, 403, "did not let you in: access_denied", id="refused there"),
        pytest.param(
            {"claims": {**MINE, "groups": ["drivers"]}}, 403, "Your groups: drivers", id="no group with a role"
        ),
        pytest.param(
            {"claims": {**MINE, "groups": {"clerks": 1}}}, 403, "Your groups: none", id="groups of no known form"
        ),
        pytest.param(
            {"claims": {**MINE, "sub": "a|b", "preferred_username": "in es"}}, 403, "tells no name", id="no usable name"
        ),
    ],
)
async def test_what_is_not_as_it_should_be_is_told_and_nobody_is_signed_in(
    hub: World, provider: IdentityProvider, changes: dict[str, Any], status: int, sentence: str
) -> None:
    for name, value in changes.items():
        setattr(provider, name, value)
    somebody = stranger(hub)
    assert sentence in said((await signed_on(somebody, status)).text)
    assert "Sign in" in await somebody.get("/console/causes")


async def test_who_did_not_go_there_does_not_come_back(hub: World) -> None:
    """The state belongs to the browser that went."""
    victim, attacker = stranger(hub), stranger(hub)
    link = (await there(attacker)).headers["location"]
    for somebody in (victim, attacker):
        address = link if somebody is victim else link.replace("state=", "state=x")
        refused = await somebody.http.get(address)
        assert (refused.status_code, "not begun in this browser" in said(refused.text)) == (403, True)
    await there(victim)  # went as well, but another time
    assert (await victim.http.get(link)).status_code == 403
    assert (await victim.http.get(f"{link}&iss=https://another.example")).status_code == 403


async def test_nobody_is_led_to_another_site_afterwards(hub: World) -> None:
    ines = stranger(hub)
    back = await ines.http.get((await there(ines, "https://evil.example/console/")).headers["location"])
    assert back.headers["location"] == "/console/causes"


async def test_a_provider_that_is_down_or_talks_nonsense_leaves_the_other_way_in(
    provider: IdentityProvider, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT_ID, "oidc_roles": ROLES}
    async with databases.lent() as url, running_hub(url, tmp_path_factory.mktemp("hub"), **settings) as world:
        for changes, sentence in (
            ({"is_broken": True}, "what it says is no JSON"),
            ({"metadata": {"issuer": "https://another.example"}}, "calls itself https://another.example"),
            ({"metadata": {"token_endpoint": None}}, "names no usable token_endpoint"),
        ):
            for name, value in changes.items():
                setattr(provider, name, value)
            away = await stranger(world).http.get(START)
            assert (away.status_code, sentence in said(away.text)) == (502, True), said(away.text)
            provider.is_broken, provider.metadata = False, {}
        await provider.server.stop()
        away = await stranger(world).http.get(START)
        await provider.server.start()
        assert (away.status_code, "it cannot be reached" in said(away.text)) == (502, True)
        await visitor(world, "vera", Role.VIEWER)


async def test_an_account_with_a_password_is_taken_over_only_when_an_admin_hands_it_over(
    hub: World, provider: IdentityProvider
) -> None:
    ada, bo = await visitor(hub, "ada", Role.ADMIN), await visitor(hub, "bo", Role.CLERK)
    link = (await ada.post("/console/accounts/bo/link", 200, page="/console/accounts")).text
    path = link.partition(f'value="{hub.url}')[2].partition('"')[0]
    provider.claims |= {"sub": "bo-there", "preferred_username": "bo", "groups": ["bosses"]}
    assert "not known to be yours" in said((await signed_on(stranger(hub), 403)).text)
    await ada.post("/console/accounts/ada/hand-over", 409, page="/console/accounts")
    await ada.post("/console/accounts/bo/hand-over", page="/console/accounts")
    assert "Sign in" in await bo.get("/console/causes"), "its sessions are over"
    await bo.sign_in(status=401)
    form = {"password": "another-long-password", "again": "another-long-password"}
    assert (await bo.http.post(path, data=form, headers=bo.origin)).status_code == 403, "a link from before"
    await ada.post("/console/accounts/bo/link", 409, page="/console/accounts")
    await signed_on(bo)
    assert "bo · admin, approver" in said(await bo.get("/console/me"))
    provider.claims["sub"] = "another-bo"
    await signed_on(stranger(hub), 403)
    refused = said(await ada.get("/console/audit?action=sign_on_refused&target=bo"))
    assert refused.count("not known to be yours") == 2


async def test_roles_of_single_sign_on_are_those_of_its_groups_and_an_admin_can_close_the_account(
    hub: World, provider: IdentityProvider
) -> None:
    ada = await visitor(hub, "grace", Role.ADMIN)
    provider.claims |= {"sub": "closed", "preferred_username": "closed"}
    await signed_on(stranger(hub))
    await ada.post("/console/accounts/closed", page="/console/accounts", roles="admin", is_active="yes")
    assert "roles: clerk, is_active: True" in said(await ada.get("/console/audit?target=closed"))
    await ada.post("/console/accounts/closed", page="/console/accounts")
    assert "Your account closed is closed" in said((await signed_on(stranger(hub), 403)).text)


async def test_without_a_provider_there_is_no_way_to_one(standing_world: World) -> None:
    nobody = stranger(standing_world)
    assert "Single sign-on" not in await nobody.get("/console/sign-in")
    assert (await nobody.http.get(START)).headers["location"].startswith("/console/sign-in?next=")


@pytest.mark.parametrize(
    ("text", "grants"),
    [
        pytest.param("a=clerk", {"a": {Role.CLERK}}, id="one"),
        pytest.param(
            " a = clerk , b=viewer,", {"a": {Role.CLERK}, "b": {Role.VIEWER}}, id="blanks, and a comma at the end"
        ),
        pytest.param("a=clerk,a=operator", {"a": {Role.CLERK, Role.OPERATOR}}, id="two roles of one group"),
        pytest.param("CN=hub=admin", {"CN=hub": {Role.ADMIN}}, id="a group with an equals sign"),
        pytest.param("", {}, id="none"),
    ],
)
def test_roles_are_read_by_group(text: str, grants: dict[str, set[Role]]) -> None:
    assert read_grants(text) == grants


@pytest.mark.parametrize("text", ["clerk", "=clerk", "a=boss", "a="])
def test_a_role_that_is_none_is_refused_when_the_hub_starts(text: str) -> None:
    with pytest.raises(ValidationError, match="is not group=role with one of the roles viewer, clerk"):
        Settings(_env_file=None, oidc_roles=text)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        pytest.param({"oidc_client_id": "hub"}, "needs HUB_OIDC_CLIENT_ID and HUB_OIDC_ROLES", id="nobody has a role"),
        pytest.param(
            {"oidc_roles": "a=clerk"}, "needs HUB_OIDC_CLIENT_ID and HUB_OIDC_ROLES", id="the hub has no name"
        ),
        pytest.param(
            {"oidc_issuer": "http://sso.example", "oidc_client_id": "hub", "oidc_roles": "a=clerk"},
            "by https",
            id="no TLS",
        ),
    ],
)
def test_a_provider_is_set_as_a_whole(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Settings(_env_file=None, **{"oidc_issuer": "https://sso.example", **settings})


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        pytest.param("groups", ["a"], id="by its name"),
        pytest.param("realm_access.roles", ["b"], id="the way to it"),
        pytest.param("https://hub.example/roles", ["c"], id="a name with dots"),
        pytest.param("realm_access.groups", None, id="not there"),
        pytest.param("groups.roles", None, id="the way leads into a list"),
    ],
)
def test_groups_are_found_where_a_provider_has_them(name: str, claim: Any) -> None:
    claims = {"groups": ["a"], "realm_access": {"roles": ["b"]}, "https://hub.example/roles": ["c"]}
    assert claim_at(claims, name) == claim


HERE = "https://sso.example"
SAID = {
    "issuer": HERE,
    "authorization_endpoint": f"{HERE}/a",
    "token_endpoint": f"{HERE}/t",
    "jwks_uri": f"{HERE}/k",
}


def test_a_provider_of_https_sends_nobody_over_http() -> None:
    assert read_metadata(SAID, HERE).userinfo is None
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        with pytest.raises(ValueError, match=f"names no usable {name}"):
            read_metadata({**SAID, name: "http://sso.example/x"}, HERE)


def test_groups_are_asked_for_where_the_provider_offers_that() -> None:
    offered: Metadata = replace(read_metadata(SAID, HERE), scopes=("openid", "groups"))
    assert scopes(offered, "groups") == "openid profile email groups"
    assert scopes(offered, "realm_access.roles") == "openid profile email"
