"""A place to charge at and what somebody asks there, for tests of prices: Monday 1 June 2026, 12:00 in Amsterdam."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hub.navigation.estimate import Question, Spot, estimate
from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.tariffs import Tariff, read_tariff
from hub.pricing.selection import AD_HOC
from ocpi_modules.types import encode_json
from tests.navigation.places import evse as usual_evse
from tests.navigation.places import place as usual_place
from tests.navigation.places import socket
from tests.pricing.build import START, Content
from tests.pricing.build import tariff as tariff_content

OWNER = "NL/TNM"


def connector(**changes: Any) -> Connector:
    """A Type 2 socket that gives 11 kW, with Tariff T1."""
    return socket(**{"max_electric_power": 11_000, "tariff_ids": ("T1",), **changes})


def evse(*connectors: Connector, **changes: Any) -> Evse:
    """An EVSE with that socket."""
    return usual_evse(**{"evse_id": "NL*TNM*E1", "connectors": connectors or (connector(),), **changes})


def place(*evses: Evse, **changes: Any) -> PublicLocation:
    """A car park in Amsterdam with one such EVSE."""
    where = {"latitude": 52.373, "longitude": 4.893, "time_zone": "Europe/Amsterdam"}
    owner = {"country_code": "NL", "party_id": "TNM", "country": "NLD"}
    return usual_place(**{**where, **owner, "evses": evses or (evse(),), **changes})


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
