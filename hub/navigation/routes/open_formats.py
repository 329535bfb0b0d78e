"""Open data in the formats of others: OCPI without a handshake, DATEX II, the German AFIR profile, IRVE and Open Charge Map."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from hub.clock import Clock
from hub.navigation.asking import read_any_box, read_count, read_words
from hub.navigation.filters import Filter
from hub.navigation.follower import Follower, Memory
from hub.navigation.formats import afir, datex2, irve
from hub.navigation.formats.energy import Edition, NothingToPublish, short_digest
from hub.navigation.formats.openocpi import location_json, locations_json
from hub.navigation.formats.publishing import Prices as KnownPrices
from hub.navigation.formats.publishing import Publisher
from hub.navigation.gathering import Gathering
from hub.navigation.geometry import Box, Ints
from hub.navigation.location import PublicLocation
from hub.navigation.prices import Prices
from hub.navigation.problems import ReadingFault, missing, wrong
from hub.navigation.routes.answers import Edition as Published
from hub.navigation.routes.answers import known_already, unchanged
from hub.navigation.routes.door import is_head, only_head
from hub.navigation.routes.readiness import published_at, when_ready
from hub.navigation.routes.single import Single, edition_of, is_current
from hub.store.publicplaces import OpenQuery, PublicPlaces
from ocpi_modules.envelope import write_envelope
from ocpi_modules.parties import Party
from ocpi_modules.types import parse_datetime

OPEN_LIMIT = 100
OPEN_LIMIT_MAX = 1000
OFFSET_MAX = 10_000_000
XML, JSON, CSV = "application/xml", "application/json", "text/csv; charset=utf-8"

Written = Callable[[Iterable[PublicLocation], Edition, KnownPrices], Iterator[bytes]]
"""A format: what is written of Locations in an edition, with prices that are filled in as they are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDesk:
    """What open formats are made with."""

    memory: Memory
    follower: Follower
    places: PublicPlaces
    prices: Prices
    clock: Clock
    publisher: Publisher
    base_url: str

    @property
    def now(self) -> Published:
        """Tells apart Locations as they are now, without prices. What is read of the database may be newer, never older."""
        return self._published(f"{self.follower.seq}")

    @property
    def now_priced(self) -> Published:
        """Tells apart Locations as they are now, and public tariffs."""
        return self._published(f"{self.follower.seq}-{self.prices.stamp}")

    @property
    def still(self) -> Published:
        """Tells apart Locations without how they are now, and without prices."""
        return self._published(self.follower.still)

    @property
    def still_priced(self) -> Published:
        """Tells apart Locations without how they are now, and public tariffs."""
        return self._published(f"{self.follower.still}-{self.prices.stamp}")

    @property
    def tariffs(self) -> Published:
        """Tells apart public tariffs."""
        return self._published(self.prices.stamp)

    def _published(self, stamp: str) -> Published:
        when_ready(self.follower)
        return Published(stamp, published_at(self.follower, self.prices, self.clock.now()))

    def gathering(self) -> Gathering:
        """Something to read Locations with."""
        return Gathering(self.places, self.prices)

    def edition(self) -> Edition:
        """The publication of now; the version of the table is the number of the last change of more than statuses, with a digest of
        public tariffs (N8)."""
        version = f"{max(1, self.follower.static_seq)}.{short_digest(self.prices.stamp)}"
        return Edition(self.publisher, self.clock.now(), version)

    def numbers(self, box: Box | None = None, wanted: Filter | None = None) -> Ints:
        """The Locations in a box, or all, that have what is wanted, by number."""
        when_ready(self.follower)
        index = self.memory.index
        found = index.numbers() if box is None else index.within(box)
        return found if wanted is None else found[index.matching(found, wanted, self.clock.now())]


def open_routers(desk: OpenDesk) -> list[APIRouter]:
    """`/open/…`."""
    return [_ocpi_router(desk), _format_router(desk)]


