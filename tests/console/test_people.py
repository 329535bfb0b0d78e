"""Accounts, what their roles allow, and the audit log."""

from __future__ import annotations

import psycopg
import pytest

from hub.console.accounts import GRANTS, Permission, Role
from tests.conftest import World
from tests.console.visitors import said, stranger, visitor

FORBIDDEN = {
    Role.VIEWER: (
        "/console/causes/x",
        "/console/periods/2026-10/draft",
        "/console/missing/chase",
        "/console/decisions/1/confirm",
        "/console/accounts",
    ),
    Role.CLERK: ("/console/periods/2026-10/advise", "/console/periods/2026-10/seal", "/console/decisions/1/confirm"),
    Role.OPERATOR: ("/console/causes/x", "/console/periods/2026-10/close", "/console/accounts"),
    Role.APPROVER: ("/console/accounts", "/console/accounts/vera/link"),
}
FORM = {"action": "accept", "reason": "PRICE", "name": "eve", "roles": "admin"}


@pytest.mark.parametrize(
    ("role", "path"),
    [pytest.param(role, path, id=f"{role} {path}") for role, paths in FORBIDDEN.items() for path in paths],
)
async def test_a_role_does_what_it_grants_and_no_more(world: World, role: Role, path: str) -> None:
    somebody = await visitor(world, "somebody", role)
    answer = await somebody.post(path, 403, **FORM)
    assert "may not do this" in said(answer.text)


def test_every_role_may_read_and_the_admin_everything() -> None:
    assert all(Permission.READ in granted for granted in GRANTS.values())
    assert GRANTS[Role.ADMIN] == frozenset(Permission)


async def test_an_admin_makes_an_account_whose_owner_sets_the_password(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    form = {"name": "Bo", "shown_name": "Bo B.", "roles": ["clerk", "operator"]}
    answer = await ada.post("/console/accounts", 201, page="/console/accounts", **form)
    path = answer.text.partition('value="' + world.url)[2].partition('"')[0]
    bo = stranger(world, "bo")
    password = {"password": "a-long-password-of-his", "again": "a-long-password-of-his"}
    assert (await bo.http.post(path, data=password, headers=bo.origin)).status_code == 303
    await bo.sign_in("a-long-password-of-his")
    assert "clerk, operator" in said(await bo.get("/console/me"))
    await ada.post("/console/accounts", 409, page="/console/accounts", **form)


async def test_who_is_shut_out_is_signed_out_at_once(world: World) -> None:
    ada, vera = await visitor(world, "ada", Role.ADMIN), await visitor(world, "vera", Role.VIEWER)
    await ada.post("/console/accounts/vera", page="/console/accounts", shown_name="Vera", roles="viewer")
    assert "Sign in" in await vera.get("/console/causes")
    await vera.sign_in(status=401)


async def test_the_last_administration_is_not_given_away_by_oneself(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    await ada.post("/console/accounts/ada", 409, page="/console/accounts", roles="viewer", is_active="yes")
    await ada.get("/console/accounts")


async def test_what_people_did_is_written_down_and_cannot_be_changed(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    await ada.post("/console/accounts", 201, page="/console/accounts", name="bo", roles="viewer")
    page = said(await ada.get("/console/audit?actor=ada"))
    assert "account made bo" in page
    assert "signed in ada" in page
    connection = await psycopg.AsyncConnection.connect(world.database_url.replace("+psycopg", ""))
    async with connection:
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute("delete from audit_entry")


async def test_times_are_shown_in_the_zone_of_the_person(world: World) -> None:
    ada = await visitor(world, "ada", Role.ADMIN)
    assert "Times in Europe/Berlin" in said(await ada.get("/console/audit"))
    await ada.post("/console/me", zone="Asia/Kathmandu")
    assert "UTC+0545" in said(await ada.get("/console/audit"))
    await ada.post("/console/me", 400, zone="Nowhere/Nothing")
