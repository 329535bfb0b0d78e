"""`account NAME`: whoever is locked out gets a link that is good once, and the audit log says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hub.clock import SystemClock
from hub.commands.account import ACTOR, account_link
from hub.console.accounts import Role
from hub.console.gate import Gate
from hub.store.accounts import Accounts, AuditAsked, Deed, NewAccount
from hub.store.database import Database
from tests.conftest import World
from tests.console.visitors import make_account, said, stranger

NEW = "a-new-password-for-her"
DEED = Deed(actor="", action="account_changed")


@pytest.fixture
async def gate(world: World) -> AsyncIterator[Gate]:
    database = Database(world.database_url)
    yield Gate(Accounts(database.direct), SystemClock(), world.url)
    await database.close()


async def set_password(world: World, told: str, **more: str) -> int:
    """Follow the link in what the command says; returns the status."""
    path = told.rpartition(world.url)[2]
    somebody = stranger(world)
    await somebody.get(path)
    form = {"password": NEW, "again": NEW, **more}
    return (await somebody.http.post(path, data=form, headers=somebody.origin)).status_code


async def test_who_is_locked_out_sets_another_password(world: World, gate: Gate) -> None:
    await make_account(world, "ada", Role.ADMIN)
    told = await account_link(gate, " Ada", world.url)
    assert told.startswith("The password of ada is set here, once, within 24 hours:")
    assert await set_password(world, told) == 303
    await stranger(world, "ada").sign_in(NEW)
    made = await gate.accounts.audit(AuditAsked(actor=ACTOR), 10)
    assert [(line.row.action, line.row.target) for line in made] == [("password_link_made", "ada")]


async def test_where_nobody_can_sign_in_it_makes_the_first_account(world: World, gate: Gate) -> None:
    await make_account(world, "ada", Role.ADMIN)
    ada = await gate.accounts.named("ada")
    assert ada is not None
    await gate.accounts.change(replace(ada, is_active=False), DEED, gate.clock.now())
    told = await account_link(gate, "ada", world.url)
    assert told.startswith("Nobody can sign in. The first account is made here")
    assert await set_password(world, told, name="ada") == 400, "a closed account keeps its name"
    assert await set_password(world, told, name="grace") == 303
    await stranger(world, "grace").sign_in(NEW)


async def test_an_account_of_single_sign_on_gets_a_password_here_when_its_provider_is_gone(
    world: World, gate: Gate
) -> None:
    new = NewAccount(name="ada", shown_name="Ada", roles="admin", subject="an-issuer ada")
    await gate.accounts.add(new, DEED, gate.clock.now())
    told = await account_link(gate, "ada", world.url, is_local=True)
    assert await set_password(world, told) == 303
    ada = stranger(world, "ada")
    await ada.sign_in(NEW)
    assert "account taken back" in said(await ada.get("/console/audit"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("eve", "there is no account eve", id="nobody is called so"),
        pytest.param("bo", "bo signs in by single sign-on", id="the provider has the password"),
        pytest.param("ines", "the account ines is closed", id="closed, and not opened by a link"),
    ],
)
async def test_what_a_link_cannot_help_is_told(world: World, gate: Gate, name: str, sentence: str) -> None:
    now = gate.clock.now()
    for who, subject in (("ada", None), ("bo", "an-issuer bo"), ("ines", None)):
        await gate.accounts.add(NewAccount(name=who, shown_name=who, roles="clerk", subject=subject), DEED, now)
    ines = await gate.accounts.named("ines")
    assert ines is not None
    await gate.accounts.change(replace(ines, is_active=False), DEED, now)
    with pytest.raises(ValueError, match=sentence):
        await account_link(gate, name, world.url)
