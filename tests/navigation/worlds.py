"""Locations for tests of the index: one that can be bent in every respect, and strategies that make any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st

from hub.navigation.entry import Entry, entry_of
from hub.navigation.location import Business, Connector, Evse, Hours, PublicLocation
from ocpi_modules.locations import Status
from tests.navigation.naive import Spot

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)

often = settings(deadline=None, max_examples=40)
"""How often a property is tried; a machine with other work may take its time."""

STANDARDS = ("IEC_62196_T2", "IEC_62196_T2_COMBO", "CHADEMO")
CAPABILITIES = ("RFID_READER", "CREDIT_CARD_PAYABLE", "UNLOCK_CAPABLE")
OPERATORS = (None, "Blåstrøm", "Ladefix")
PARTIES = (("DK", "BLA"), ("DE", "LFX"))

EDGES_OF_LONGITUDE = (-180.0, -179.999, -0.05, 0.0, 0.05, 4.9, 179.999, 180.0)
EDGES_OF_LATITUDE = (-90.0, -89.999, -60.0, -0.05, 0.0, 0.05, 52.35, 60.0, 89.999, 90.0)


def connector(**bent: Any) -> Connector:
    """A cable of 150 kW, but for what is bent."""
    usual: dict[str, Any] = {
        "id": "1",
        "standard": STANDARDS[1],
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 400,
        "max_amperage": 375,
    }
    return Connector(**{**usual, "last_updated": NOON, "max_electric_power": 150_000, **bent})


def evse(uid: str = "1", status: Status = Status.AVAILABLE, **bent: Any) -> Evse:
    """A free EVSE with one connector, but for what is bent."""
    usual: dict[str, Any] = {"said": status, "happened_at": NOON, "heard_at": NOON, "connectors": (connector(),)}
    return Evse(uid=uid, status=status, **{**usual, **bent})


def location(**bent: Any) -> PublicLocation:
    """A place in Aarhus with one free EVSE, open all day, but for what is bent."""
    where = {"address": "Skolegade 1", "city": "Aarhus", "country": "DNK", "latitude": 56.1551, "longitude": 10.2108}
    whose = {"country_code": "DK", "party_id": "BLA", "id": "L1", "time_zone": "Europe/Copenhagen"}
    usual: dict[str, Any] = {
        "last_updated": NOON,
        "heard_at": NOON,
        "evses": (evse(),),
        "opening_times": Hours(twentyfourseven=True),
    }
    return PublicLocation(**{**where, **whose, **usual, **bent})


def entry_at(spot: Spot, available: int = 1) -> Entry:
    """What a Location somewhere comes to, with two EVSEs of which so many are available."""
    statuses = [Status.AVAILABLE] * available + [Status.CHARGING] * (2 - available)
    evses = tuple(evse(str(place), status) for place, status in enumerate(statuses))
    return msgspec.structs.replace(entry_of(location(evses=evses)), longitude=spot[0], latitude=spot[1])


def degrees(most: float, edges: tuple[float, ...]) -> st.SearchStrategy[float]:
    """Degrees up to a most, often at an edge or a little beside one."""
    kept = [edge for edge in edges if abs(edge) <= most]
    beside = st.builds(lambda edge, by: max(-most, min(most, edge + by)), st.sampled_from(kept), st.floats(-0.1, 0.1))
    return st.one_of(st.floats(-most, most), st.sampled_from(kept), beside)


longitudes = degrees(180, EDGES_OF_LONGITUDE)
latitudes = degrees(90, EDGES_OF_LATITUDE)
spots = st.tuples(longitudes, latitudes)


@st.composite
def clustered_spots(draw: st.DrawFn, latitude_max: float = 90) -> list[Spot]:
    """Spots of which most are within some tens of kilometres of each other, wherever on the globe that is."""
    east, north = draw(longitudes), draw(degrees(latitude_max, EDGES_OF_LATITUDE))
    beside = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.2, 0.2))
    found = [(_turned(east + x), max(-90.0, min(90.0, north + y))) for x, y in draw(st.lists(beside, max_size=30))]
    return [*found, *draw(st.lists(spots, max_size=3))]


def _turned(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


connectors = st.builds(
    connector,
    standard=st.sampled_from(STANDARDS),
    max_electric_power=st.sampled_from((None, 0, 11_000, 22_000, 150_000)),
    tariff_ids=st.sampled_from(((), ("T1",), ("T2", "T1"), ("T1", "T2"))),
)
evses = st.builds(
    evse,
    status=st.sampled_from(Status),
    connectors=st.lists(connectors, max_size=3).map(tuple),
    capabilities=st.lists(st.sampled_from(CAPABILITIES), max_size=2).map(tuple),
    parking_restrictions=st.sampled_from(((), ("EV_ONLY",), ("MOTORCYCLES",))),
)


@st.composite
def any_location(draw: st.DrawFn) -> PublicLocation:
    """A Location with any EVSEs, of one of two owners, by one of three operators."""
    owner, operator = draw(st.sampled_from(PARTIES)), draw(st.sampled_from(OPERATORS))
    return location(
        country_code=owner[0],
        party_id=owner[1],
        operator=Business(operator) if operator else None,
        evses=tuple(draw(st.lists(evses, max_size=4))),
    )