# --- OCPI without a handshake -----------------------------------------------------------------


def read_query(
    offset: Annotated[str | None, Query(description="how many come before")] = None,
    limit: Annotated[
        str | None, Query(description=f"{OPEN_LIMIT} where it is not said, {OPEN_LIMIT_MAX} at most")
    ] = None,
    date_from: Annotated[str | None, Query(description="last updated then or later (UTC)")] = None,
    date_to: Annotated[str | None, Query(description="last updated before (UTC)")] = None,
) -> OpenQuery:
    """Which page is asked for. Raises ReadingFault (400)."""
    return OpenQuery(
        date_from=_read_date("date_from", date_from),
        date_to=_read_date("date_to", date_to),
        offset=0 if offset is None else read_count("offset", offset, 0, OFFSET_MAX),
        limit=_read_limit(limit),
    )


Asked = Annotated[OpenQuery, Depends(read_query)]


def _ocpi_router(desk: OpenDesk) -> APIRouter:
    router = APIRouter(prefix="/open/ocpi/2.2.1", tags=["open data"])

    @router.get("/locations")
    async def locations(request: Request, query: Asked) -> Response:
        """All public Locations as OCPI 2.2.1 lists them, page by page, without a handshake."""
        common = known_already(request, desk.now)
        if common.is_known:
            return Response(None, 304, common.headers)
        numbers, total = await _page(desk, query)
        found = await desk.gathering().read(numbers)
        headers = {**common.headers, **_page_headers(desk, request, query, total)}
        return Response(b"".join(locations_json(found, desk.clock.now())), headers=headers, media_type=JSON)

    @router.get("/locations/{country_code}/{party_id}/{location_id:path}")
    async def location(request: Request, country_code: str, party_id: str, location_id: str) -> Response:
        """One of them."""
        when_ready(desk.follower)
        if (tag := is_current(request, desk.memory.index, lambda _: "")) is not None:
            return unchanged(tag)
        changed_at = desk.now.changed_at
        number = await desk.places.number_of(Party.of(country_code, party_id), location_id)
        seq = None if number is None else desk.memory.index.seq_of(number)
        found = await desk.gathering().read([number]) if number is not None else []
        if number is None or not found:
            raise missing("Location of that name")
        body = write_envelope(desk.clock.now(), data=location_json(found[0]))
        if seq is None:
            return Response(body, media_type=JSON)
        common = known_already(request, edition_of(request, Single(number, seq), "", changed_at))
        return Response(None, 304, common.headers) if common.is_known else Response(body, 200, common.headers, JSON)

    _add_tariffs(router, desk)
    return router


def _add_tariffs(router: APIRouter, desk: OpenDesk) -> None:
    @router.get("/tariffs")
    async def tariffs(request: Request, query: Asked) -> Response:
        """The tariffs of drivers without contract (AD_HOC_PAYMENT) as their owners sent them, page by page, without a handshake."""
        common = known_already(request, desk.tariffs)
        if common.is_known:
            return Response(None, 304, common.headers)
        page = await desk.prices.page(query)
        headers = {**common.headers, **_page_headers(desk, request, query, page.total)}
        data = b"[" + b",".join(page.texts) + b"]"
        return Response(write_envelope(desk.clock.now(), data=data), headers=headers, media_type=JSON)


async def _page(desk: OpenDesk, query: OpenQuery) -> tuple[list[int], int]:
    """The numbers of a page: out of memory, unless they are asked for by date."""
    if query.date_from or query.date_to:
        page = await desk.places.page(query)
        return page.numbers, page.total
    numbers = desk.numbers()
    return numbers[query.offset : query.offset + query.limit].tolist(), len(numbers)


def _page_headers(desk: OpenDesk, request: Request, query: OpenQuery, total: int) -> dict[str, str]:
    headers = {"X-Total-Count": str(total), "X-Limit": str(OPEN_LIMIT_MAX)}
    after = query.offset + query.limit
    if after < total:
        parameters = urlencode({**request.query_params, "offset": str(after), "limit": str(query.limit)})
        headers["Link"] = f'<{desk.base_url}{request.url.path}?{parameters}>; rel="next"'
    return headers


