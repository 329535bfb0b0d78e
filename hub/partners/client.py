"""Every HTTP call that leaves the hub.

Traffic between partners (forwards, broadcasts) goes through one aiohttp session, whose cost per call is a
fraction of httpx's; the handshake, discovery and probes go through httpx with tenacity. Both refuse addresses
that are not public, unless a setting allows them, after the name was resolved and at each connection (so a
name that resolves differently the second time gains nothing).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import httpcore
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed
from yarl import URL

from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault
from ocpi_modules.module import Interface

CONNECT_WAIT_SECONDS = 3.0
POOLED_CONNECTIONS_MAX = 1000
POOLED_CONNECTIONS_PER_PARTNER_MAX = 100
KEPT_ALIVE_SECONDS = 4.0  # below the five seconds after which many servers close
ANSWER_MAX_BYTES = 16 * 1024 * 1024
FETCH_ATTEMPTS_MAX = 2
FETCH_RETRY_WAIT_SECONDS = 0.2


_NO_COOKIES = DefaultCookiePolicy(allowed_domains=())  # one partner's would go to every partner of the same host


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes, without what its partner may change meanwhile: module id, interface, path and query below the endpoint."""

    module_id: str
    interface: Interface
    suffix: str
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a partner: complete URL, headers with authorization, body as bytes or None.

    `place` lets another process make the same call with the address and token of its own directory.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partner answered; header names in lower case."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes


class PrivateAddress(RoutingFault):
    """The address of this partner is not public."""


def join_url(base: str, suffix: str, query: str = "") -> str:
    """An endpoint and a path below it, joined by exactly one slash; a query of the endpoint's own is kept
    (T-21, X-42).
    """
    address, _, own_query = base.partition("?")
    path = f"{address.rstrip('/')}/{suffix.lstrip('/')}" if suffix.strip("/") else address
    queries = "&".join(part for part in (own_query, query) if part)
    return f"{path}?{queries}" if queries else path


def with_slash(call: Call, answer: Answer) -> Call | None:
    """The call that a server means which redirects to the same address with a slash at its end; None for any other answer.

    Whatever scheme and host the redirect names, the call goes where it went before: behind a gateway servers get them wrong.
    """
    if answer.http_status not in {307, 308}:
        return None
    asked, meant = urlsplit(call.url), urlsplit(answer.headers.get("location", ""))
    if meant.path != f"{asked.path}/":
        return None
    return replace(call, url=urlunsplit(asked._replace(path=meant.path)))


