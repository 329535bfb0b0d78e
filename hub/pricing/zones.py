"""Which time zone a charge happened in (rule E3): what is stated, else what lies at the coordinates, else nobody knows."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

from ocpi_modules.types import time_zones

ZONES_KEPT_MAX = 16384
_AT_SEA = "Etc/"


class UnknownZone(ValueError):
    """This name is not an IANA time zone; the message is a sentence."""


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The zone of a name. Raises UnknownZone."""
    if name not in time_zones():
        raise UnknownZone(f"timezone: {name[:60]!r} is not a time zone of the IANA database")
    return ZoneInfo(name)


@lru_cache(maxsize=ZONES_KEPT_MAX)
def zone_at(latitude: str, longitude: str) -> ZoneInfo | None:
    """The zone at coordinates in degrees, found offline; None at sea (0, 0 too) and for what are no coordinates."""
    try:
        place = float(longitude), float(latitude)
    except ValueError:
        return None
    if not (-180 <= place[0] <= 180 and -90 <= place[1] <= 90):
        return None
    name = _zone_name(*place)
    return None if name.startswith(_AT_SEA) or name not in time_zones() else zone_named(name)


def _zone_name(longitude: float, latitude: float) -> str:
    from tzfpy import get_tz  # its map is read into memory at the first question, and most charges ask none

    return str(get_tz(longitude, latitude))