def _read_limit(text: str | None) -> int:
    """More than the most is answered with the most, as everywhere in OCPI (P-05)."""
    return OPEN_LIMIT if text is None else min(OPEN_LIMIT_MAX, read_count("limit", text, 1, OFFSET_MAX))


def _read_date(parameter: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_datetime(text)
    except ValueError as exc:
        raise wrong(parameter, "is not a time like 2026-11-01T00:00:00Z") from exc


# --- other formats ----------------------------------------------------------------------------


def _lines(lines: Iterator[str]) -> Iterator[bytes]:
    return (line.encode() for line in lines)


@dataclass(frozen=True, slots=True)
class Format:
    """One document: its media type, how it is written, and what tells one edition of it from another."""

    media_type: str
    write: Written
    published: Callable[[OpenDesk], Published]


_now, _now_priced, _still_priced = map(attrgetter, ("now", "now_priced", "still_priced"))

FORMATS: Mapping[str, Format] = {
    "/datex2/v3.7/table": Format(XML, datex2.table_xml, _still_priced),
    "/datex2/v3.7/status": Format(XML, datex2.status_xml, _now_priced),
    "/datex2/de-afir-01-00-00/static": Format(JSON, afir.static_json, _still_priced),
    "/datex2/de-afir-01-00-00/dynamic": Format(JSON, afir.dynamic_json, _now_priced),
    "/irve/statique.csv": Format(
        CSV,
        lambda found, edition, prices: _lines(irve.static_lines(found, edition.publisher, prices)),
        _now_priced,  # it says when a Location was updated, which its statuses are part of
    ),
    "/irve/dynamique.csv": Format(CSV, lambda found, edition, prices: _lines(irve.dynamic_lines(found)), _now),
}


def _format_router(desk: OpenDesk) -> APIRouter:
    router = APIRouter(prefix="/open", tags=["open data"])
    for path, form in FORMATS.items():
        router.add_api_route(path, _format(desk, form), methods=["GET"], name=path.strip("/"))
    return router


def _format(desk: OpenDesk, form: Format) -> Callable[..., Any]:
    async def publication(
        request: Request,
        bbox: Annotated[str | None, Query(description="west,south,east,north in degrees")] = None,
        operator: Annotated[
            str | None, Query(description="owners (CC/PID) or names of operators, divided by commas")
        ] = None,
    ) -> Response:
        """All that is public, or a part of it, in one document."""
        published = form.published(desk)
        box = None if bbox is None else read_any_box(bbox)
        wanted = None if operator is None else Filter(operators=frozenset(read_words("operator", operator)))
        common = known_already(request, published)
        if common.is_known:
            return Response(None, 304, common.headers)
        if is_head(request):
            return only_head(common.headers, form.media_type)
        pieces = await _begun(desk, desk.numbers(box, wanted).tolist(), form.write)
        return StreamingResponse(pieces, headers=common.headers, media_type=form.media_type)

    return publication


async def _begun(desk: OpenDesk, numbers: Sequence[int], write: Written) -> Iterator[bytes]:
    """The document in pieces; what cannot be written at all is said before the first."""
    gathering = desk.gathering()
    locations = gathering.stream(numbers, asyncio.get_running_loop())
    edition = desk.edition()

    def begin() -> tuple[bytes, Iterator[bytes]]:
        pieces = iter(write(locations, edition, gathering.known_prices))
        return next(pieces, b""), pieces

    try:
        first, rest = await asyncio.to_thread(begin)
    except NothingToPublish as exc:
        raise ReadingFault(
            404, "NOTHING_TO_PUBLISH", "nothing of what is asked for can be published in this format"
        ) from exc
    return _joined(first, rest)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
