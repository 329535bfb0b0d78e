"""What apps for Open Charge Map ask, answered in its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polyline as polylines
from fastapi import APIRouter, Request
from starlette.responses import Response

from hub.navigation.asking import (
    CORRIDOR_MAX_METRES,
    RADIUS_MAX_METRES,
    Track,
    checked_track,
    read_count,
    read_flag,
    read_number,
)
from hub.navigation.filters import Filter
from hub.navigation.finding import Parameters, Question, search
from hub.navigation.formats.ocm import View, pois_json
from hub.navigation.formats.ocm_reference import party_of_operator, reference_data, standards_of
from hub.navigation.formats.publishing import json_bytes
from hub.navigation.gathering import BATCH_MAX_LOCATIONS, tariff_keys
from hub.navigation.geometry import Box, Floats, Ints
from hub.navigation.location import PublicLocation
from hub.navigation.problems import wrong
from hub.navigation.routes.answers import cached, known_already
from hub.navigation.routes.open_formats import JSON, OpenDesk
from hub.navigation.routes.readiness import when_ready
from hub.settlement.countries import alpha_2
from hub.store.publicplaces import OpenQuery
from ocpi_modules.types import parse_datetime

RESULTS = 100
RESULTS_MAX = 5000
SCANNED_MAX = 50_000
MILE_KILOMETRES = 1.609344
_CORNER = re.compile(r"\(\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*\)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which POIs: numbers in order with their distances (km, None where nobody said from where), and what only their texts tell."""

    numbers: Sequence[int]
    distances_km: Sequence[float | None]
    country: str | None
    most: int


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
        """POIs: `boundingbox`, `latitude`, `longitude` and `distance`, `polyline`, `minpowerkw`, `maxpowerkw`, `connectiontypeid`,
        `operatorid`, `countrycode`, `chargepointid`, `modifiedsince`, `maxresults`, `compact` and `verbose` as Open Charge Map has them.
        """
        said = {name.lower(): value for name, value in request.query_params.items()}
        common = known_already(request, desk.published)
        if common.is_known:
            return Response(None, 304, common.headers)
        body = await _pois(desk, said, await _wanted(desk, said))
        return Response(body, headers=common.headers, media_type=JSON)

    @router.get("/referencedata")
    @router.get("/referencedata/", include_in_schema=False)
    async def reference(request: Request) -> Response:
        """What the ids in POIs mean."""
        when_ready(desk.follower)
        index = desk.memory.index
        rows = index.rows()
        pairs = {*zip(index.places.party[rows].tolist(), index.places.operator[rows].tolist(), strict=True)}
        names = {
            index.parties.by_number[party]: index.operators.by_number[operator] for party, operator in sorted(pairs)
        }
        operators = [(party[:2], party[3:], name) for party, name in sorted(names.items())]

        async def make() -> bytes:
            return json_bytes(reference_data(desk.publisher, operators))

        return await cached(request, desk.published, make, JSON)

    return router


async def _pois(desk: OpenDesk, said: Parameters, wanted: Wanted) -> bytes:
    gathering = desk.gathering()
    found: list[tuple[PublicLocation, float | None]] = []
    distances = dict(zip(wanted.numbers, wanted.distances_km, strict=True))
    for batch in _batches(wanted.numbers):
        for location in await gathering.read(batch):
            if wanted.country is None or alpha_2(location.country) == wanted.country:
                found.append((location, distances[location.number]))
        if len(found) >= wanted.most:
            break
    found = found[: wanted.most]
    prices = await desk.prices.adhoc({key for location, _ in found for key in tariff_keys(location)})
    view = View(desk.publisher, prices, _flag(said, "compact", False), _flag(said, "verbose", True))
    return b"".join(pois_json(found, view))


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    scanned = numbers[:SCANNED_MAX]
    return (scanned[start : start + BATCH_MAX_LOCATIONS] for start in range(0, len(scanned), BATCH_MAX_LOCATIONS))


def _flag(said: Parameters, name: str, unsaid: bool) -> bool:
    return read_flag(name, said[name]) if name in said else unsaid


# --- what is asked ----------------------------------------------------------------------------


