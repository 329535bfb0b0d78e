"""Single sign-on: somebody comes back from an identity provider, and has the account and the roles that follow from its groups.

An account is found by what the provider calls its owner for good (`subject`), never by its name: a name there may be given to somebody
else. An account with a password is taken over only after an admin handed it over.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar
from urllib.parse import quote, unquote
from zoneinfo import available_timezones

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from hub.console.accounts import Role, account_name
from hub.console.gate import Forbidden, Gate, address_of
from hub.console.routes import Console, own_path
from hub.store.accounts import Deed, KeptAccount, NewAccount
from hub.store.secrets import new_token

START_PATH = "/console/sign-in/start"
BACK_PATH = "/console/sign-in/back"
TICKET_COOKIE, TICKET_PATH = "hub_sign_on", "/console/sign-in"
TICKET_MINUTES = 10
SHOWN_NAME_MAX_CHARACTERS = 100
GROUPS_TOLD_MAX = 10

Answer = TypeVar("Answer")

Grants = Mapping[str, frozenset[Role]]
"""Roles by group."""


class ProviderAway(Exception):
    """The identity provider does not answer, or not as one; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What ties the way there to the way back: a secret of this browser. What is told to the provider is derived from it."""

    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        """What comes back in the address."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What comes back in what the provider signs."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What a code is exchanged with; only its hash was told before (PKCE, RFC 7636)."""
        return self._derived("verifier")

    def _derived(self, what: str) -> str:
        digest = hmac.digest(self.secret.encode(), what.encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a provider says of somebody: `names` are those to be called by, the best one first; `zone` is an IANA name or empty."""

    subject: str
    names: tuple[str, ...]
    shown_name: str
    groups: tuple[str, ...]
    zone: str = ""


class Provider(Protocol):
    """An identity provider; `issuer` names it among all, `label` to people."""

    issuer: str
    label: str

    async def begin(self, ticket: Ticket) -> str:
        """Where to send a browser. Raises ProviderAway."""
        ...

    async def finish(self, ticket: Ticket, query: Mapping[str, str]) -> Brought:
        """Who came back. Raises ProviderAway, or Forbidden where what came back is not to be trusted."""
        ...

    async def close(self) -> None:
        """End its connections."""
        ...


@dataclass(frozen=True, slots=True)
class SignOn:
    """A provider, and the roles that its groups stand for."""

    provider: Provider
    grants: Grants


