"""Where nothing goes: addresses that are not public, unless a setting allows them.

A name is looked up here and nowhere else, and a connection is made to exactly the addresses that were judged, so a name that
resolves differently the second time (rebinding) gains nothing. Literals, in whatever spelling, are looked up and judged like names.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ocpi_modules.errors import RoutingFault

ADDRESS_FRESH_SECONDS = 30.0
ADDRESS_STALE_SECONDS = 300.0  # how long a judged address serves while a slow name server is asked again
LOOKUPS_AT_ONCE_MAX = 16
NAMES_MAX = 4096

AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]


class PrivateAddress(RoutingFault):
    """The address of this partner is not public."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """Addresses that may be connected to, and when (seconds of the loop's clock) they were found."""

    addresses: tuple[AddressInfo, ...]
    found_at: float

    def is_younger(self, seconds: float, now: float) -> bool:
        return now - self.found_at < seconds


class Guard:
    """Finds the addresses of a host and judges them. It belongs to one event loop."""

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private
        self._judged: dict[tuple[str, int], _Judged] = {}
        self._under_way: dict[tuple[str, int], asyncio.Task[tuple[AddressInfo, ...] | OSError]] = {}
        # of its own: name servers that do not answer would hold the few threads that the loop has for everything
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE_MAX, "look-up")

    def require_allowed(self, url: str) -> None:
        """Raises PrivateAddress for what can be told from a URL alone: not https (T-08), or a literal that is not public."""
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise RoutingFault("the address of the receiver is not an URL") from exc
        if self.allow_private:
            return
        if parts.scheme != "https":
            raise PrivateAddress("partners are reached by https only")
        if _is_literal(parts.hostname or "") and not _all_public([parts.hostname or ""]):
            raise PrivateAddress

    async def addresses(self, host: str, port: int) -> tuple[AddressInfo, ...]:
        """The judged addresses of a host, at most ADDRESS_FRESH_SECONDS old, or ADDRESS_STALE_SECONDS while they are looked up again.

        Raises OSError when there are none, or any of them is not public.
        """
        name, now = (host, port), asyncio.get_running_loop().time()
        known = self._judged.get(name)
        if known and known.is_younger(ADDRESS_FRESH_SECONDS, now):
            return known.addresses
        looking = self._under_way.get(name) or self._look(name)
        if known and known.is_younger(ADDRESS_STALE_SECONDS, now):
            return known.addresses
        found = await asyncio.shield(looking)
        if isinstance(found, OSError):
            raise found
        return found

    def forget(self, host: str, port: int) -> None:
        """Look this host up anew the next time: nothing answered at its addresses."""
        self._judged.pop((host, port), None)

    def close(self) -> None:
        """Wait for no look-up any more."""
        for task in self._under_way.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self, name: tuple[str, int]) -> asyncio.Task[tuple[AddressInfo, ...] | OSError]:
        task = asyncio.get_running_loop().create_task(self._look_up_and_judge(name))
        self._under_way[name] = task
        task.add_done_callback(lambda _: self._under_way.pop(name, None))
        return task

    async def _look_up_and_judge(self, name: tuple[str, int]) -> tuple[AddressInfo, ...] | OSError:
        loop = asyncio.get_running_loop()
        try:
            found = tuple(await loop.run_in_executor(self._threads, look_up, *name))
        except (OSError, ValueError) as exc:  # ValueError: what can be no name
            return exc if isinstance(exc, OSError) else OSError(str(exc))
        if not self.allow_private and not _all_public(str(entry[4][0]) for entry in found):
            self._judged.pop(name, None)
            return OSError(f"the address of {name[0]} is not public")
        if len(self._judged) >= NAMES_MAX:
            self._judged.pop(next(iter(self._judged)))
        self._judged[name] = _Judged(found, loop.time())
        return found


def look_up(host: str, port: int) -> list[AddressInfo]:
    """What the machine's resolver says, in its order; blocks."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # type: ignore[return-value]  # AF_INET and AF_INET6 only


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _all_public(addresses: Iterable[str]) -> bool:
    judged = [ip_address(address.partition("%")[0]) for address in addresses]
    return bool(judged) and all(address.is_global and not address.is_multicast for address in judged)
