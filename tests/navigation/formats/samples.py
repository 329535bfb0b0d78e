"""What the tests of the formats publish: who, when, at which price."""

from __future__ import annotations

from decimal import Decimal

from hub.navigation.formats.energy import Edition
from hub.navigation.formats.publishing import AdHocPrice, Publisher
from hub.navigation.location import Hours
from ocpi_modules.locations import Status
from tests.navigation.places import NOON, connector, evse, odd_place, place

PUBLISHER = Publisher(
    name="Hub & Söhne <Test>",
    country="DE",
    identifier="DE-NAP-Hub",
    website="https://hub.example",
    licence="CC BY 4.0",
    contact_email="open-data@hub.example",
    contacts={"DE/ABC": "help@stadtstrom.example"},
)
EDITION = Edition(PUBLISHER, NOON, table_version="5")
PRICES = {
    ("DE/ABC", "T1"): AdHocPrice("EUR", NOON, per_kwh=Decimal("0.395"), per_session=Decimal("1")),
    ("DE/ABC", "FREE"): AdHocPrice("EUR", NOON, per_kwh=Decimal(0)),
}

BARE = place(id="BARE", opening_times=None, parking_type=None, operator=None, name=None, postal_code=None)
ALWAYS_OPEN = place(id="ALWAYS", opening_times=Hours(twentyfourseven=True), energy_mix={"is_green_energy": True})
FREE = place(id="FREE", evses=(evse(connectors=(connector(tariff_ids=("FREE",)), connector(id="2")), capabilities=()),))
EVERY_STATUS = place(
    id="EVERY",
    evses=tuple(evse(f"S{number}", status) for number, status in enumerate(Status) if status is not Status.REMOVED),
)
NOTHING_KNOWN = place(
    id="NONE", evses=(evse(connectors=(connector(max_electric_power=None),)), evse("U2", connectors=()))
)

PLACES = (place(), odd_place(), BARE, ALWAYS_OPEN, FREE, EVERY_STATUS, NOTHING_KNOWN)
"""Usual and odd ones, and one of which nothing can be published in DATEX II."""