class PartnerClient:
    """The outbound side of the hub. `allow_private` lets demo and tests use loopback; it also allows plain
    http.
    """

    def __init__(self, *, allow_private: bool, timeout_seconds: float) -> None:
        self._allow_private = allow_private
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_WAIT_SECONDS)
        self._session: aiohttp.ClientSession | None = None
        self._fetch_wait_seconds = timeout_seconds + FETCH_ATTEMPTS_MAX * CONNECT_WAIT_SECONDS
        transport = httpx.AsyncHTTPTransport(verify=_tls())
        transport._pool._network_backend = _GuardedBackend(allow_private)
        self._fetcher = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_WAIT_SECONDS),
            trust_env=False,
        )
        self._fetcher.cookies.jar.set_policy(_NO_COOKIES)

    async def send(self, call: Call) -> Answer:
        """One call of the traffic between partners, at most once.

        Raises ReceiverNotConnected when no connection came about (R-16), ReceiverTimeout when the receiver
        did not answer in time (R-17), RoutingFault for everything else that stops it (R-18).
        """
        self._require_allowed(call.url)
        try:
            answer = await self._exchange(call)
            slashed = with_slash(call, answer)
            return await self._exchange(slashed) if slashed else answer
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise ReceiverNotConnected from exc
        except TimeoutError as exc:
            raise ReceiverTimeout from exc
        except (aiohttp.ClientError, ValueError) as exc:
            raise RoutingFault(f"the receiver broke off: {type(exc).__name__}") from exc

    async def fetch(self, call: Call) -> Answer:
        """One call of the handshake, of discovery or of a probe; connecting is tried twice. Raises as `send`
        does."""
        self._require_allowed(call.url)
        try:
            async with asyncio.timeout(self._fetch_wait_seconds):
                async for attempt in _retrying():
                    with attempt:
                        answer = await self._fetch_once(call)
            if slashed := with_slash(call, answer):
                answer = await self._fetch_once(slashed)
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise ReceiverNotConnected from exc
        except (httpx.TimeoutException, TimeoutError) as exc:
            raise ReceiverTimeout from exc
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
            raise RoutingFault(f"the receiver broke off: {type(exc).__name__}") from exc
        return answer

    async def close(self) -> None:
        """Close every connection."""
        await self._fetcher.aclose()
        if self._session is not None:
            await self._session.close()

    async def _fetch_once(self, call: Call) -> Answer:
        headers = dict(call.headers)
        async with self._fetcher.stream(call.method, call.url, headers=headers, content=call.body) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_MAX_BYTES:
                    raise ValueError("the answer is too large")
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, names, bytes(body))

    async def _exchange(self, call: Call) -> Answer:
        session = self._open_session()
        headers = dict(call.headers)
        async with session.request(
            call.method, URL(call.url, encoded=True), headers=headers, data=call.body, allow_redirects=False
        ) as response:
            body = await _read_bounded(response)
            return Answer(
                response.status, {name.lower(): _text(value) for name, value in response.headers.items()}, body
            )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=POOLED_CONNECTIONS_MAX,
                limit_per_host=POOLED_CONNECTIONS_PER_PARTNER_MAX,
                keepalive_timeout=KEPT_ALIVE_SECONDS,
                resolver=_GuardedResolver(self._allow_private),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers={"User-Agent", "Accept", "Content-Type"},
                auto_decompress=True,
            )
            # else a GET, PUT or DELETE is sent again when its receiver breaks off, and that may be a second command
            self._session._retry_connection = False
        return self._session

    def _require_allowed(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise RoutingFault("the address of the receiver is not an URL") from exc
        if self._allow_private:
            return
        if parts.scheme != "https":
            raise PrivateAddress("partners are reached by https only")
        if _is_literal(parts.hostname or "") and not _all_public([parts.hostname or ""]):
            raise PrivateAddress


class _GuardedResolver(AbstractResolver):
    """Resolves a name and refuses it when any of its addresses is not public."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._allow_private and not _all_public(entry["host"] for entry in found):
            raise OSError(f"the address of {host} is not public")
        return found

    async def close(self) -> None:
        await self._inner.close()


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """The same rule for httpx: resolve once, judge, connect to what was judged."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        addresses = [str(entry[4][0]) for entry in found]
        if not self._allow_private and not _all_public(addresses):
            raise httpcore.ConnectError(f"the address of {host} is not public")
        return await self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@cache
def _tls() -> ssl.SSLContext:
    """Reading the machine's certificates takes long enough to do it once."""
    return ssl.create_default_context()


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        stop=stop_after_attempt(FETCH_ATTEMPTS_MAX),
        wait=wait_fixed(FETCH_RETRY_WAIT_SECONDS),
        retry=retry_if_exception_type(httpx.ConnectError),
        reraise=True,
    )


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    body = await response.content.read(ANSWER_MAX_BYTES + 1)
    while len(body) <= ANSWER_MAX_BYTES and not response.content.at_eof():
        more = await response.content.read(ANSWER_MAX_BYTES + 1 - len(body))
        body += more
    if len(body) > ANSWER_MAX_BYTES:
        raise ValueError("the answer is too large")
    return body


def _text(value: str) -> str:
    """A header value whose bytes were not UTF-8 as the text of its bytes: half a surrogate pair can be kept nowhere."""
    return value.encode("utf-8", "surrogateescape").decode("latin-1") if not value.isascii() else value


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _all_public(addresses: Iterable[str]) -> bool:
    judged = [ip_address(address.partition("%")[0]) for address in addresses]
    return bool(judged) and all(address.is_global and not address.is_multicast for address in judged)
