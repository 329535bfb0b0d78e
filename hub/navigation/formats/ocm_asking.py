"""What a client of Open Charge Map asks for, read out of the parameters of `/poi`. Pure; what cannot be meant is a ReadingFault.

Source: Open Charge Map's API: names of parameters are in any case, lists are divided by commas, distances are in miles unless
`distanceunit` says km, and what is said without a value is not said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hub.navigation.asking import (
    CORRIDOR_MAX_METRES,
    RADIUS_MAX_METRES,
    read_count,
    read_flag,
    read_number,
    read_polyline,
)
from hub.navigation.filters import Filter
from hub.navigation.finding import Question
from hub.navigation.formats.ocm_reference import DISTANCE_UNITS, KILOMETRES, MILES, party_of_operator, standards_of
from hub.navigation.formats.ocm_sieve import Sieve
from hub.navigation.geometry import Box
from hub.navigation.problems import wrong
from ocpi_modules.types import parse_datetime

RESULTS = 100
RESULTS_MAX = 5000
RESULTS_ASKED_MAX = 1_000_000
ID_MAX = 2**31 - 1
METRES_PER_UNIT = {KILOMETRES: 1000.0, MILES: 1609.344}
HALF_TURN_DEGREES = 180.0
EVERYWHERE = Box(-180.0, -90.0, 180.0, 90.0)
_CORNER = re.compile(r"\(\s*(-?[0-9.]+)\s*,\s*(-?[0-9.]+)\s*\)")
_NONE_OF_ANY = frozenset({""})
"""What no Location has: the ids that were asked for stand for nothing here."""

Said = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which POIs: those of `ids` (None: not asked for by id) or what the question finds, each with an id above `after_id`, changed
    `since` (UTC), through the sieve, and `most` of them at the most; distances are told in `unit`."""

    question: Question = field(default_factory=Question)
    ids: tuple[int, ...] | None = None
    after_id: int = -1
    since: datetime | None = None
    sieve: Sieve = field(default_factory=Sieve)
    most: int = RESULTS
    unit: str = MILES
    is_compact: bool = False
    is_verbose: bool = True


def read_asked(parameters: Mapping[str, str]) -> Asked:
    """What is asked. Raises ReadingFault for what cannot be meant."""
    said = {name.lower(): value for name, value in parameters.items() if value.strip()}
    wanted = _filter(said)
    ids = _ids("chargepointid", said) or _ids("id", said)
    return Asked(
        question=_question(said, wanted),
        ids=tuple(dict.fromkeys(ids))[:RESULTS_MAX] or None,
        after_id=_count("greaterthanid", said, -1),
        since=_since(said["modifiedsince"]) if "modifiedsince" in said else None,
        sieve=_sieve(said, wanted),
        most=min(RESULTS_MAX, _count("maxresults", said, RESULTS, 1, RESULTS_ASKED_MAX)),
        unit=_unit(said),
        is_compact=_flag(said, "compact", False),
        is_verbose=_flag(said, "verbose", True),
    )


def _count(name: str, said: Said, unsaid: int, least: int = 0, most: int = ID_MAX) -> int:
    return read_count(name, said[name], least, most) if name in said else unsaid


def _flag(said: Said, name: str, unsaid: bool) -> bool:
    return read_flag(name, said[name]) if name in said else unsaid


def _unit(said: Said) -> str:
    unit = said.get("distanceunit", MILES).lower()
    if unit not in DISTANCE_UNITS:
        raise wrong("distanceunit", "is KM or Miles")
    return unit


# --- where ------------------------------------------------------------------------------------


def _question(said: Said, wanted: Filter) -> Question:
    question = Question(wanted=wanted)
    if "boundingbox" in said:
        return replace(question, box=_box(said["boundingbox"]))
    if "polyline" in said:
        return replace(
            question,
            track=read_polyline(said["polyline"], parameter="polyline"),
            corridor_m=_metres(said, CORRIDOR_MAX_METRES),
        )
    if "latitude" in said and "longitude" in said:
        near = (_degrees(said, "latitude", 90), _degrees(said, "longitude", 180))
        return replace(question, near=near, radius_m=_metres(said, RADIUS_MAX_METRES))
    return replace(question, box=EVERYWHERE)


def _degrees(said: Said, name: str, most: float) -> float:
    degrees = read_number(name, said[name], -most)
    if degrees > most:
        raise wrong(name, f"is at most {most:g}")
    return degrees


def _metres(said: Said, most: float) -> float:
    if "distance" not in said:
        return most
    return min(most, read_number("distance", said["distance"]) * METRES_PER_UNIT[_unit(said)])


def _box(text: str) -> Box:
    """``(latitude,longitude),(latitude,longitude)``: two corners, in either order, unless the left one is far in the east: then the box
    lies over the 180th meridian."""
    corners = _CORNER.findall(text)
    if len(corners) != 2:
        raise wrong("boundingbox", "is (latitude,longitude),(latitude,longitude)")
    try:
        (north, left), (south, right) = [(float(latitude), float(longitude)) for latitude, longitude in corners]
        west, east = (left, right) if left - right > HALF_TURN_DEGREES else sorted((left, right))
        return Box(west, min(north, south), east, max(north, south))
    except ValueError as exc:
        raise wrong("boundingbox", str(exc)) from exc


# --- what -------------------------------------------------------------------------------------


def _filter(said: Said) -> Filter:
    """What memory tells: a standard stands for both of its kinds of plug."""
    try:
        return Filter(
            connectors=_standards(said) if "connectiontypeid" in said else frozenset(),
            power_min_kw=read_number("minpowerkw", said["minpowerkw"]) if "minpowerkw" in said else None,
            power_max_kw=read_number("maxpowerkw", said["maxpowerkw"]) if "maxpowerkw" in said else None,
            operators=_operators(said) if "operatorid" in said else frozenset(),
        )
    except ValueError as exc:
        raise wrong("minpowerkw", str(exc)) from exc


def _sieve(said: Said, wanted: Filter) -> Sieve:
    return Sieve(
        country_code=said.get("countrycode", "").strip().upper(),
        country_ids=frozenset(_ids("countryid", said)),
        status_type_ids=frozenset(_ids("statustypeid", said)),
        usage_type_ids=frozenset(_ids("usagetypeid", said)),
        connection_type_ids=frozenset(_ids("connectiontypeid", said)),
        level_ids=frozenset(_ids("levelid", said)),
        power_min_kw=wanted.power_min_kw,
        power_max_kw=wanted.power_max_kw,
    )


def _ids(name: str, said: Said) -> list[int]:
    return [read_count(name, one.strip(), 0, ID_MAX) for one in said.get(name, "").split(",") if one.strip()]


def _standards(said: Said) -> frozenset[str]:
    return frozenset(one for id_ in _ids("connectiontypeid", said) for one in standards_of(id_)) or _NONE_OF_ANY


def _operators(said: Said) -> frozenset[str]:
    return frozenset(party for id_ in _ids("operatorid", said) if (party := party_of_operator(id_))) or _NONE_OF_ANY


def _since(text: str) -> datetime:
    try:
        return parse_datetime(text if text.endswith("Z") or "T" in text else f"{text}T00:00:00Z")
    except ValueError as exc:
        raise wrong("modifiedsince", "is a time like 2026-11-01T00:00:00Z") from exc
