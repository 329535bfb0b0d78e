"""The calling half of a demo platform: every request to the other side, with the right URL, token, ids and parties."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hub.demo.connection import Connection
from hub.demo.shelf import Object
from hub.partners.client import Answer, Call, PartnerClient, join_url
from ocpi_modules.catalog import MODULES
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import UnusableApi
from ocpi_modules.headers import authorization, id_headers, read_next_link, routing_headers
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json

PAGES_MAX = 1000
ANSWER_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the other side answered: HTTP status, headers (names in lower case), and the envelope (None without one)."""

    http_status: int
    headers: Mapping[str, str] = field(repr=False)
    status_code: int | None
    message: str | None
    data: Any
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, answer: Answer) -> Heard:
        """An HTTP answer, read."""
        envelope = read_envelope(answer.body)
        if envelope is None:
            return cls(answer.http_status, answer.headers, None, None, None, answer.body)
        code, message, data = envelope.status_code, envelope.status_message, envelope.data
        return cls(answer.http_status, answer.headers, code, message, data, answer.body)

    @property
    def is_success(self) -> bool:
        """Whether both layers say so."""
        return self.http_status in (200, 201) and 1000 <= (self.status_code or 0) < 2000


@dataclass(frozen=True, slots=True)
class Crawl:
    """A list read to its end: the objects, what X-Total-Count said on the first page, and how many pages there were."""

    objects: list[Object]
    total: int
    pages: int


