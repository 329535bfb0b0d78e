"""Signing in and out, sessions, forged forms, and links that are good once."""

from __future__ import annotations

import pytest

from hub.clock import SystemClock
from hub.console.accounts import Role, account_name, new_password, read_roles
from hub.console.gate import FAILURES_OF_NAME_MAX, Gate
from hub.console.signing_in import first_link
from hub.store.accounts import Accounts
from hub.store.database import Database
from tests.conftest import SHIPPED_HASHER, World
from tests.console.visitors import PASSWORD, make_account, said, stranger, visitor


async def test_who_is_not_signed_in_is_led_to_the_form_and_back_to_the_page(world: World) -> None:
    nobody = stranger(world)
    answer = await nobody.http.get("/console/cdrs?period=2026-10")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/sign-in?next=/console/cdrs%3Fperiod%3D2026-10",
    )
    assert 'value="/console/cdrs?period=2026-10"' in await nobody.get(answer.headers["location"])


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("https://evil.example/console/", id="another site"),
        pytest.param("//evil.example/console/", id="another site without a scheme"),
        pytest.param("/console/\\evil.example", id="a backslash, which browsers take for a slash"),
        pytest.param("/settlement/cdrs", id="not of the console"),
    ],
)
async def test_nobody_is_led_anywhere_else_after_signing_in(world: World, address: str) -> None:
    await make_account(world, "vera", Role.VIEWER)
    form = {"name": "vera", "password": PASSWORD, "next": address}
    vera = stranger(world, "vera")
    answer = await vera.http.post("/console/sign-in", data=form, headers=vera.origin)
    assert answer.headers["location"] == "/console/causes"


async def test_a_session_is_a_cookie_that_scripts_cannot_read_and_ends_with_signing_out(world: World) -> None:
    vera = await visitor(world, "vera", Role.VIEWER)
    old = dict(vera.http.cookies)
    await vera.get("/console/causes")
    cookie = (await vera.sign_in()).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    await vera.post("/console/sign-out")
    vera.http.cookies.update(dict(vera.http.cookies))
    assert "Sign in" in await vera.get("/console/causes")
    vera.http.cookies.clear()
    vera.http.cookies.update(old)
    assert "Causes" in said(await vera.get("/console/causes"))  # the other session goes on


async def test_a_wrong_password_and_an_unknown_name_are_told_in_the_same_words(world: World) -> None:
    await make_account(world, "vera", Role.VIEWER)
    for name in ("vera", "nobody"):
        answer = await stranger(world, name).sign_in("not-the-password", status=401)
        assert "The name or the password is wrong." in said(answer.text)


def test_a_password_is_kept_in_a_way_that_takes_time_and_memory_to_guess_at() -> None:
    """The second of the two settings that RFC 9106 recommends: 64 MiB, three passes, four lanes."""
    assert SHIPPED_HASHER.hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_after_some_wrong_passwords_even_the_right_one_has_to_wait(world: World) -> None:
    await make_account(world, "vera", Role.VIEWER)
    vera = stranger(world, "vera")
    for _ in range(FAILURES_OF_NAME_MAX):
        await vera.sign_in("not-the-password", status=401)
    assert "Too many wrong passwords" in said((await vera.sign_in(status=401)).text)


async def test_a_form_from_another_site_changes_nothing(world: World) -> None:
    vera = await visitor(world, "vera", Role.VIEWER)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = await vera.http.post("/console/me", data={"zone": "UTC"}, headers=headers)
        assert answer.status_code == 403
    assert "Times in Europe/Berlin" in said(await vera.get("/console/me"))


@pytest.mark.parametrize(
    "token", [pytest.param("", id="none"), pytest.param("0" * 64, id="made up"), pytest.param("ä", id="not even ASCII")]
)
async def test_a_form_without_the_token_of_the_session_changes_nothing(world: World, token: str) -> None:
    vera = await visitor(world, "vera", Role.VIEWER)
    form = {"zone": "UTC", "csrf": token}
    assert (await vera.http.post("/console/me", data=form, headers=vera.origin)).status_code == 403


async def test_a_form_without_end_is_refused(world: World) -> None:
    vera = await visitor(world, "vera", Role.VIEWER)
    form = {"zone": "x" * 300_000}
    assert (await vera.http.post("/console/me", data=form, headers=vera.origin)).status_code == 403


async def test_the_first_account_is_made_by_a_link_that_is_good_once(world: World) -> None:
    database = Database(world.database_url)
    path = await first_link(Gate(Accounts(database.direct), SystemClock(), world.url))
    assert path is not None
    ada = stranger(world, "ada")
    assert "first account" in said(await ada.get(path))
    form = {"name": "Ada", "shown_name": "Ada L.", "password": PASSWORD, "again": PASSWORD}
    short = await ada.http.post(path, data={**form, "password": "short", "again": "short"}, headers=ada.origin)
    assert (short.status_code, "12 to 200 characters" in said(short.text)) == (400, True)
    assert (await ada.http.post(path, data=form, headers=ada.origin)).status_code == 303
    assert (await ada.http.get(path)).status_code == 403
    await ada.sign_in()
    assert "account made" in said(await ada.get("/console/audit"))
    assert await first_link(Gate(Accounts(database.direct), SystemClock(), world.url)) is None
    await database.close()


async def test_a_new_password_ends_the_sessions_that_were_there(world: World) -> None:
    ada, vera = await visitor(world, "ada", Role.ADMIN), await visitor(world, "vera", Role.VIEWER)
    answer = await ada.post("/console/accounts/vera/link", 200, page="/console/accounts")
    path = answer.text.partition('value="' + world.url)[2].partition('"')[0]
    form = {"password": "another-long-password", "again": "another-long-password"}
    assert (await vera.http.post(path, data=form, headers=vera.origin)).status_code == 303
    assert "Sign in" in await vera.get("/console/causes")
    await vera.sign_in("another-long-password")


async def test_pages_allow_nothing_from_elsewhere(world: World) -> None:
    vera = await visitor(world, "vera", Role.VIEWER)
    for answer in (await vera.http.get("/console/causes"), await vera.http.get("/console/nothing-here")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        pytest.param("short", "12 to 200 characters", id="too short"),
        pytest.param("x" * 201, "12 to 200 characters", id="too long"),
        pytest.param("vera-is-my-name", "contain the name", id="the name in it"),
        pytest.param("aaaaaaaabbbb", "different characters", id="always the same"),
    ],
)
def test_a_weak_password_is_told_why(password: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        new_password(password, "vera")


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä", "x" * 61, "a/b"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name is"):
        account_name(name)


def test_an_account_has_a_role() -> None:
    with pytest.raises(ValueError, match="at least one"):
        read_roles([])
