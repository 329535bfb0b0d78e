"""Signing in and out, and links that are good once: for the first account, and for a password that is to be set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from hub.console.accounts import PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS, Role, account_name, new_password
from hub.console.gate import COOKIE, COOKIE_PATH, Forbidden, Gate, NotSignedIn, SignIn, SignInRefused, address_of
from hub.console.passwords import hashed
from hub.console.routes import HOME_PATH, SIGN_IN_PATH, Console, done, own_path
from hub.console.sign_on import START_PATH, SignOn
from hub.store.accounts import Accounts, Deed, KeptAccount, NewAccount
from hub.store.secrets import new_token, token_hash

FIRST, PASSWORD = "first", "password"
LINK_HOURS = 24
LINK_PATH = "/console/link"

Name = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=PASSWORD_MAX_CHARACTERS)]
Zone = Annotated[str, Form(max_length=100)]


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """An account of a demonstration, as its sign-in page tells it."""

    name: str
    password: str
    roles: str


async def make_link(gate: Gate, purpose: str, account: int | None = None) -> str:
    """The path of a link that is good once, for LINK_HOURS."""
    secret = new_token()
    ends_at = gate.clock.now() + timedelta(hours=LINK_HOURS)
    await gate.accounts.make_link(token_hash(secret), purpose, account, ends_at)
    return f"{LINK_PATH}/{secret}"


async def first_link(gate: Gate) -> str | None:
    """The path of a link to make the first account; None where there is an account already."""
    return None if await gate.accounts.count() else await make_link(gate, FIRST)


def sign_in_router(console: Console, shown: Sequence[ShownAccount] = (), sign_on: SignOn | None = None) -> APIRouter:
    """The pages for people who are not signed in; `shown` are the accounts of a demonstration, `sign_on` another way in."""
    router = console.router(is_open=True)
    _add_sign_in(router, console, {"shown": shown, "sign_on": sign_on, "start_path": START_PATH})
    _add_links(router, console)

    @router.get("")
    @router.get("/")
    async def home() -> Response:
        return RedirectResponse(HOME_PATH, 303)

    return router


def _add_sign_in(router: APIRouter, console: Console, always: Mapping[str, object]) -> None:
    @router.get("/sign-in")
    async def ask(request: Request, next: str = "") -> Response:
        values = {**always, "next": own_path(next), "name": "", "sentence": ""}
        return await console.page(request, "sign_in.html", values)

    @router.post("/sign-in")
    async def sign_in(
        request: Request,
        name: Name,
        password: Password,
        next: Annotated[str, Form(max_length=2000)] = "",
        zone: Zone = "",
    ) -> Response:
        asked = SignIn(name.strip().casefold(), password, address_of(request))
        try:
            cookie = await console.gate.sign_in(asked)
        except SignInRefused as refused:
            values = {**always, "next": own_path(next), "name": name, "sentence": str(refused)}
            return await console.page(request, "sign_in.html", values, 401)
        await _take_zone(console.gate.accounts, asked.name, zone)
        response = RedirectResponse(own_path(next), 303)
        console.gate.set_cookie(response, cookie)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        with suppress(NotSignedIn):  # it is over already
            await console.gate.sign_out(request, await console.gate.person(request))
        response = RedirectResponse(SIGN_IN_PATH, 303)
        response.delete_cookie(COOKIE, path=COOKIE_PATH)
        return response


def _add_links(router: APIRouter, console: Console) -> None:
    @router.get("/link/{secret}")
    async def ask(request: Request, secret: str) -> Response:
        purpose, account = await _link(console, secret)
        return await console.page(request, "link.html", _link_values(purpose, account, ""))

    @router.post("/link/{secret}")
    async def use(
        request: Request,
        secret: str,
        password: Password,
        again: Password,
        name: Name = "",
        shown_name: Name = "",
        zone: Zone = "",
    ) -> Response:
        purpose, account = await _link(console, secret)
        try:
            wanted = account.name if account else account_name(name)
            if account is None and await console.gate.accounts.named(wanted) is not None:
                raise ValueError(f"there is a closed account {wanted}; choose another name")
            if password != again:
                raise ValueError("the two passwords are not the same")
            kept = await hashed(new_password(password, wanted))
        except ValueError as exc:
            return await console.page(request, "link.html", _link_values(purpose, account, str(exc)), 400)
        if not await console.gate.accounts.use_link(token_hash(secret), console.gate.clock.now()):
            raise Forbidden("This link was used already.")
        await _keep(console.gate, account or _first(wanted, shown_name.strip() or wanted, _known(zone)), kept, request)
        return done(f"{SIGN_IN_PATH}?next={quote(HOME_PATH)}", "The password is set. Sign in with it.")


def _link_values(purpose: str, account: KeptAccount | None, sentence: str) -> dict[str, object]:
    return {
        "is_first": purpose == FIRST,
        "account": account,
        "sentence": sentence,
        "least": PASSWORD_MIN_CHARACTERS,
        "most": PASSWORD_MAX_CHARACTERS,
    }


async def _link(console: Console, secret: str) -> tuple[str, KeptAccount | None]:
    found = await console.gate.accounts.link(token_hash(secret), console.gate.clock.now())
    if found is None or (found[0] == FIRST and await console.gate.accounts.count()):
        raise Forbidden("This link was used, or is too old. Ask for another one.")
    if found[1] is not None and found[1].subject is not None:
        raise Forbidden("This account signs in by single sign-on now, and has no password here.")
    return found


def _first(name: str, shown_name: str, zone: str) -> NewAccount:
    return NewAccount(name=name, shown_name=shown_name[:100], roles=Role.ADMIN.value, zone=zone)


async def _keep(gate: Gate, account: KeptAccount | NewAccount, password: str, request: Request) -> None:
    now = gate.clock.now()
    deed = Deed(actor=account.name, action="password_set", target=account.name, address=address_of(request))
    if isinstance(account, KeptAccount):
        await gate.accounts.change(replace(account, password=password), deed, now)
    else:
        await gate.accounts.add(replace(account, password=password), replace(deed, action="account_made"), now)


async def _take_zone(accounts: Accounts, name: str, zone: str) -> None:
    """The zone of the browser is that of an account which has none yet."""
    account = await accounts.named(name)
    if account is not None and account.zone == "" and _known(zone):
        await accounts.set_zone(account.id, zone)


def _known(zone: str) -> str:
    return zone if zone in available_timezones() else ""