async def _wanted(desk: OpenDesk, said: Parameters) -> Wanted:
    when_ready(desk.follower)
    most = (
        min(RESULTS_MAX, read_count("maxresults", said["maxresults"], 1, 1_000_000))
        if "maxresults" in said
        else RESULTS
    )
    country = said["countrycode"].strip().upper() if said.get("countrycode") else None
    numbers, distances = _searched(desk, said)
    if "modifiedsince" in said:
        page = await desk.places.page(OpenQuery(date_from=_since(said["modifiedsince"]), limit=SCANNED_MAX))
        kept = np.isin(numbers, np.array(page.numbers, np.int64))
        numbers, distances = numbers[kept], None if distances is None else distances[kept]
    listed: list[int] = numbers.tolist()
    km = [None] * len(listed) if distances is None else (distances / 1000).round(3).tolist()
    if country is None:
        listed, km = listed[:most], km[:most]
    return Wanted(listed, km, country, most)


def _searched(desk: OpenDesk, said: Parameters) -> tuple[Ints, Floats | None]:
    if "chargepointid" in said:
        asked = [
            read_count("chargepointid", one.strip(), 0, 2**31 - 1)
            for one in said["chargepointid"].split(",")[:RESULTS_MAX]
        ]
        return np.array([number for number in asked if number in desk.memory.index], np.int64), None
    numbers, extras = search(desk.memory.index, _question(said), desk.clock.now())
    return numbers, extras.get("distance_m")


def _question(said: Parameters) -> Question:
    question = Question(wanted=_filter(said))
    if "boundingbox" in said:
        return replace(question, box=_box(said["boundingbox"]))
    if "polyline" in said:
        return replace(question, track=_track(said["polyline"]), corridor_m=_metres(said, CORRIDOR_MAX_METRES))
    if "latitude" in said and "longitude" in said:
        near = (_degrees(said, "latitude", 90), _degrees(said, "longitude", 180))
        return replace(question, near=near, radius_m=_metres(said, RADIUS_MAX_METRES))
    return replace(question, box=Box(-180.0, -90.0, 180.0, 90.0))


def _degrees(said: Parameters, name: str, most: float) -> float:
    degrees = read_number(name, said[name], -most)
    if degrees > most:
        raise wrong(name, f"is at most {most:g}")
    return degrees


def _metres(said: Parameters, most: float) -> float:
    distance = read_number("distance", said["distance"]) if "distance" in said else most / 1000
    unit = said.get("distanceunit", "km").lower()
    if unit not in {"km", "miles"}:
        raise wrong("distanceunit", "is KM or Miles")
    return min(most, distance * (MILE_KILOMETRES if unit == "miles" else 1.0) * 1000)


def _box(text: str) -> Box:
    """``(latitude,longitude),(latitude,longitude)``: two corners."""
    corners = _CORNER.findall(text)
    if len(corners) != 2:
        raise wrong("boundingbox", "is (latitude,longitude),(latitude,longitude)")
    try:
        (north, west), (south, east) = [(float(latitude), float(longitude)) for latitude, longitude in corners]
        return Box(min(west, east), min(north, south), max(west, east), max(north, south))
    except ValueError as exc:
        raise wrong("boundingbox", str(exc)) from exc


def _track(text: str) -> Track:
    try:
        return checked_track(Track.of(polylines.decode(text, geojson=True)))
    except (ValueError, IndexError) as exc:
        raise wrong("polyline", "is not an encoded polyline") from exc


def _filter(said: Parameters) -> Filter:
    try:
        return Filter(
            connectors=_standards(said["connectiontypeid"]) if said.get("connectiontypeid") else frozenset(),
            power_min_kw=read_number("minpowerkw", said["minpowerkw"]) if "minpowerkw" in said else None,
            power_max_kw=read_number("maxpowerkw", said["maxpowerkw"]) if "maxpowerkw" in said else None,
            operators=_operators(said["operatorid"]) if said.get("operatorid") else frozenset(),
        )
    except ValueError as exc:
        raise wrong("minpowerkw", str(exc)) from exc


def _ids(name: str, text: str) -> list[int]:
    return [read_count(name, one.strip(), 0, 2**31 - 1) for one in text.split(",") if one.strip()]


def _standards(text: str) -> frozenset[str]:
    return frozenset(one for id_ in _ids("connectiontypeid", text) for one in standards_of(id_)) or frozenset({""})


def _operators(text: str) -> frozenset[str]:
    return frozenset(party for id_ in _ids("operatorid", text) if (party := party_of_operator(id_))) or frozenset({""})


def _since(text: str) -> Any:
    try:
        return parse_datetime(text if text.endswith("Z") or "T" in text else f"{text}T00:00:00Z")
    except ValueError as exc:
        raise wrong("modifiedsince", "is a time like 2026-11-01T00:00:00Z") from exc
