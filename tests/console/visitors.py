"""People who use the console: a client with cookies that sends forms as browsers do."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx

from hub.clock import SystemClock
from hub.console.accounts import Role
from hub.console.passwords import hashed
from hub.store.accounts import Accounts, Deed, NewAccount
from hub.store.database import Database
from tests.conftest import LOOPBACK_WAIT_SECONDS, World

PASSWORD = "a-long-enough-password"
TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')
_hash: list[str] = []


@dataclass
class Visitor:
    """Somebody in front of a browser."""

    name: str
    http: httpx.AsyncClient

    async def get(self, path: str, status: int = 200) -> str:
        """The text of a page."""
        answer = await self.http.get(path, follow_redirects=True)
        assert answer.status_code == status, f"{path}: {answer.status_code} {said(answer.text)}"
        return answer.text

    async def rows(self, path: str) -> list[dict[str, str]]:
        """All rows of the table at an address, out of its file."""
        answer = await self.http.get(path, params={**dict(parse_qsl(urlsplit(path).query)), "format": "csv"})
        assert answer.status_code == 200, f"{path}: {answer.status_code} {said(answer.text)}"
        return [*csv.DictReader(io.StringIO(answer.text))]

    async def post(self, path: str, status: int = 303, page: str = "/console/me", **fields: object) -> httpx.Response:
        """Send a form with the token of a page."""
        found = TOKEN.search(await self.get(page))
        assert found, f"no form on {page}"
        answer = await self.http.post(path, data={"csrf": found[1], **fields}, headers=self.origin)
        assert answer.status_code == status, f"{path}: {answer.status_code} {said(answer.text)}"
        return answer

    async def sign_in(self, password: str = PASSWORD, status: int = 303) -> httpx.Response:
        """Sign in with the form."""
        data = {"name": self.name, "password": password, "zone": "Europe/Berlin"}
        answer = await self.http.post("/console/sign-in", data=data, headers=self.origin)
        assert answer.status_code == status, answer.text
        return answer

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": str(self.http.base_url).rstrip("/")}


async def visitor(world: World, name: str, *roles: Role) -> Visitor:
    """Somebody with an account, who is signed in."""
    await make_account(world, name, *roles)
    made = stranger(world, name)
    await made.sign_in()
    return made


def stranger(world: World, name: str = "nobody") -> Visitor:
    """Somebody who is not signed in; the client ends with the world."""
    client = httpx.AsyncClient(base_url=world.url, timeout=LOOPBACK_WAIT_SECONDS)
    world.stack.push_async_callback(client.aclose)
    return Visitor(name, client)


async def make_account(world: World, name: str, *roles: Role) -> None:
    """An account with the password of the tests."""
    database = Database(world.database_url)
    try:
        accounts = Accounts(database.direct)
        kept = " ".join(sorted(role.value for role in roles))
        new = NewAccount(name=name, shown_name=name.capitalize(), roles=kept, password=await _hashed())
        assert await accounts.add(new, Deed(actor="", action="account_made", target=name), SystemClock().now())
    finally:
        await database.close()


async def _hashed() -> str:
    if not _hash:
        _hash.append(await hashed(PASSWORD))
    return _hash[0]


def said(page: str) -> str:
    """What a page says, without its markup."""
    body = page.partition("<body")[2] or page
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())
