"""What apps for Open Charge Map ask, answered in its shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from hub.navigation.finding import search
from hub.navigation.formats.ocm import View, pois_json
from hub.navigation.formats.ocm_asking import METRES_PER_UNIT, Asked, read_asked
from hub.navigation.formats.ocm_reference import reference_data
from hub.navigation.formats.ocm_sieve import Sieve
from hub.navigation.formats.publishing import json_bytes
from hub.navigation.gathering import BATCH_MAX_LOCATIONS, tariff_keys
from hub.navigation.geometry import Floats, Ints
from hub.navigation.location import PublicLocation
from hub.navigation.routes.answers import cached
from hub.navigation.routes.open_formats import JSON, OpenDesk
from hub.navigation.routes.readiness import when_ready
from hub.store.publicplaces import OpenQuery

SCANNED_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers in order, with their distances in the unit asked for, None where nobody said from where."""

    numbers: Sequence[int]
    distances: Sequence[float | None]


def ocm_router(desk: OpenDesk) -> APIRouter:
    """`/ocm/v3/…`."""
    router = APIRouter(prefix="/ocm/v3", tags=["open data"])

    @router.get("/")
    async def beginning() -> dict[str, str]:
        """What clients ask to see whether anybody is there."""
        return {"poi": "/ocm/v3/poi", "referencedata": "/ocm/v3/referencedata"}

    @router.get("/poi")
    @router.get("/poi/", include_in_schema=False)
    async def poi(request: Request) -> Response:
        """POIs: `boundingbox`, `latitude`, `longitude`, `distance` and `distanceunit`, `polyline`, `minpowerkw`, `maxpowerkw`,
        `connectiontypeid`, `levelid`, `operatorid`, `statustypeid`, `usagetypeid`, `countrycode`, `countryid`, `chargepointid`,
        `greaterthanid`, `modifiedsince`, `maxresults`, `compact` and `verbose` as Open Charge Map has them.
        """
        asked = read_asked(request.query_params)

        async def make() -> bytes:
            return await _pois(desk, asked)

        return await cached(request, desk.now_priced, make, JSON)

    @router.get("/referencedata")
    @router.get("/referencedata/", include_in_schema=False)
    async def reference(request: Request) -> Response:
        """What the ids in POIs mean."""

        async def make() -> bytes:
            operators = ((party[:2], party[3:], name) for party, name in sorted(desk.memory.index.run_by().items()))
            return json_bytes(reference_data(desk.publisher, operators))

        return await cached(request, desk.still, make, JSON)

    return router


async def _pois(desk: OpenDesk, asked: Asked) -> bytes:
    sieved = await _sieved(desk, await _found(desk, asked), asked.sieve, asked.most)
    prices = await desk.prices.adhoc({key for location, _ in sieved for key in tariff_keys(location)})
    view = View(desk.publisher, prices, asked.is_compact, asked.is_verbose, asked.unit)
    return b"".join(pois_json(sieved, view))


async def _sieved(desk: OpenDesk, found: Found, sieve: Sieve, most: int) -> list[tuple[PublicLocation, float | None]]:
    """The first of what is wanted; SCANNED_MAX texts are looked at for it."""
    gathering, kept = desk.gathering(), list[tuple[PublicLocation, float | None]]()
    distances = dict(zip(found.numbers, found.distances, strict=True))
    for batch in _batches(found.numbers):
        read = await gathering.read(batch)
        kept += [(location, distances[location.number]) for location in read if sieve.passes(location)]
        if len(kept) >= most:
            break
    return kept[:most]


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    scanned = numbers[:SCANNED_MAX]
    return (scanned[start : start + BATCH_MAX_LOCATIONS] for start in range(0, len(scanned), BATCH_MAX_LOCATIONS))


async def _found(desk: OpenDesk, asked: Asked) -> Found:
    """What memory tells, in order."""
    numbers, distances = _searched(desk, asked)
    kept = numbers > asked.after_id
    if asked.since is not None:
        page = await desk.places.page(OpenQuery(date_from=asked.since, limit=SCANNED_MAX))
        kept &= np.isin(numbers, np.array(page.numbers, np.int64))
    first = np.flatnonzero(kept)[: None if asked.sieve.is_needed else asked.most]
    listed: list[int] = numbers[first].tolist()
    if distances is None:
        return Found(listed, [None] * len(listed))
    return Found(listed, (distances[first] / METRES_PER_UNIT[asked.unit]).round(3).tolist())


def _searched(desk: OpenDesk, asked: Asked) -> tuple[Ints, Floats | None]:
    """The numbers of what is wanted, with how far away it is (m)."""
    when_ready(desk.follower)
    index = desk.memory.index
    if asked.ids is not None:
        return np.array([number for number in asked.ids if number in index], np.int64), None
    numbers, extras = search(index, asked.question, desk.clock.now())
    return numbers, extras.get("distance_m")
