"""Locations on a map and in a list: where they are, and how their EVSEs are right now."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field

from hub.console.listing import Column, FilterField, Listing, add_listing, validated
from hub.console.live import Fresh
from hub.console.placenews import PlaceNews
from hub.console.routes import Console
from hub.store.places import Box, Cell, Place, PlaceQuery, Places, PlaceState
from hub.web.listing import Filters, Page, PartyText, Text, page_of, read_cursor, read_parts

MAP_PATH = "/console/map"
LOCATIONS_PATH = "/console/locations"
NEWS_EVERY_SECONDS = 0.75
TOTALS_EVERY_SECONDS = 3.0
PRESSED_FROM_BYTES = 1000
PRESSED_LEVEL = 5

STATE_WORDS: Mapping[PlaceState, str] = {
    PlaceState.AVAILABLE: "Available",
    PlaceState.CHARGING: "Charging",
    PlaceState.BLOCKED: "Blocked",
    PlaceState.OUT_OF_ORDER: "Out of order",
    PlaceState.UNKNOWN: "Unknown",
}
YES, NO = "yes", "no"

Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class PlaceFilters(Filters):
    """Which locations are wanted."""

    party: PartyText | None = None
    status: PlaceState | None = None
    country: Text | None = None
    text: Text | None = None
    published: Literal["yes", "no"] | None = None

    def query(self) -> PlaceQuery:
        """The same for the store."""
        return PlaceQuery(
            party=self.party,
            state=self.status,
            country=self.country.strip().upper() if self.country else None,
            text=self.text.replace("\x00", "").strip() if self.text else None,
            is_published=None if self.published is None else self.published == YES,
        )


class BoxFilters(PlaceFilters):
    """The same in a part of the map: degrees, edges included."""

    west: Longitude = -180.0
    south: Latitude = -90.0
    east: Longitude = 180.0
    north: Latitude = 90.0

    def box(self) -> Box:
        """The part of the map."""
        return Box(west=self.west, south=self.south, east=self.east, north=self.north)


def location_path(owner: str, location_id: str) -> str:
    """The page of a Location."""
    return f"{LOCATIONS_PATH}/{owner}/{quote(location_id, safe='')}"


def places_routers(console: Console, places: Places) -> list[APIRouter]:
    """The map, what it asks for by itself, and the list."""
    page, live = console.router(), console.router(is_live=True)
    add_listing(page, console, _listing(places, is_map=True))
    add_listing(page, console, _listing(places, is_map=False))
    _add_features(live, console, places)
    _add_news(live, console, places)
    return [page, live]


# --- the map ---


def _add_features(router: APIRouter, console: Console, places: Places) -> None:
    @router.get("/map/places.json")
    async def features(request: Request) -> Response:
        """What is in a part of the map, as GeoJSON."""
        console.person(request)
        asked = validated(BoxFilters, dict(request.query_params))
        found = await places.within(asked.query(), asked.box())
        return pressed(request, {"type": "FeatureCollection", "features": [feature_of(one) for one in found]})


def feature_of(one: Place | Cell) -> dict[str, Any]:
    """A place, or several close to each other, as GeoJSON."""
    said = said_of(one) if isinstance(one, Place) else {"places": one.places, **asdict(one.counts)}
    point = [round(one.longitude or 0.0, 6), round(one.latitude or 0.0, 6)]
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": point}, "properties": said}


def said_of(place: Place) -> dict[str, Any]:
    """What a map says of a place."""
    return {
        "places": 1,
        "key": f"{place.owner}/{place.key}",
        "name": place.name or place.address,
        "party": place.owner,
        "path": location_path(place.owner, place.id),
        "state": place.counts.state,
        "published": int(place.is_published),
        **asdict(place.counts),
    }


def pressed(request: Request, content: Any) -> Response:
    """A value as JSON, compressed where that is worth it and understood."""
    text = msgspec.json.encode(content)
    headers = {"vary": "accept-encoding"}
    if len(text) > PRESSED_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        text = gzip.compress(text, PRESSED_LEVEL)
        headers["content-encoding"] = "gzip"
    return Response(text, headers=headers, media_type="application/geo+json")


def _add_news(router: APIRouter, console: Console, places: Places) -> None:
    news = PlaceNews(places)
    totals = Fresh(places.totals, TOTALS_EVERY_SECONDS)

    @router.get("/map/live")
    async def live(request: Request) -> Response:
        """What changed, as it changes; the first event says only from where on."""
        told: dict[str, Any] = {"number": None, "totals": None}

        async def make() -> str:
            number, found = await news.since(told["number"])
            counts = await totals()
            if number == told["number"] and counts == told["totals"]:
                return ""
            told.update(number=number, totals=counts)
            return msgspec.json.encode(
                {
                    "is_whole": found is not None,
                    "places": [feature_of(one) for one in found or () if one.latitude is not None],
                    "totals": asdict(counts),
                }
            ).decode()

        return console.stream(request, make, NEWS_EVERY_SECONDS)


# --- the list ---


def _listing(places: Places, *, is_map: bool) -> Listing[Place, PlaceFilters]:
    async def read(asked: PlaceFilters) -> Page[Place]:
        after = read_parts(read_cursor(asked.after, 4), lambda parts: (parts[0], parts[1], parts[2], parts[3]))
        return _page(await places.page(asked.query(), after, asked.limit + 1), asked.limit)

    async def around(asked: PlaceFilters) -> dict[str, Any]:
        box = await places.bounds(asked.query())
        totals = await places.totals()
        legend = [(state, word, totals.of(state)) for state, word in STATE_WORDS.items()]
        return {"bounds": asdict(box) if box else None, "legend": legend}

    return Listing(
        title="Map" if is_map else "Locations",
        intro="Where partners' EVSEs are and how they are now. It follows by itself." if is_map else _INTRO,
        path=MAP_PATH if is_map else LOCATIONS_PATH,
        template="map.html" if is_map else "list.html",
        between="map_itself.html" if is_map else "",
        extra=around if is_map else None,
        columns=_columns(),
        filters=(
            FilterField(name="text", label="Name, id, EVSE or place"),
            FilterField(name="party", label="Party", placeholder="DE/ABC"),
            FilterField(
                name="status",
                label="With an EVSE",
                choices=tuple((state.value, word.lower()) for state, word in STATE_WORDS.items()),
            ),
            FilterField(name="country", label="Country", placeholder="DEU"),
            FilterField(name="published", label="Published", choices=((YES, YES), (NO, NO))),
        ),
        asked=PlaceFilters,
        read=read,
        empty="No location is known yet: CPOs push them once they have joined, and the hub reads what they list.",
    )


_INTRO = "Every location that partners told the hub of, also those that are not published."


def _page(found: Sequence[Place], limit: int) -> Page[Place]:
    page = page_of(found, limit, lambda one: None, lambda one: (*one.owner.split("/"), one.key, one.audience))
    return Page.model_construct(items=[*found[:limit]], next=page.next)


def _columns() -> tuple[Column[Place], ...]:
    return (
        Column(key="location", label="Location", value=lambda row: row.id, kind="code", link=_own_path),
        Column(key="name", label="Name", value=lambda row: row.name or row.address, link=_own_path),
        Column(key="evses", label="EVSEs", value=lambda row: row.counts.evses, kind="number", link=_own_path),
        *(_count_column(state, word) for state, word in STATE_WORDS.items()),
        Column(
            key="party", label="Party", value=lambda row: row.owner, link=lambda row: f"/console/parties/{row.owner}"
        ),
        Column(key="city", label="City", value=lambda row: row.city),
        Column(key="country", label="Country", value=lambda row: row.country),
        Column(key="published", label="Published", value=lambda row: YES if row.is_published else NO),
        Column(key="only_for", label="Only for", value=lambda row: row.audience, is_rare=True),
        Column(key="changed", label="Changed", value=lambda row: row.changed_at, kind="moment", is_rare=True),
        Column(key="latitude", label="Latitude", value=lambda row: _degrees(row.latitude), is_rare=True),
        Column(key="longitude", label="Longitude", value=lambda row: _degrees(row.longitude), is_rare=True),
    )


def _count_column(state: PlaceState, word: str) -> Column[Place]:
    return Column(
        key=state.value, label=word, value=lambda row: row.counts.of(state) or None, kind="number", link=_own_path
    )


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _own_path(row: Place) -> str:
    return location_path(row.owner, row.id)