class Caller:
    """Calls the other side of `connection` on behalf of `parties`; the first speaks where none is named."""

    def __init__(
        self, name: str, parties: tuple[Party, ...], *, answer_wait_seconds: float = ANSWER_WAIT_SECONDS
    ) -> None:
        self.name = name
        self.parties = parties
        self.connection: Connection | None = None
        self._client = PartnerClient(allow_private=True, timeout_seconds=answer_wait_seconds)

    async def close(self) -> None:
        """Close every connection that this side opened."""
        await self._client.close()

    async def push(
        self, module_id: str, owner: Party, ids: tuple[str, ...], content: Object, *, receiver: Party | None
    ) -> Heard:
        """PUT an object or a part of it, as its owner; no receiver leaves the OCPI-to headers out."""
        return await self._change("PUT", module_id, (owner, ids), content, receiver)

    async def patch(
        self, module_id: str, owner: Party, ids: tuple[str, ...], fields: Object, *, receiver: Party | None
    ) -> Heard:
        """PATCH some fields of an object or of a part of it; `last_updated` has to be among them."""
        return await self._change("PATCH", module_id, (owner, ids), fields, receiver)

    async def delete(self, module_id: str, owner: Party, id_: str, *, receiver: Party | None) -> Heard:
        """DELETE an object of one's own (a Tariff)."""
        return await self._change("DELETE", module_id, (owner, (id_,)), None, receiver)

    async def post_cdr(self, cdr: Object, *, receiver: Party | None) -> Heard:
        """POST a CDR; the answer's Location header tells where it is kept."""
        sender = Party.of(cdr["country_code"], cdr["party_id"])
        url = self.endpoint("cdrs", Interface.RECEIVER)
        return await self.call("POST", url, sender=sender, receiver=receiver, content=cdr)

    async def read(self, module_id: str, owner: Party, ids: tuple[str, ...], *, receiver: Party | None) -> Heard:
        """GET an object of one's own from the other side's RECEIVER interface."""
        return await self._change("GET", module_id, (owner, ids), None, receiver)

    async def authorize(
        self,
        uid: str,
        token_type: str = "RFID",
        place: Object | None = None,
        *,
        sender: Party | None = None,
        receiver: Party | None,
    ) -> Heard:
        """Ask in real time whether a token may charge; `place` is a LocationReferences object."""
        base = self.endpoint("tokens", Interface.SENDER)
        url = join_url(base, f"{quote(uid, safe='')}/authorize", f"type={token_type}")
        return await self.call("POST", url, sender=sender, receiver=receiver, content=place)

    async def command(
        self, name: str, content: Object, *, sender: Party | None = None, receiver: Party | None
    ) -> Heard:
        """Send a command; the result comes to `callback_url`, if the content's `response_url` says so."""
        url = join_url(self.endpoint("commands", Interface.RECEIVER), name)
        return await self.call("POST", url, sender=sender, receiver=receiver, content=content)

    async def get_page(self, url: str, *, sender: Party | None = None, receiver: Party | None = None) -> Heard:
        """GET exactly this URL of a functional module."""
        return await self.call("GET", url, sender=sender, receiver=receiver)

    async def get_all(
        self, module_id: str, *, sender: Party | None = None, receiver: Party | None, query: str = ""
    ) -> Crawl:
        """Read a list to its end, at most PAGES_MAX pages. Raises UnusableApi when a page is refused."""
        url: str | None = join_url(self.endpoint(module_id, Interface.SENDER), "", query)
        objects: list[Object] = []
        total, pages = 0, 0
        while url is not None and pages < PAGES_MAX:
            heard = await self.get_page(url, sender=sender, receiver=receiver)
            if not heard.is_success:
                raise UnusableApi(f"GET {url}: HTTP {heard.http_status}, {heard.status_code} {heard.message}")
            objects.extend(heard.data)
            total, pages = total or int(heard.headers.get("x-total-count", "0")), pages + 1
            url = read_next_link(heard.headers.get("link"), url)
        return Crawl(objects, total, pages)

    async def client_infos(self) -> list[Object]:
        """The hub's list of parties; a configuration module, without routing headers. Raises UnusableApi."""
        url = self.endpoint("hubclientinfo", Interface.SENDER)
        infos: list[Object] = (await self._wanted("GET", url, self._connected().token)).data
        return infos

    def endpoint(self, module_id: str, interface: Interface) -> str:
        """The other side's address of an interface. Raises LookupError when it offers none."""
        return self._connected().endpoints[module_id, interface]

    async def call(
        self,
        method: str,
        url: str,
        *,
        sender: Party | None = None,
        receiver: Party | None = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Heard:
        """A functional request with all its headers; `headers` adds to them or changes them."""
        complete = {
            "Authorization": authorization(self._connected().token),
            **_fresh_ids(),
            **routing_headers(sender or self.parties[0], receiver),
            **_content_type(content),
            **(headers or {}),
        }
        body = None if content is None else encode_json(content)
        return Heard.of(await self._client.send(Call(method=method, url=url, headers=complete, body=body)))

    async def _change(
        self, method: str, module_id: str, named: tuple[Party, tuple[str, ...]], content: Any, to: Party | None
    ) -> Heard:
        owner, ids = named
        module = MODULES[module_id]
        suffix = "/".join(quote(key, safe="") for key in (owner.country_code, owner.party_id, *ids))
        variant = module.variant_of({}, content) if module.variant else ""
        query = f"{module.variant.parameter}={variant}" if module.variant else ""
        url = join_url(self.endpoint(module_id, Interface.RECEIVER), suffix, query)
        return await self.call(method, url, sender=owner, receiver=to, content=content)

    def _connected(self) -> Connection:
        if self.connection is None:
            raise RuntimeError(f"{self.name} has joined nobody")
        return self.connection

    async def _wanted(self, method: str, url: str, token: str, content: Any = None) -> Heard:
        heard = await self._fetch(method, url, token, content)
        if not heard.is_success:
            raise UnusableApi(f"{method} {url}: HTTP {heard.http_status}, {heard.status_code} {heard.message}")
        return heard

    async def _fetch(self, method: str, url: str, token: str, content: Any = None) -> Heard:
        headers = {"Authorization": authorization(token), **_fresh_ids(), **_content_type(content)}
        body = None if content is None else encode_json(content)
        return Heard.of(await self._client.fetch(Call(method=method, url=url, headers=headers, body=body)))


def _fresh_ids() -> dict[str, str]:
    return id_headers(str(uuid.uuid4()), str(uuid.uuid4()))


def _content_type(content: Any) -> dict[str, str]:
    return {} if content is None else {"Content-Type": "application/json"}
