"""Which Locations somebody looks for: the question as values, and its answer out of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from hub.navigation.asking import (
    CORRIDOR_MAX_METRES,
    CORRIDOR_METRES,
    LIMIT,
    LIMIT_MAX,
    OFFSET_MAX,
    RADIUS_MAX_METRES,
    Track,
    read_box,
    read_count,
    read_flag,
    read_metres,
    read_near,
    read_number,
    read_polyline,
    read_precision,
    read_words,
)
from hub.navigation.entry import PAYMENTS, Vehicles
from hub.navigation.filters import Filter
from hub.navigation.geometry import Box, Floats, Ints
from hub.navigation.index import Index
from hub.navigation.plugs import STANDARDS
from hub.navigation.problems import wrong
from hub.navigation.route import Route

Parameters = Mapping[str, str]
"""What was asked, by the names of parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Where to look (one of box, point with radius, route with corridor), what for, and which part of what is found."""

    box: Box | None = None
    near: tuple[float, float] | None = None
    radius_m: float = 0.0
    track: Track | None = None
    corridor_m: float = CORRIDOR_METRES
    wanted: Filter = field(default_factory=Filter)
    limit: int = LIMIT
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The numbers of a page in order, how many there are in all, and what is to be said of each beside: columns of metres."""

    numbers: Ints
    total: int
    extras: Mapping[str, Floats]
    stamp: str


def read_question(said: Parameters, track: Track | None = None) -> Question:
    """What is asked. Raises ReadingFault for what cannot be meant."""
    places = [name for name in ("bbox", "near", "route") if name in said] + (["route"] if track else [])
    if len(places) != 1:
        raise wrong(
            "bbox", "or near with radius, or route with corridor: exactly one of them is needed", "WHERE_MISSING"
        )
    question = Question(wanted=read_filter(said), **_part(said))
    return replace(question, **_where(places[0], said, track))


def _part(said: Parameters) -> dict[str, Any]:
    part: dict[str, Any] = {}
    if "limit" in said:
        part["limit"] = read_count("limit", said["limit"], 1, LIMIT_MAX)
    if "offset" in said:
        part["offset"] = read_count("offset", said["offset"], 0, OFFSET_MAX)
    return part


def _where(place: str, said: Parameters, track: Track | None) -> dict[str, Any]:
    if place == "bbox":
        return {"box": read_box(said["bbox"])}
    if place == "near":
        if "radius" not in said:
            raise wrong("radius", "goes with near: metres")
        return {"near": read_near(said["near"]), "radius_m": read_metres("radius", said["radius"], RADIUS_MAX_METRES)}
    corridor = said.get("corridor")
    metres = CORRIDOR_METRES if corridor is None else read_metres("corridor", corridor, CORRIDOR_MAX_METRES)
    return {"track": track or _encoded(said), "corridor_m": metres}


def _encoded(said: Parameters) -> Track:
    precision = said.get("precision")
    return (
        read_polyline(said["route"]) if precision is None else read_polyline(said["route"], read_precision(precision))
    )


def read_filter(said: Parameters) -> Filter:
    """What a Location has to have."""
    try:
        return Filter(
            connectors=_standards(said["connector"]) if "connector" in said else frozenset(),
            power_min_kw=read_number("min_power", said["min_power"]) if "min_power" in said else None,
            power_max_kw=read_number("max_power", said["max_power"]) if "max_power" in said else None,
            operators=frozenset(read_words("operator", said["operator"])) if "operator" in said else frozenset(),
            payments=frozenset(read_words("payment", said["payment"], PAYMENTS)) if "payment" in said else frozenset(),
            is_open_now=_is_asked("open_now", said),
            is_available_now=_is_asked("available_now", said),
            vehicle=_vehicle(said["vehicle"]) if "vehicle" in said else None,
        )
    except ValueError as exc:
        raise wrong("min_power", str(exc)) from exc


def _is_asked(name: str, said: Parameters) -> bool:
    return name in said and read_flag(name, said[name])


def _standards(text: str) -> frozenset[str]:
    """Standards of connectors, however they are written; one that OCPI does not know may be a word of its owner's own."""
    words = read_words("connector", text)
    meant = {word: STANDARDS.meant(word) for word in words}
    if strange := [word for word, standard in meant.items() if standard is None]:
        raise wrong("connector", f"{strange[0][:40]!r} is no word like IEC_62196_T2_COMBO")
    return frozenset(standard for standard in meant.values() if standard is not None)


def _vehicle(text: str) -> Vehicles:
    words = read_words("vehicle", text, ("car", "motorcycle"))
    if len(words) != 1:
        raise wrong("vehicle", "is one of car and motorcycle")
    return Vehicles[words[0].upper()]


def find(index: Index, question: Question, now: datetime) -> Found:
    """What there is, by the clock `now` (with zone). Raises ReadingFault for a route that cannot be followed."""
    numbers, extras = search(index, question, now)
    part = slice(question.offset, question.offset + question.limit)
    shown, shown_extras = numbers[part], {name: column[part] for name, column in extras.items()}
    return Found(
        numbers=shown, total=len(numbers), extras=shown_extras, stamp=_stamp(index, shown, len(numbers), question)
    )


def search(index: Index, question: Question, now: datetime) -> tuple[Ints, dict[str, Floats]]:
    """All that there is, in order, with columns of metres beside."""
    numbers, extras = _searched(index, question)
    fits = index.matching(numbers, question.wanted, now)
    return numbers[fits], {name: column[fits] for name, column in extras.items()}


def _searched(index: Index, question: Question) -> tuple[Ints, dict[str, Floats]]:
    if question.box is not None:
        return index.within(question.box), {}
    if question.near is not None:
        near = index.near(*question.near, question.radius_m)
        return near.numbers, {"distance_m": near.distances_m}
    track = question.track
    assert track is not None, "a question says one of three places"
    try:
        along = index.along(Route.of(track.longitudes, track.latitudes), question.corridor_m)
    except ValueError as exc:
        raise wrong("route", str(exc), "ROUTE_TOO_LONG") from exc
    return along.numbers, {"route_position_m": along.positions_m, "offset_m": along.offsets_m}


def _stamp(index: Index, numbers: Ints, total: int, question: Question) -> str:
    """What tells answers to one question apart; other questions have other addresses."""
    asked = blake2b(repr((question.near, total)).encode(), digest_size=6)
    if question.track is not None:
        asked.update(question.track.longitudes.tobytes() + question.track.latitudes.tobytes())
    return f"{index.stamp(numbers)}-{asked.hexdigest()}"
