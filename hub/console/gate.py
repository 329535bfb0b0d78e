"""Who is asking: signing in, sessions in cookies, and what protects them: origins, tokens in forms, a limit on wrong passwords.

A session is a random cookie, of which the database has the SHA-256; it ends after SESSION_HOURS, or IDLE_HOURS without use.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.datastructures import FormData

from hub.clock import Clock
from hub.console.accounts import Permission, Person, Role
from hub.console.passwords import is_right
from hub.store.accounts import Accounts, Deed, KeptAccount
from hub.store.secrets import new_token, token_hash

COOKIE = "hub_session"
COOKIE_PATH = "/console"
SESSION_HOURS = 12
IDLE_HOURS = 2
FAILURES_MINUTES = 15
FAILURES_OF_NAME_MAX = 8
FAILURES_OF_ADDRESS_MAX = 40
FORM_MAX_BYTES = 256 * 1024
FORM_FIELDS_MAX = 500

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


class NotSignedIn(Exception):
    """Nobody is signed in here."""


class Forbidden(Exception):
    """The person may not do this; the message is a sentence."""


class SignInRefused(Exception):
    """The name or the password is wrong, or it was tried too often; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What somebody hands in to sign in; `address` is where from."""

    name: str
    password: str
    address: str


class Gate:
    """Lets people in."""

    def __init__(self, accounts: Accounts, clock: Clock, public_url: str) -> None:
        self.accounts, self.clock = accounts, clock
        self.is_secure = public_url.startswith("https://")

    async def person(self, request: Request, *, is_use: bool = True) -> Person:
        """Who asks; `is_use`: a person did something, which a page that refreshes itself does not. Raises NotSignedIn."""
        cookie = request.cookies.get(COOKIE, "")
        account = await self._account(cookie, is_use=is_use) if cookie else None
        if account is None:
            raise NotSignedIn
        return person_of(account)

    async def _account(self, cookie: str, *, is_use: bool) -> KeptAccount | None:
        idle = timedelta(hours=IDLE_HOURS)
        return await self.accounts.of_session(token_hash(cookie), self.clock.now(), idle, is_use=is_use)

    async def check(self, request: Request, *, in_session: bool) -> None:
        """Raises Forbidden for a request that changes something and comes from another site, or without the token of its session."""
        if request.method in SAFE_METHODS:
            return
        if not is_same_origin(request):
            raise Forbidden("This form was sent from another site; nothing was changed.")
        require_short(request)
        await _require_readable(request)
        cookie = request.cookies.get(COOKIE, "")
        if in_session and not hmac.compare_digest((await _given_token(request)).encode(), csrf_token(cookie).encode()):
            raise Forbidden("This page is older than your session; nothing was changed. Load the page again.")

    async def sign_in(self, asked: SignIn) -> str:
        """The cookie of a new session. Raises SignInRefused."""
        now = self.clock.now()
        since = now - timedelta(minutes=FAILURES_MINUTES)
        of_name, of_address = await self.accounts.failures(asked.name, asked.address, since)
        if of_name >= FAILURES_OF_NAME_MAX or of_address >= FAILURES_OF_ADDRESS_MAX:
            raise SignInRefused(f"Too many wrong passwords. Try again in {FAILURES_MINUTES} minutes.")
        account = await self.accounts.named(asked.name)
        usable = account if account is not None and account.is_active else None
        if not await is_right(asked.password, usable.password if usable else None) or usable is None:
            await self.accounts.note(
                Deed(actor="", action="sign_in_failed", target=asked.name, address=asked.address), now
            )
            raise SignInRefused("The name or the password is wrong.")
        return await self.open_session(usable, asked.address)

    async def open_session(self, account: KeptAccount, address: str) -> str:
        """The cookie of a new session of somebody who has shown who they are."""
        now, cookie = self.clock.now(), new_token()
        deed = Deed(actor=account.name, action="signed_in", target=account.name, address=address)
        await self.accounts.begin_session(
            token_hash(cookie), account.id, now + timedelta(hours=SESSION_HOURS), deed, now
        )
        return cookie

    async def sign_out(self, request: Request, person: Person) -> None:
        """End the session of a request."""
        deed = Deed(actor=person.name, action="signed_out", target=person.name, address=address_of(request))
        await self.accounts.end_session(token_hash(request.cookies.get(COOKIE, "")), deed, self.clock.now())

    def set_cookie(self, response: Response, cookie: str) -> None:
        """Hand the cookie of a session out."""
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=SESSION_HOURS * 3600,
            path=COOKIE_PATH,
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    async def note(self, request: Request, person: Person, action: str, target: str = "", **details: object) -> None:
        """Write what somebody did into the audit log."""
        deed = Deed(actor=person.name, action=action, target=target, details=details, address=address_of(request))
        await self.accounts.note(deed, self.clock.now())


def person_of(account: KeptAccount) -> Person:
    """Who an account stands for."""
    return Person(
        account=account.id,
        name=account.name,
        shown_name=account.shown_name,
        roles=frozenset(map(Role, account.roles.split())),
        zone=account.zone or "UTC",
    )


def require(person: Person, permission: Permission) -> None:
    """Raises Forbidden where a person may not."""
    if not person.may(permission):
        raise Forbidden(f"{person.shown_name} may not do this: it takes a role that may {permission}.")


def csrf_token(cookie: str) -> str:
    """What forms of a session carry; it says nothing of the cookie."""
    return hashlib.sha256(b"csrf\0" + cookie.encode()).hexdigest()


def is_same_origin(request: Request) -> bool:
    """Whether a browser says that a request comes from our own pages; those that say nothing send no forms."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host", "")


def require_short(request: Request) -> None:
    """Raises Forbidden for a form of unknown or unreasonable length."""
    length = request.headers.get("content-length", "0")
    if "transfer-encoding" in request.headers or not length.isdecimal() or int(length) > FORM_MAX_BYTES:
        raise Forbidden(f"A form has at most {FORM_MAX_BYTES // 1024} KiB.")


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


async def _require_readable(request: Request) -> None:
    """Raises Forbidden for a form with a character that no keyboard has, and that no database takes."""
    form = await _form(request)
    if any("\x00" in name or (isinstance(value, str) and "\x00" in value) for name, value in form.multi_items()):
        raise Forbidden("A form has no character of code 0; nothing was changed.")


async def _given_token(request: Request) -> str:
    header = request.headers.get(CSRF_HEADER)
    if header is not None:
        return header
    value = (await _form(request)).get(CSRF_FIELD, "")
    return value if isinstance(value, str) else ""


async def _form(request: Request) -> FormData:
    return await request.form(max_fields=FORM_FIELDS_MAX, max_files=1)
