"""The map page for drivers, and the files that are its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

from hub.navigation.follower import Memory
from hub.navigation.index import Index
from hub.navigation.routes.answers import is_known
from hub.navigation.routes.door import Licence

STATIC = Path(__file__).parents[1] / "static"
PAGE = "map.html"
FILES: Mapping[str, str] = {"map.js": "text/javascript; charset=utf-8", "map.css": "text/css; charset=utf-8"}
MARK_CHARACTERS = 12
KEPT_SECONDS = 365 * 86_400
BOUNDS_DECIMALS = 2

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "worker-src 'self' blob:; form-action 'none'; base-uri 'none'; frame-ancestors *"
    ),
    "Permissions-Policy": "camera=(), geolocation=(self), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Nothing but what comes from here, nothing inline; other sites may show the page in a frame, for there is nothing in it to be clicked
on behalf of somebody.
"""


@dataclass(frozen=True, slots=True)
class MapPage:
    """What the page says of its hub; `asset` gives the address of a file that comes with the console."""

    name: str
    licence: Licence
    asset: Callable[[str], str]
    memory: Memory

    def text(self) -> str:
        """The page as it is now: it begins where Locations are."""
        return (
            _environment()
            .get_template(PAGE)
            .render(
                name=self.name,
                licence=self.licence,
                asset=self.asset,
                own=own_address,
                bounds=bounds_of(self.memory.index),
            )
        )


def page_router(page: MapPage) -> APIRouter:
    """`/map` and its files."""
    router = APIRouter(tags=["maps"])

    @router.get("/map", include_in_schema=False)
    async def map_page(request: Request) -> Response:
        body = page.text().encode()
        tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        headers = {**HEADERS, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if is_known(request.headers.get("if-none-match"), tag):
            return Response(None, 304, headers)
        return Response(body, 200, headers, "text/html; charset=utf-8")

    @router.get("/map/map.js", include_in_schema=False)
    async def script(request: Request) -> Response:
        return own_file(request, "map.js")

    @router.get("/map/map.css", include_in_schema=False)
    async def look(request: Request) -> Response:
        return own_file(request, "map.css")

    return router


def own_file(request: Request, name: str) -> Response:
    """A file of the page: kept for ever at the address that the page gives, asked for again at any other."""
    content, mark = _read(name)
    is_marked = request.query_params.get("v") == mark
    headers = {
        "ETag": f'W/"{mark}"',
        "Cache-Control": f"public, max-age={KEPT_SECONDS}, immutable" if is_marked else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if is_known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(None, 304, headers)
    return Response(content, 200, headers, FILES[name])


def own_address(name: str) -> str:
    """The address of a file of the page, which changes with the file."""
    return f"/map/{name}?v={_read(name)[1]}"


def bounds_of(index: Index) -> str:
    """``west,south,east,north`` of everything that is public, to a kilometre outwards; empty where nothing is."""
    rows = index.rows()
    if not len(rows):
        return ""
    east, north = index.places.longitude[rows], index.places.latitude[rows]
    step = 10.0**-BOUNDS_DECIMALS
    edges = (
        max(-180.0, east.min() - step),
        max(-90.0, north.min() - step),
        min(180.0, east.max() + step),
        min(90.0, north.max() + step),
    )
    return ",".join(f"{edge:.{BOUNDS_DECIMALS}f}" for edge in edges)


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (STATIC / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:MARK_CHARACTERS]


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(STATIC),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
