"""Vector tiles as they are now, and all Locations as one file of tiles."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from hub.navigation.follower import Follower, Memory
from hub.navigation.index import Index
from hub.navigation.problems import ReadingFault, wrong
from hub.navigation.routes.answers import Edition, has_already, known_already
from hub.navigation.routes.readiness import when_ready
from hub.navigation.snapshotting import Snapshots
from hub.navigation.tiles import ZOOM_MAX, Address, Tile, TileCache

TILE_TYPE = "application/vnd.mapbox-vector-tile"
SNAPSHOT_TYPE = "application/vnd.pmtiles"
SNAPSHOT_RETRY_SECONDS = 5
SNAPSHOT_CACHE_SECONDS = 60
_SNAPSHOT_HEADERS = {"Cache-Control": f"public, max-age={SNAPSHOT_CACHE_SECONDS}"}
NUMBER_MAX_DIGITS = 8
_RANGE = re.compile(r"(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-[0-9]{1,18}")


@dataclass(slots=True)
class TileDesk:
    """What tiles are made from; what was made is kept."""

    memory: Memory
    follower: Follower
    snapshots: Snapshots
    _cache: tuple[Index, TileCache] | None = None

    def tile(self, address: Address) -> Tile:
        """A tile as it is now. Raises ReadingFault (503) while the Locations are still read into memory."""
        when_ready(self.follower)
        if self._cache is None or self._cache[0] is not self.memory.index:
            self._cache = (self.memory.index, TileCache(self.memory.index))
        return self._cache[1].tile(address, time.monotonic())


def tile_router(desk: TileDesk) -> APIRouter:
    """`/nav/v1/tiles/{z}/{x}/{y}.mvt` and `/nav/v1/snapshot.pmtiles`."""
    router = APIRouter(prefix="/nav/v1", tags=["maps"])

    @router.get("/tiles/{z}/{x}/{y}.mvt")
    async def tile(request: Request, z: str, x: str, y: str) -> Response:
        """A vector tile (MVT 2.1): layer `locations` from zoom 10, `clusters` below it. Empty where nothing is."""
        made = desk.tile(read_address(z, x, y))
        common = known_already(request, Edition(made.digest))
        if common.is_known:
            return Response(None, 304, common.headers)
        return Response(made.content, 200, common.headers, TILE_TYPE)

    @router.get("/snapshot.pmtiles")
    async def snapshot(request: Request) -> Response:
        """All Locations as one PMTiles file (zooms 0 to 10), without how they are now; parts of it by range requests."""
        when_ready(desk.follower)
        path = desk.snapshots.path()
        if path is None:
            raise ReadingFault(
                503,
                "WRITING",
                "the file is being written: come back soon",
                headers={"Retry-After": str(SNAPSHOT_RETRY_SECONDS)},
            )
        return file_answer(request, path)

    return router


class Parts(FileResponse):
    """A file, or the parts of it that are asked for. A range that is none is as if nobody had asked for one (RFC 9110, 14.2)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(_with_ranges(scope), receive, send)


def _with_ranges(scope: Scope) -> Scope:
    headers = [
        (name, value) for name, value in scope["headers"] if name != b"range" or is_range(value.decode("latin-1"))
    ]
    return {**scope, "headers": headers}


def is_range(text: str) -> bool:
    """Whether this is a list of ranges of bytes, none of which ends before it begins."""
    unit, _, ranges = text.partition("=")
    return unit.strip().lower() == "bytes" and all(map(_is_one_range, ranges.split(",")))


def _is_one_range(text: str) -> bool:
    found = _RANGE.fullmatch(text.strip())
    return found is not None and (not (found["first"] and found["last"]) or int(found["first"]) <= int(found["last"]))


def file_answer(request: Request, path: Path) -> Response:
    """The file, or the part of it that is asked for; 304 where the reader has it already (RFC 9110, 13.2.2: that is looked at first)."""
    about = path.stat()
    answer = Parts(path, headers=_SNAPSHOT_HEADERS, media_type=SNAPSHOT_TYPE, stat_result=about)
    written_at = datetime.fromtimestamp(about.st_mtime, UTC)
    if not has_already(request, Edition(answer.headers["etag"].strip('"'), written_at)):
        return answer
    kept = {name: answer.headers[name] for name in ("cache-control", "etag", "last-modified")}
    return Response(None, 304, kept)


def read_address(z: str, x: str, y: str) -> Address:
    """Which tile. Raises ReadingFault: 400 for what is no whole number, 404 for a tile that is not there."""
    zoom, column, row = (_whole(name, text) for name, text in (("z", z), ("x", x), ("y", y)))
    try:
        return Address(zoom, column, row)
    except ValueError as exc:
        raise ReadingFault(404, "NO_SUCH_TILE", str(exc)) from exc


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_DIGITS):
        raise wrong(name, f"is a whole number; zooms go from 0 to {ZOOM_MAX}")
    return int(text)
