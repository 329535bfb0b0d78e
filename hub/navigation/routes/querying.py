"""Where one can charge: in a box, around a point, along a route; and one Location in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hub.clock import Clock
from hub.navigation.asking import LIMIT, LIMIT_MAX, Track, read_line, said_once
from hub.navigation.feature import split_feature, with_properties
from hub.navigation.finding import Found, Question, find, read_question
from hub.navigation.follower import Follower, Memory
from hub.navigation.full import full_text
from hub.navigation.geometry import Ints
from hub.navigation.location import decode_location
from hub.navigation.ports import PricePort
from hub.navigation.problems import ReadingFault, missing
from hub.navigation.routes.answers import Edition, cached, known_already, unchanged
from hub.navigation.routes.door import Licence
from hub.navigation.routes.following import with_items
from hub.navigation.routes.readiness import published_at, when_ready
from hub.navigation.routes.single import Single, edition_of, is_current
from hub.navigation.tariffs import name_of
from hub.store.publicplaces import Feature, PublicPlaces
from ocpi_modules.parties import Party

LINE_MAX_BYTES = 1024 * 1024
GEOJSON = "application/geo+json"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class QueryDesk:
    """What questions are answered with."""

    memory: Memory
    follower: Follower
    places: PublicPlaces
    prices: PricePort
    clock: Clock
    licence: Licence

    def found(self, question: Question) -> Found:
        """The answer out of memory."""
        when_ready(self.follower)
        return find(self.memory.index, question, self.clock.now())

    def edition(self, question: Question, found: Found) -> Edition:
        """What tells the answer apart: the Locations in it and their tariffs. What is open changes with the clock alone."""
        changed_at = None if question.wanted.is_open_now else published_at(self.follower, self.prices, self.clock.now())
        return Edition(f"{found.stamp}-{self.priced(found.numbers)}", changed_at)

    def priced(self, numbers: Ints) -> str:
        """Tells apart how the prices at some Locations are now."""
        pairs = self.memory.index.tariffs_of(numbers)
        return self.prices.stamp_of({name_of(owner, id_) for owner, ids in pairs for id_ in ids})

    def priced_at(self, number: int) -> str:
        """The same at one Location; at one that memory does not know yet, all prices."""
        is_known = number in self.memory.index
        return self.priced(np.array([number], np.int64)) if is_known else self.prices.stamp

    async def collection(self, found: Found, more: Mapping[str, Any]) -> bytes:
        """The FeatureCollection."""
        numbers: list[int] = found.numbers.tolist()
        features = await self.places.features(numbers)
        priced = await self._priced(features)
        extras = {name: column.round(1).tolist() for name, column in found.extras.items()}
        texts = [
            with_properties(priced[number], {name: column[place] for name, column in extras.items()})
            for place, number in enumerate(numbers)
            if number in priced  # what went since is left out
        ]
        head = {
            "type": "FeatureCollection",
            **self.licence.as_json(),
            "total": found.total,
            "returned": len(texts),
            **more,
        }
        return with_items(head, "features", texts)

    async def _priced(self, features: Mapping[int, Feature]) -> dict[int, bytes]:
        split = {number: (one, *split_feature(one.text)) for number, one in features.items() if one.text is not None}
        prices = await self.prices.of_features(
            {number: (one.owner, tariffs) for number, (one, tariffs, _) in split.items()}
        )
        return {number: with_properties(text, {"price": prices[number]}) for number, (_, _, text) in split.items()}

    async def whole(self, owner: Party, location_id: str) -> tuple[Single, bytes]:
        """One Location in full, and which state of it. Raises ReadingFault (404)."""
        found = await self.places.whole(owner, location_id)
        if found is None:
            raise missing("Location of that name")
        one, text = found
        priced = await self._priced({one.number: one})
        location = decode_location(text)
        full = full_text(location, await self.prices.of_location(location))
        return Single(one.number, one.seq), with_properties(priced[one.number], full | self.licence.as_json())


def query_router(desk: QueryDesk) -> APIRouter:
    """`/nav/v1/locations`."""
    router = APIRouter(prefix="/nav/v1", tags=["maps"])

    @router.get("/locations")
    async def locations(
        request: Request,
        bbox: Annotated[str | None, Query(description="west,south,east,north in degrees of WGS 84")] = None,
        near: Annotated[str | None, Query(description="latitude,longitude; with `radius`")] = None,
        radius: Annotated[str | None, Query(description="metres around `near`")] = None,
        route: Annotated[str | None, Query(description="an encoded polyline; longer ones: POST GeoJSON")] = None,
        precision: Annotated[
            str | None, Query(description="decimals of the polyline: 5 where it is not said, or 6")
        ] = None,
        corridor: Annotated[str | None, Query(description="metres on both sides of the route")] = None,
        min_power: Annotated[str | None, Query(description="kW")] = None,
        max_power: Annotated[str | None, Query(description="kW")] = None,
        connector: Annotated[str | None, Query(description="OCPI connector standards, divided by commas")] = None,
        operator: Annotated[
            str | None, Query(description="owners (CC/PID) or names of operators, divided by commas")
        ] = None,
        payment: Annotated[str | None, Query(description="OCPI capabilities, divided by commas: one of them")] = None,
        open_now: Annotated[str | None, Query(description="true: known to be open")] = None,
        available_now: Annotated[str | None, Query(description="true: an EVSE that fits is AVAILABLE")] = None,
        vehicle: Annotated[str | None, Query(description="car or motorcycle")] = None,
        limit: Annotated[str | None, Query(description=f"{LIMIT} where it is not said, {LIMIT_MAX} at most")] = None,
        offset: Annotated[str | None, Query(description="where the page before ended")] = None,
    ) -> Response:
        """GeoJSON: Locations with counts by connector and kW, price, freshness and operator.

        Nearest first around a point; along a route in the order in which it passes them, with `route_position_m` and `offset_m`.
        """
        return await _answer(request, desk, read_question(request.query_params))

    @router.post("/locations")
    async def along(request: Request) -> Response:
        """The same along a route that is too long for an address: a GeoJSON LineString (or a Feature of one) as the body."""
        track = await _read_track(request)
        return await _answer(request, desk, read_question(request.query_params, track))

    @router.get("/locations/{country_code}/{party_id}/{location_id:path}")
    async def location(request: Request, country_code: str, party_id: str, location_id: str) -> Response:
        """One Location in full: a Feature whose properties have all that is known, each EVSE with its status and how fresh that is."""
        when_ready(desk.follower)
        if (tag := is_current(request, desk.memory.index, desk.priced_at)) is not None:
            return unchanged(tag)
        changed_at = published_at(desk.follower, desk.prices, desk.clock.now())
        single, body = await desk.whole(Party.of(country_code, party_id), location_id)
        common = known_already(request, edition_of(request, single, desk.priced_at(single.number), changed_at))
        return Response(None, 304, common.headers) if common.is_known else Response(body, 200, common.headers, GEOJSON)

    return router


async def _read_track(request: Request) -> Track:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LINE_MAX_BYTES:
            raise ReadingFault(413, "BODY_TOO_LARGE", f"a route is at most {LINE_MAX_BYTES} bytes of GeoJSON")
    return read_line(bytes(body))


async def _answer(request: Request, desk: QueryDesk, question: Question) -> Response:
    said_once(request.query_params.multi_items())
    found = desk.found(question)
    edition = desk.edition(question, found)
    return await cached(request, edition, lambda: desk.collection(found, _links(request, question, found)), GEOJSON)


def _links(request: Request, question: Question, found: Found) -> dict[str, Any]:
    """The next page, where there is one; a route in a body has to be sent again with the next offset."""
    after = question.offset + len(found.numbers)
    if after >= found.total:
        return {}
    query = urlencode({**request.query_params, "offset": str(after)})
    return {"next_offset": after, **({"next": f"{request.url.path}?{query}"} if request.method == "GET" else {})}
