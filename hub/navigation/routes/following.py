"""Changes of public Locations: page by page, and as they happen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from hub.navigation.asking import IDS_MAX, gone_cursor, read_any_box, read_count, read_cursor
from hub.navigation.feature import split_feature
from hub.navigation.follower import Follower, told_of
from hub.navigation.geometry import Box
from hub.navigation.problems import wrong
from hub.navigation.routes.door import VISITOR, Licence, is_head, only_head
from hub.navigation.routes.readiness import when_ready
from hub.navigation.streams import Broadcast, Replay, Told, Wanted
from hub.store.publicplaces import Feature, PublicPlaces

CHANGES_LIMIT = 500
CHANGES_LIMIT_MAX = 1000
READY_WAIT_SECONDS = 30.0
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_NAME = re.compile(r"[0-9]{1,18}|[a-z]{2}/[a-z0-9]{3}/.{1,36}", re.DOTALL)
"""How a Location is named, in small letters; the id of a Location may hold a slash."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class FollowingDesk:
    """What requests about changes are answered with."""

    places: PublicPlaces
    follower: Follower
    broadcast: Broadcast
    licence: Licence

    async def changes(self, after: int, limit: int) -> bytes:
        """A page of changes after a number, in the order of commits."""
        counters = await self.places.counters()
        if after and not counters.horizon <= after <= counters.seq:
            raise gone_cursor(counters.horizon, after)
        found = await self.places.features_after(after, limit)
        last = found[-1].seq if found else max(after, 0)
        head = {**self.licence.as_json(), "next": str(last), "has_more": len(found) == limit}
        return with_items(head, "items", [item_of(feature) for feature in found])

    async def backlog(self, after: int, most: int) -> Sequence[Any]:
        """The log."""
        return await self.places.changes(after, most)


def item_of(feature: Feature) -> bytes:
    """One change as JSON: what is to be kept now, or that it is gone."""
    head = {
        "seq": feature.seq,
        "ref": f"{feature.owner}/{feature.id}",
        "number": feature.number,
        "changed_at": feature.changed_at,
    }
    if feature.text is None:
        return _encode({"change": "gone", **head})
    _, text = split_feature(feature.text)
    return _encode({"change": "upsert", **head})[:-1] + b',"feature":' + text + b"}"


def with_items(head: dict[str, Any], name: str, items: Sequence[bytes]) -> bytes:
    """An object with a list of texts that are JSON already."""
    return _encode(head)[:-1] + b',"' + name.encode() + b'":[' + b",".join(items) + b"]}"


def following_router(desk: FollowingDesk) -> APIRouter:
    """`/nav/v1/changes` and `/nav/v1/stream`."""
    router = APIRouter(prefix="/nav/v1", tags=["maps"])
    replay = Replay(desk.broadcast, desk.backlog, told_of)

    @router.get("/changes")
    async def changes(
        cursor: Annotated[str | None, Query(description="`next` of the page before; without it everything.")] = None,
        limit: Annotated[str | None, Query(description=f"At most so many, {CHANGES_LIMIT_MAX} at most.")] = None,
    ) -> Response:
        """What changed, in the order in which it did: `upsert` with the Feature as it is now, or `gone`. Ask again with `next` for more."""
        most = CHANGES_LIMIT if limit is None else read_count("limit", limit, 1, CHANGES_LIMIT_MAX)
        body = await desk.changes(0 if cursor is None else read_cursor(cursor), most)
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")

    @router.get("/stream")
    async def stream(
        request: Request,
        bbox: Annotated[str | None, Query(description="west,south,east,north in degrees")] = None,
        ids: Annotated[str | None, Query(description="CC/PID/id or numbers, divided by commas")] = None,
        cursor: Annotated[
            str | None, Query(description="The last event that was seen; the header Last-Event-ID says the same.")
        ] = None,
    ) -> Response:
        """Server-sent events: `status` for each change; `reset` when not all could be told: then read anew and come back."""
        await desk.follower.until_ready(READY_WAIT_SECONDS)  # browsers do not come back to a stream that was refused
        when_ready(desk.follower)
        said = request.headers.get("last-event-id") or cursor
        after = None if said is None else read_cursor(said)
        wanted = read_wanted(bbox, ids)
        if is_head(request):
            return only_head(_STREAM_HEADERS, "text/event-stream")
        visitor = getattr(request.state, VISITOR, None)
        frames = replay.frames(wanted, after, visitor.name if visitor else "")
        first = await anext(frames)  # what cannot be had is said before the stream begins

        async def all_frames() -> Any:
            yield first
            async for frame in frames:
                yield frame

        return StreamingResponse(all_frames(), headers=_STREAM_HEADERS, media_type="text/event-stream")

    return router


def read_wanted(bbox: str | None, ids: str | None) -> Wanted:
    """Which changes somebody wants: in a box, of some Locations, or all."""
    if bbox is not None and ids is not None:
        raise wrong("ids", "goes with no bbox: say one of them")
    if bbox is not None:
        return _in_box(read_any_box(bbox))
    if ids is not None:
        return _named(ids)
    return lambda _: True


def _in_box(box: Box) -> Wanted:
    east = box.unwrapped_east

    def is_in(told: Told) -> bool:
        longitude = told.longitude if told.longitude >= box.west else told.longitude + 360
        return box.south <= told.latitude <= box.north and longitude <= east

    return is_in


def _named(ids: str) -> Wanted:
    names = {one.strip().casefold() for one in ids.split(",") if one.strip()}
    if not 1 <= len(names) <= IDS_MAX:
        raise wrong("ids", f"are 1 to {IDS_MAX} names")
    if strange := [name for name in sorted(names) if _NAME.fullmatch(name) is None]:
        raise wrong("ids", f"{strange[0][:40]!r} is neither CC/PID/id nor a number")
    return lambda told: told.ref.casefold() in names or str(told.number) in names
