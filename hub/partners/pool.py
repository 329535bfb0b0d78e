"""The connections to all receivers: kept alive for the next call, bounded, and made only to addresses that the guard has judged."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import cache, partial

import aiohappyeyeballs
import httpx

from hub.partners.guard import Guard
from hub.partners.wire import Answer, BrokenOff, Call, Connection, request_bytes, split_url
from ocpi_modules.errors import ReceiverNotConnected

POOLED_CONNECTIONS_MAX = 1000
POOLED_CONNECTIONS_PER_PARTNER_MAX = 100
ORIGINS_MAX = 4096
KEPT_ALIVE_SECONDS = 4.0  # below the five seconds after which many servers close
NEXT_ADDRESS_DELAY_SECONDS = 0.25  # how long one address of several has before the next is tried beside it (RFC 8305)
RECEIVE_BUFFER_BYTES = 64 * 1024
TLS_SHUTDOWN_SECONDS = 1.0
CLOSE_WAIT_SECONDS = 1.0
CLOSE_LOOK_SECONDS = 0.005

_PORTS = {"http": 80, "https": 443}


class _Origin:
    """A server: its name in ASCII, its port, and the connections to it that rest, of which the last one stands last."""

    __slots__ = ("authority", "host", "is_tls", "places", "port", "resting")

    def __init__(self, scheme: str, authority: str) -> None:
        self.host, self.port = _host_and_port(scheme, authority)
        self.is_tls = scheme == "https"
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = name if self.port == _PORTS[scheme] else f"{name}:{self.port}"
        self.resting: dict[Connection, None] = {}
        self.places = _Places(POOLED_CONNECTIONS_PER_PARTNER_MAX)


class Pool:
    """All connections of one event loop. `connect_wait_seconds` bounds look-up, connecting and TLS handshake together."""

    def __init__(self, guard: Guard, *, connect_wait_seconds: float, answer_max_bytes: int) -> None:
        self._guard = guard
        self._connect_wait_seconds, self._answer_max_bytes = connect_wait_seconds, answer_max_bytes
        self._loop = asyncio.get_running_loop()
        self._origins: dict[tuple[str, str], _Origin] = {}
        self._places = _Places(POOLED_CONNECTIONS_MAX)
        self._buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self._open: set[Connection] = set()
        self._opening = 0
        self._is_closed = False
        self._resting: dict[Connection, _Origin] = {}  # of all origins; the one that has rested longest stands first

    async def exchange(self, call: Call, due_at: float) -> Answer:
        """The answer to a call, which is written once at most, until `due_at` on the loop's clock.

        Raises ReceiverNotConnected when no connection came about, PrivateAddress when none is allowed, TimeoutError, BrokenOff, and
        ValueError for what is no URL, no header, or no answer that can be read.
        """
        origin, target = self._find(call.url)
        request = request_bytes(call, origin.authority, target)
        if not self._take_place(origin):
            await self._wait_for_place(origin, due_at)
        try:
            connection = self._rested(origin) or await self._connect(origin, due_at)
            answer = await connection.exchange(request, due_at)
            self._rest(origin, connection)
            return answer
        finally:
            origin.places.give()
            self._places.give()

    async def close(self) -> None:
        """Close every connection, also those that have yet to come about, and wait for it, CLOSE_WAIT_SECONDS at most."""
        self._is_closed = True
        for connection in self._open:
            connection.abort()
        until = self._loop.time() + CLOSE_WAIT_SECONDS
        while (self._open or self._opening) and self._loop.time() < until:  # noqa: ASYNC110 - a bounded wait, at the end only
            await asyncio.sleep(CLOSE_LOOK_SECONDS)

    def _take_place(self, origin: _Origin) -> bool:
        if not origin.places.take():
            return False
        if not self._places.take():
            origin.places.give()
            return False
        return True

    async def _wait_for_place(self, origin: _Origin, due_at: float) -> None:
        await origin.places.wait(due_at)
        try:
            await self._places.wait(due_at)
        except BaseException:
            origin.places.give()
            raise

    def _find(self, url: str) -> tuple[_Origin, str]:
        parts = split_url(url)
        if parts is None:
            self._guard.require_allowed(url)
            raise ValueError("not an address by http")
        scheme, authority, target = parts
        return self._origins.get((scheme, authority)) or self._add_origin(scheme, authority), target

    def _add_origin(self, scheme: str, authority: str) -> _Origin:
        self._guard.require_allowed(f"{scheme}://{authority}")
        if len(self._origins) >= ORIGINS_MAX:
            self._origins = {
                name: origin for name, origin in self._origins.items() if origin.resting or origin.places.are_in_use
            }
        origin = self._origins[scheme, authority] = _Origin(scheme.lower(), authority)
        return origin

    def _rested(self, origin: _Origin) -> Connection | None:
        while origin.resting:
            connection, _ = origin.resting.popitem()
            del self._resting[connection]
            if connection.is_silent():
                return connection
            connection.abort()
        return None

    def _rest(self, origin: _Origin, connection: Connection) -> None:
        if not connection.is_reusable:
            connection.close()
            return
        connection.rest_until(self._loop.time() + KEPT_ALIVE_SECONDS)
        self._resting[connection] = origin
        origin.resting[connection] = None

    def _gone(self, connection: Connection) -> None:
        self._open.discard(connection)
        origin = self._resting.pop(connection, None)
        if origin is not None:
            origin.resting.pop(connection, None)

    async def _connect(self, origin: _Origin, due_at: float) -> Connection:
        self._make_room()
        self._opening += 1
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self._connect_wait_seconds, due_at)):
                connection = await self._dial(origin)
        except OSError as exc:
            self._guard.forget(origin.host, origin.port)
            raise TimeoutError if self._loop.time() >= due_at else ReceiverNotConnected from exc
        finally:
            self._opening -= 1
        self._open.add(connection)
        if self._is_closed:
            connection.abort()
            raise BrokenOff("the hub has closed its connections")
        return connection

    def _make_room(self) -> None:
        if self._resting and len(self._open) + self._opening >= POOLED_CONNECTIONS_MAX:
            connection = next(iter(self._resting))
            self._gone(connection)
            connection.close()

    async def _dial(self, origin: _Origin) -> Connection:
        addresses = await self._guard.addresses(origin.host, origin.port)
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS_DELAY_SECONDS, interleave=1
        )
        make = partial(Connection, self._gone, self._answer_max_bytes, self._buffer)
        try:
            if not origin.is_tls:
                return (await self._loop.create_connection(make, sock=sock))[1]
            _, connection = await self._loop.create_connection(
                make,
                sock=sock,
                ssl=trusted(),
                server_hostname=origin.host.rstrip("."),
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        except BaseException:
            sock.close()
            raise
        return connection


class _Places:
    """So many at a time, first come first served. (A semaphore costs a coroutine for each use that need not wait.)"""

    __slots__ = ("_free", "_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._free = self._most = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def are_in_use(self) -> bool:
        """Whether anybody has a place, or waits for one."""
        return self._free < self._most

    def take(self) -> bool:
        """Take a place if there is one."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, due_at: float) -> None:
        """Take a place as soon as there is one; raises TimeoutError at `due_at` on the loop's clock."""
        if self.take():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(due_at):
                await waiter
        except BaseException:
            if not waiter.cancel() and not waiter.cancelled():  # it was given while its waiter went away
                self.give()
            raise

    def give(self) -> None:
        """Hand a place to who has waited longest, or back."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


@cache
def trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts; reading them takes long enough to do it once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _host_and_port(scheme: str, authority: str) -> tuple[str, int]:
    """By the rule of httpx, so that traffic goes where the handshake went, also for names outside of ASCII; raises ValueError."""
    try:
        url = httpx.URL(f"{scheme}://{authority}")
    except httpx.InvalidURL as exc:
        raise ValueError(str(exc)) from exc
    return url.raw_host.decode("ascii"), url.port or _PORTS[scheme]
