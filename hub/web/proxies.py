"""Where a request comes from when proxies stand before the hub: what they wrote is believed as far as the operator says."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = "x-forwarded-for"


class Forwarded:
    """Puts the address that the outermost of some trusted proxies saw into the place of that of the innermost one."""

    def __init__(self, app: ASGIApp, proxies: int) -> None:
        self._app, self._proxies = app, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            address = client_of(Headers(scope=scope).getlist(HEADER), self._proxies)
            scope = scope if address is None else {**scope, "client": (address, 0)}
        await self._app(scope, receive, send)


def client_of(lines: Iterable[str], proxies: int) -> str | None:
    """Who came to the outermost of so many proxies, each of which wrote who came to it behind what stood there (X-Forwarded-For).

    Whatever stands before that may be made up by the client. None where fewer wrote something, or that is no IP address.
    """
    written = [part.strip() for line in lines for part in line.split(",")]
    return read_address(written[-proxies]) if 0 < proxies <= len(written) else None


def read_address(text: str) -> str | None:
    """An IP address, which may have a port (``192.0.2.7:4711``, ``[2001:db8::7]:4711``); None for anything else."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        return str(ip_address(host))
    except ValueError:
        return None
