"""Every HTTP call that leaves the hub.

Traffic between partners (forwards, broadcasts) goes through the hub's own pool of connections, whose cost per call is a small
fraction of httpx's; the handshake, discovery and probes go through httpx with tenacity. Both connect only to addresses that one
guard has looked up and judged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpcore
import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from hub.partners.exchanges import Outward
from hub.partners.guard import Guard, PrivateAddress
from hub.partners.local import is_local
from hub.partners.pool import Pool, trusted
from hub.partners.wire import Answer, BrokenOff, Call, Place
from ocpi_modules.errors import OcpiError, ReceiverNotConnected, ReceiverTimeout, RoutingFault

__all__ = ["ANSWER_MAX_BYTES", "Answer", "Call", "PartnerClient", "Place", "PrivateAddress", "join_url", "with_slash"]

CONNECT_WAIT_SECONDS = 3.0
ANSWER_MAX_BYTES = 16 * 1024 * 1024
FETCH_ATTEMPTS_MAX = 2
FETCH_RETRY_WAIT_SECONDS = 0.2

_NO_COOKIES = DefaultCookiePolicy(allowed_domains=())  # one partner's would go to every partner of the same host


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


class LocalPlatform(Protocol):
    """A platform in this process."""

    async def answer(self, call: Call) -> Answer:
        """What it answers to a call; refusals are answers too. Raises nothing that a call may cause."""
        ...


Passed = Callable[[Outward], None]
"""Told of every call when it is over, however it ended."""


class PartnerClient:
    """The outbound side of the hub. `allow_private` lets demo and tests use loopback; it also allows plain
    http.
    """

    def __init__(self, *, allow_private: bool, timeout_seconds: float, passed: Passed | None = None) -> None:
        self._guard = Guard(allow_private=allow_private)
        self._timeout_seconds, self._passed = timeout_seconds, passed
        self._pool: Pool | None = None
        self._local: LocalPlatform | None = None
        self._fetch_wait_seconds = timeout_seconds + FETCH_ATTEMPTS_MAX * CONNECT_WAIT_SECONDS
        transport = httpx.AsyncHTTPTransport(verify=trusted())
        transport._pool._network_backend = _GuardedBackend(self._guard)
        self._fetcher = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_WAIT_SECONDS),
            trust_env=False,
        )
        self._fetcher.cookies.jar.set_policy(_NO_COOKIES)

    def serve_locally(self, platform: LocalPlatform) -> None:
        """Hand the calls to local addresses to a platform of this process."""
        self._local = platform

    async def send(self, call: Call) -> Answer:
        """One call of the traffic between partners, at most once.

        Raises ReceiverNotConnected when no connection came about (R-16), ReceiverTimeout when the receiver
        did not answer in time (R-17), RoutingFault for everything else that stops it (R-18).
        """
        return await self._noted(self._answer_locally if is_local(call.url) else self._send, call)

    async def fetch(self, call: Call) -> Answer:
        """One call of the handshake, of discovery or of a probe; connecting is tried twice. Raises as `send`
        does."""
        return await self._noted(self._answer_locally if is_local(call.url) else self._fetch, call)

    async def _noted(self, way: Callable[[Call], Awaitable[Answer]], call: Call) -> Answer:
        if self._passed is None:
            return await way(call)
        started = time.perf_counter()
        try:
            answer = await way(call)
        except OcpiError as fault:
            said, size = fault.message or type(fault).__name__, len(call.body or b"")
            self._passed(Outward(started, time.perf_counter() - started, call, None, said, size))
            raise
        size = len(call.body or b"") + len(answer.body)
        self._passed(Outward(started, time.perf_counter() - started, call, answer, "", size))
        return answer

    async def _answer_locally(self, call: Call) -> Answer:
        if self._local is None:
            raise ReceiverNotConnected("nobody is there at local addresses")
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._local.answer(call)
        except TimeoutError as exc:
            raise ReceiverTimeout from exc

    async def _send(self, call: Call) -> Answer:
        pool = self._pool or self._open_pool()
        due_at = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            answer = await pool.exchange(call, due_at)
            slashed = with_slash(call, answer)
            return await pool.exchange(slashed, due_at) if slashed else answer
        except TimeoutError as exc:
            raise ReceiverTimeout from exc
        except (BrokenOff, OSError, ValueError) as exc:
            raise RoutingFault(f"the receiver broke off: {type(exc).__name__}") from exc

    async def _fetch(self, call: Call) -> Answer:
        self._guard.require_allowed(call.url)
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
        if self._pool is not None:
            await self._pool.close()
        self._guard.close()

    def _open_pool(self) -> Pool:
        self._pool = Pool(self._guard, connect_wait_seconds=CONNECT_WAIT_SECONDS, answer_max_bytes=ANSWER_MAX_BYTES)
        return self._pool

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


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """The guard's rule for httpx: connect to what was judged."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
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
            addresses = await self._guard.addresses(host, port)
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        *others, last = [str(info[4][0]) for info in addresses]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
        return await self._inner.connect_tcp(last, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        stop=stop_after_attempt(FETCH_ATTEMPTS_MAX),
        wait=wait_fixed(FETCH_RETRY_WAIT_SECONDS),
        retry=retry_if_exception_type(httpx.ConnectError),
        reraise=True,
    )