def sign_on_router(console: Console, sign_on: SignOn) -> APIRouter:
    """The way to the provider and back."""
    router = console.router(is_open=True)

    @router.get(START_PATH.removeprefix("/console"))
    async def start(request: Request, next: str = "") -> Response:
        ticket = Ticket(new_token())
        response = RedirectResponse(await _or_away(sign_on.provider.begin(ticket)), 303)
        response.set_cookie(
            TICKET_COOKIE,
            f"{ticket.secret}:{quote(own_path(next), safe='')}",
            max_age=TICKET_MINUTES * 60,
            path=TICKET_PATH,
            secure=console.gate.is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    @router.get(BACK_PATH.removeprefix("/console"))
    async def back(request: Request) -> Response:
        secret, _, next = request.cookies.get(TICKET_COOKIE, "").partition(":")
        ticket = require_begun(secret, request.query_params.get("state", ""))
        brought = await _or_away(sign_on.provider.finish(ticket, request.query_params))
        account = await _account(console.gate, sign_on, brought, address_of(request))
        response = RedirectResponse(own_path(unquote(next)), 303)
        console.gate.set_cookie(response, await console.gate.open_session(account, address_of(request)))
        response.delete_cookie(TICKET_COOKIE, path=TICKET_PATH)
        return response

    return router


def require_begun(secret: str, state: str) -> Ticket:
    """The ticket of a browser that comes back with the state which it went with. Raises Forbidden."""
    ticket = Ticket(secret)
    if not secret or not hmac.compare_digest(ticket.state.encode(), state.encode()):
        raise Forbidden("This was not begun in this browser, or too long ago. Sign in again.")
    return ticket


async def _or_away(asked: Awaitable[Answer]) -> Answer:
    try:
        return await asked
    except ProviderAway as exc:
        raise HTTPException(502, str(exc)) from exc


def roles_of(groups: tuple[str, ...], grants: Grants) -> frozenset[Role]:
    """The roles that groups stand for; none where none of them stands for any."""
    return frozenset[Role]().union(*(grants.get(group, frozenset()) for group in groups))


def subject_of(issuer: str, subject: str) -> str:
    """What an account is found by: providers know their people by numbers, which others use too."""
    return f"{issuer}\nsub\n{subject}"


def handed_over(issuer: str, name: str) -> str:
    """The subject of an account that waits for its owner to come by single sign-on for the first time."""
    return f"{issuer}\nname\n{name}"


def name_of(brought: Brought) -> str:
    """A name for an account. Raises Forbidden where nothing that the provider says can be one."""
    for text in brought.names:
        try:
            return account_name(text)
        except ValueError:
            continue
    raise Forbidden("The identity provider tells no name that an account can have: preferred_username, or email.")


def require_roles(brought: Brought, grants: Grants) -> frozenset[Role]:
    """The roles of somebody. Raises Forbidden for nobody's."""
    roles = roles_of(brought.groups, grants)
    if not roles:
        groups = ", ".join(brought.groups[:GROUPS_TOLD_MAX]) or "none"
        raise Forbidden(
            f"The identity provider knows you, but none of your groups there has a role here. Your groups: {groups}. "
            "Ask whoever runs this hub."
        )
    return roles


async def _account(gate: Gate, sign_on: SignOn, brought: Brought, address: str) -> KeptAccount:
    """The account of somebody, made or brought up to date. Raises Forbidden."""
    issuer, name = sign_on.provider.issuer, name_of(brought)
    try:
        roles = require_roles(brought, sign_on.grants)
        known = await _known(gate, issuer, brought, name)
    except Forbidden as exc:
        deed = Deed(actor="", action="sign_on_refused", target=name, details={"why": str(exc)}, address=address)
        await gate.accounts.note(deed, gate.clock.now())
        raise
    return await _keep(gate, known, _new(issuer, brought, name, roles), address)


async def _known(gate: Gate, issuer: str, brought: Brought, name: str) -> KeptAccount | None:
    """The account of somebody, or the one that was handed over for them; None where a new one is to be made. Raises Forbidden."""
    found = await gate.accounts.of_subject(subject_of(issuer, brought.subject))
    found = found or await gate.accounts.of_subject(handed_over(issuer, name))
    if found is None and await gate.accounts.named(name) is not None:
        raise Forbidden(
            f"There is an account {name} already, which is not known to be yours. "
            "An admin can hand it over to single sign-on, under Accounts."
        )
    if found is not None and not found.is_active:
        raise Forbidden(f"Your account {found.name} is closed. Ask an admin.")
    return found


async def _keep(gate: Gate, known: KeptAccount | None, new: NewAccount, address: str) -> KeptAccount:
    """The account as it is from now on."""
    deed = Deed(
        actor=new.name,
        action="account_made",
        target=new.name,
        details={"roles": new.roles, "by": "single sign-on"},
        address=address,
    )
    if known is None:
        await gate.accounts.add(new, deed, gate.clock.now())
    elif (wanted := _as_kept(known, new)) != known:
        await gate.accounts.change(wanted, replace(deed, action="account_changed", target=known.name), gate.clock.now())
    kept = await gate.accounts.of_subject(new.subject or "")
    if kept is None:
        raise Forbidden("Somebody else took the same name in this moment. Sign in again.")
    return kept


def _as_kept(known: KeptAccount, new: NewAccount) -> KeptAccount:
    """A known account with what the provider says now; it keeps its name, and the zone that somebody chose."""
    return replace(known, shown_name=new.shown_name, roles=new.roles, subject=new.subject, zone=known.zone or new.zone)


def _new(issuer: str, brought: Brought, name: str, roles: frozenset[Role]) -> NewAccount:
    return NewAccount(
        name=name,
        shown_name=brought.shown_name.strip()[:SHOWN_NAME_MAX_CHARACTERS] or name,
        roles=" ".join(sorted(roles)),
        zone=brought.zone if brought.zone in available_timezones() else "",
        subject=subject_of(issuer, brought.subject),
    )
