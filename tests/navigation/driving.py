"""A place to charge at and what somebody asks there, for tests of prices: Monday 1 June 2026, 12:00 in Amsterdam."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hub.navigation.estimate import Question, Spot, estimate
from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.tariffs import Tariff, read_tariff
from hub.pricing.selection import AD_HOC
from ocpi_modules.locations import Status
from ocpi_modules.types import encode_json
from tests.pricing.build import START, Content
from tests.pricing.build import tariff as tariff_content

OWNER = "NL/TNM"


def connector(**changes: Any) -> Connector:
    """A Type 2 socket that gives 11 kW, with Tariff T1."""
    usual: dict[str, Any] = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
        "last_updated": START,
        "max_electric_power": 11_000,
        "tariff_ids": ("T1",),
    }
    return Connector(**{**usual, **changes})


def evse(*connectors: Connector, uid: str = "U1", evse_id: str | None = "NL*TNM*E1") -> Evse:
    """An EVSE that is free."""
    said: dict[str, Any] = {
        "status": Status.AVAILABLE,
        "said": Status.AVAILABLE,
        "happened_at": START,
        "heard_at": START,
    }
    return Evse(uid=uid, evse_id=evse_id, connectors=connectors or (connector(),), **said)


def place(*evses: Evse, **changes: Any) -> PublicLocation:
    """A car park in Amsterdam."""
    usual: dict[str, Any] = {
        "country_code": "NL",
        "party_id": "TNM",
        "id": "L1",
        "address": "Dam 1",
        "city": "Amsterdam",
        "country": "NLD",
        "latitude": 52.373,
        "longitude": 4.893,
        "time_zone": "Europe/Amsterdam",
        "last_updated": START,
        "heard_at": START,
        "evses": evses or (evse(),),
    }
    return PublicLocation(**{**usual, **changes})


def spot(**changes: Any) -> Spot:
    """A connector of that place."""
    one = connector(**changes)
    there = place(evse(one))
    return Spot(there, there.evses[0], one)


def question(**changes: Any) -> Question:
    """What somebody asks; numbers may be text."""
    numbers = {name: Decimal(value) if isinstance(value, str) else value for name, value in changes.items()}
    usual: dict[str, Any] = {"start": START}
    return Question(**{**usual, **numbers})


def ad_hoc(*elements: Content, **more: Any) -> Content:
    """A Tariff for drivers without contract."""
    return tariff_content(*elements, **{"type": AD_HOC, **more})


def read(content: Content) -> Tariff:
    """A Tariff as it is priced with."""
    tariff = read_tariff(f"{content['country_code']}/{content['party_id']}", encode_json(content))
    assert tariff is not None, content
    return tariff


def asked(tariff: Content | None, at: Spot | None = None, **what: Any) -> Content:
    """The estimate for a question."""
    return estimate(question(**what), at or spot(), None if tariff is None else read(tariff))
