"""PublicLocations for tests: `place` is a usual one, `odd_place` what is left of a dirty feed when it has been put right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.navigation.location import (
    Business,
    Connector,
    Evse,
    Hours,
    Image,
    NamedPoint,
    Period,
    Point,
    PublicLocation,
    RegularHours,
    Text,
)
from ocpi_modules.locations import Status

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""When a usual place's EVSEs came to their status."""
HEARD = NOON + timedelta(seconds=2)


def connector(**changes: Any) -> Connector:
    """A CCS2 cable of 150 kW, with Tariff T1."""
    usual: dict[str, Any] = {
        "id": "1",
        "standard": "IEC_62196_T2_COMBO",
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 920,
        "max_amperage": 400,
        "last_updated": NOON,
        "max_electric_power": 150_000,
        "tariff_ids": ("T1",),
    }
    return Connector(**{**usual, **changes})


def socket(**changes: Any) -> Connector:
    """A Type 2 socket of 22 kW."""
    usual: dict[str, Any] = {
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "max_electric_power": 22_080,
        "is_power_computed": True,
        "tariff_ids": (),
    }
    return connector(**{**usual, **changes})


def evse(uid: str = "U1", status: Status = Status.AVAILABLE, **changes: Any) -> Evse:
    """An EVSE with one CCS2 cable, a card reader and a payment terminal."""
    usual: dict[str, Any] = {
        "uid": uid,
        "status": status,
        "said": status,
        "happened_at": NOON,
        "heard_at": HEARD,
        "connectors": (connector(),),
        "evse_id": f"DE*ABC*E{uid}",
        "capabilities": ("RFID_READER", "CREDIT_CARD_PAYABLE", "CONTACTLESS_CARD_SUPPORT", "REMOTE_START_STOP_CAPABLE"),
    }
    return Evse(**{**usual, **changes})


def place(**changes: Any) -> PublicLocation:
    """A car park in Aachen with two EVSEs, open by day."""
    usual: dict[str, Any] = {
        "country_code": "DE",
        "party_id": "ABC",
        "id": "L1",
        "address": "Hauptstraße 12",
        "city": "Aachen",
        "country": "DEU",
        "latitude": 50.77959,
        "longitude": 6.1045,
        "time_zone": "Europe/Berlin",
        "last_updated": NOON,
        "heard_at": HEARD,
        "number": 7,
        "static_version": 3,
        "status_version": 12,
        "evses": (evse(), evse("U2", Status.CHARGING, connectors=(socket(),))),
        "name": "Parkhaus am Dom",
        "postal_code": "52062",
        "parking_type": "PARKING_LOT",
        "operator": Business("Stadtstrom", website="https://stadtstrom.example"),
        "opening_times": Hours(
            twentyfourseven=False,
            regular_hours=tuple(RegularHours(day, "07:00", "22:00") for day in range(1, 6)),
        ),
    }
    return PublicLocation(**{**usual, **changes})


def odd_place(**changes: Any) -> PublicLocation:
    """A Location with everything that a Location can have, and much of what is odd in real ones.

    Its texts hold markup and quotes; its ids what has a meaning in URLs; its first EVSE has an AC and a DC connector and everything that an
    EVSE can have; its second has no power and no EVSE id; its third is silent; its fourth has no connector. It lies on the equator and at
    180 degrees.
    """
    usual: dict[str, Any] = {
        "id": "L/1#2 %",
        "name": 'Café "<Zur Post>" & Söhne',
        "address": "Place de l'Église;1",
        "city": "Nürnberg, Mitte",
        "state": "Bayern",
        "latitude": -0.00000001,
        "longitude": 180.0,
        "related_locations": (NamedPoint(50.77, 6.1, Text("de", "Einfahrt")), NamedPoint(50.78, 6.11)),
        "directions": (Text("de", "Links halten"), Text("en", "Keep left")),
        "suboperator": Business("Dom Parken"),
        "owner": Business("Stadt Aachen", logo=Image("https://example.org/l.png", "OWNER", "png", width=1, height=2)),
        "facilities": ("HOTEL", "WIFI"),
        "opening_times": Hours(
            twentyfourseven=True,
            exceptional_closings=(Period(NOON + timedelta(days=30), NOON + timedelta(days=31)),),
        ),
        "charging_when_closed": False,
        "images": (
            Image("https://example.org/1.jpg?a=1&b=2", "LOCATION", "jpeg", thumbnail="https://example.org/t.jpg"),
        ),
        "energy_mix": {
            "is_green_energy": False,
            "energy_sources": [{"source": "SOLAR", "percentage": 40.5}, {"source": "COAL", "percentage": 59.5}],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 372}],
            "energy_product_name": "Bunt",
        },
        "is_reachable": False,
        "silent_since": NOON + timedelta(hours=1),
        "evses": (
            evse(
                "A/1",
                connectors=(
                    socket(id="AC"),
                    connector(id="DC", standard="GBT_DC", terms_and_conditions="https://example.org/t"),
                ),
                floor_level="-2",
                coordinates=Point(50.7796, 6.1046),
                physical_reference="B 3",
                directions=(Text("fr", "Rampe"),),
                parking_restrictions=("DISABLED", "CUSTOMERS", "MOTORCYCLES"),
                capabilities=("RESERVABLE", "CHARGING_PREFERENCES_CAPABLE", "CHIP_CARD_SUPPORT", "DEBIT_CARD_PAYABLE"),
                images=(Image("https://example.org/e.jpg", "CHARGER", "jpeg"),),
            ),
            evse("B", evse_id=None, connectors=(connector(max_electric_power=None, max_amperage=0),)),
            evse(
                "C",
                Status.UNKNOWN,
                said=Status.AVAILABLE,
                connectors=(connector(standard="DOMESTIC_F", format="SOCKET"),),
            ),
            evse("D", Status.OUTOFORDER, connectors=()),
        ),
    }
    return place(**{**usual, **changes})
