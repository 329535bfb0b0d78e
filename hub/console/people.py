"""Accounts and the audit log: who may sign in, what they may do, and what was done."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Request, Response

from hub.console.accounts import PASSWORD_MAX_CHARACTERS, Permission, Role, account_name, read_roles
from hub.console.gate import Gate, address_of
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.passwords import is_right
from hub.console.routes import Console, done
from hub.console.sign_on import SignOn, handed_over
from hub.console.signing_in import LINK_HOURS, PASSWORD, make_link
from hub.store.accounts import AUDIT_NEWEST_FIRST, AUDIT_SORTS, AuditAsked, AuditLine, Deed, KeptAccount, NewAccount
from hub.web.listing import Filters, Page, Text, asked_order, placed_page
from ocpi_modules.errors import InvalidParameters, UnknownPath
from ocpi_modules.types import decode_json

ACCOUNTS_PATH, AUDIT_PATH, ME_PATH = "/console/accounts", "/console/audit", "/console/me"

ShownName = Annotated[str, Form(max_length=100)]
Roles = Annotated[list[str], Form(max_length=len(Role))]


def people_router(console: Console, sign_on: SignOn | None = None) -> APIRouter:
    """The pages of accounts."""
    router = console.router()
    _add_accounts(router, console, sign_on)
    _add_changes(router, console)
    if sign_on is not None:
        _add_handing_over(router, console, sign_on.provider.issuer)
    _add_me(router, console)
    add_listing(router, console, _audit(console.gate))
    return router


def _add_accounts(router: APIRouter, console: Console, sign_on: SignOn | None) -> None:
    @router.get("/accounts")
    async def accounts(request: Request) -> Response:
        console.person(request, Permission.ADMINISTER)
        values = {"accounts": await console.gate.accounts.all(), "roles": Role, "sign_on": sign_on}
        return await console.page(request, "accounts.html", values)

    @router.post("/accounts")
    async def add(
        request: Request,
        name: Annotated[str, Form(max_length=200)],
        shown_name: ShownName = "",
        roles: Roles = [],  # noqa: B006 - the framework's way to say that nothing is chosen
    ) -> Response:
        person = console.person(request, Permission.ADMINISTER)
        new = _read_new(name, shown_name, roles)
        deed = Deed(
            actor=person.name,
            action="account_made",
            target=new.name,
            details={"roles": new.roles},
            address=address_of(request),
        )
        made = await console.gate.accounts.add(new, deed, console.gate.clock.now())
        if made is None:
            raise InvalidParameters(f"name: there is an account {new.name} already", http_status=409)
        link = await make_link(console.gate, PASSWORD, made)
        return await console.page(
            request, "account_link.html", {"name": new.name, "link": link, "hours": LINK_HOURS}, 201
        )


def _add_changes(router: APIRouter, console: Console) -> None:
    @router.post("/accounts/{name}/link")
    async def link(request: Request, name: str) -> Response:
        console.person(request, Permission.ADMINISTER)
        account = _with_password(await _named(console.gate, name))
        path = await make_link(console.gate, PASSWORD, account.id)
        await console.gate.note(request, request.state.person, "password_link_made", account.name)
        return await console.page(
            request, "account_link.html", {"name": account.name, "link": path, "hours": LINK_HOURS}
        )

    @router.post("/accounts/{name}")
    async def change(
        request: Request,
        name: str,
        shown_name: ShownName = "",
        roles: Roles = [],  # noqa: B006
        is_active: Annotated[str, Form()] = "",
    ) -> Response:
        person = console.person(request, Permission.ADMINISTER)
        account = await _named(console.gate, name)
        wanted = _changed(account, shown_name, roles, is_active=is_active == "yes")
        if account.id == person.account and not (wanted.is_active and Role.ADMIN in wanted.roles.split()):
            raise InvalidParameters("somebody else has to take your own administration away", http_status=409)
        details = {"roles": wanted.roles, "is_active": wanted.is_active}
        deed = Deed(
            actor=person.name,
            action="account_changed",
            target=account.name,
            details=details,
            address=address_of(request),
        )
        await console.gate.accounts.change(wanted, deed, console.gate.clock.now())
        return done(ACCOUNTS_PATH, f"{wanted.name} is changed.")


def _add_handing_over(router: APIRouter, console: Console, issuer: str) -> None:
    @router.post("/accounts/{name}/hand-over")
    async def hand_over(request: Request, name: str) -> Response:
        """Whoever is called so at the provider signs in to this account from now on, and its password is gone."""
        person = console.person(request, Permission.ADMINISTER)
        account = _with_password(await _named(console.gate, name))
        if account.id == person.account:
            raise InvalidParameters("somebody else has to hand your own account over", http_status=409)
        wanted = replace(account, password="", subject=handed_over(issuer, account.name))
        deed = Deed(actor=person.name, action="account_handed_over", target=account.name, address=address_of(request))
        await console.gate.accounts.change(wanted, deed, console.gate.clock.now())
        return done(ACCOUNTS_PATH, f"{account.name} signs in by single sign-on from now on.")


def _add_me(router: APIRouter, console: Console) -> None:
    @router.get("/me")
    async def me(request: Request) -> Response:
        account = await _named(console.gate, console.person(request).name)
        values = {"zones": sorted(available_timezones()), "is_elsewhere": account.subject is not None}
        return await console.page(request, "me.html", values)

    @router.post("/me")
    async def set_zone(request: Request, zone: Annotated[str, Form(max_length=100)]) -> Response:
        person = console.person(request)
        if zone not in available_timezones():
            raise InvalidParameters("zone: is no time zone", http_status=400)
        await console.gate.accounts.set_zone(person.account, zone)
        return done(ME_PATH, f"Times are shown in {zone}.")

    @router.post("/me/password")
    async def password(request: Request, current: Annotated[str, Form(max_length=PASSWORD_MAX_CHARACTERS)]) -> Response:
        person = console.person(request)
        account = _with_password(await _named(console.gate, person.name))
        if not await is_right(current, account.password):
            return done(ME_PATH, "That is not your password now.", is_good=False)
        link = await make_link(console.gate, PASSWORD, person.account)
        await console.gate.note(request, person, "password_link_made", person.name)
        return done(link, "")


def _read_new(name: str, shown_name: str, roles: list[str]) -> NewAccount:
    try:
        wanted = account_name(name)
        return NewAccount(
            name=wanted, shown_name=shown_name.strip() or wanted, roles=" ".join(sorted(read_roles(roles)))
        )
    except ValueError as exc:
        raise InvalidParameters(str(exc), http_status=400) from exc


def _with_password(account: KeptAccount) -> KeptAccount:
    """An account that has its password here. Raises InvalidParameters (409)."""
    if account.subject is not None:
        raise InvalidParameters(f"{account.name} signs in by single sign-on, and has no password here", http_status=409)
    return account


def _changed(account: KeptAccount, shown_name: str, roles: list[str], *, is_active: bool) -> KeptAccount:
    """An account with what an admin wants; the roles of single sign-on are those of its groups."""
    try:
        kept = account.roles if account.subject else " ".join(sorted(read_roles(roles)))
    except ValueError as exc:
        raise InvalidParameters(str(exc), http_status=400) from exc
    return replace(account, shown_name=shown_name.strip() or account.name, roles=kept, is_active=is_active)


async def _named(gate: Gate, name: str) -> KeptAccount:
    account = await gate.accounts.named(name)
    if account is None:
        raise UnknownPath("there is no such account")
    return account


class AuditFilters(Filters):
    """Which entries are wanted."""

    actor: Text | None = None
    action: Text | None = None
    target: Text | None = None
    sort: Literal["when", "-when"] | None = None


def _audit(gate: Gate) -> Listing[AuditLine, AuditFilters]:
    async def read(asked: AuditFilters) -> Page[AuditLine]:
        order, after = asked_order(AUDIT_SORTS, asked, AUDIT_NEWEST_FIRST)
        wanted = AuditAsked(actor=asked.actor, action=asked.action, target=asked.target, order=order, after=after)
        return placed_page(await gate.accounts.audit(wanted, asked.limit + 1), asked.limit, lambda line: line, order)

    return Listing(
        title="Audit log",
        intro="What people did here, and tried to. It only grows.",
        path=AUDIT_PATH,
        needs=Permission.ADMINISTER,
        columns=(
            Column(key="at", label="When", value=lambda line: line.at, kind="moment", sort="when"),
            Column(
                key="actor",
                label="Who",
                value=lambda line: line.actor,
                link=lambda line: f"{AUDIT_PATH}?actor={line.actor}",
            ),
            Column(key="action", label="Did", value=lambda line: line.action.replace("_", " ")),
            Column(key="target", label="To", value=lambda line: line.target, kind="code"),
            Column(key="details", label="Details", value=_details, is_minor=True),
            Column(key="address", label="From", value=lambda line: line.address, kind="code", is_minor=True),
        ),
        filters=(
            FilterField(name="actor", label="Who"),
            FilterField(name="action", label="Did"),
            FilterField(name="target", label="To"),
        ),
        asked=AuditFilters,
        read=read,
        empty="Nobody did anything yet.",
    )


def _details(line: AuditLine) -> str:
    return ", ".join(f"{name}: {value}" for name, value in decode_json(line.details.encode()).items())
