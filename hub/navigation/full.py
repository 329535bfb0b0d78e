"""One Location in full, as properties beside those of its Feature. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hub.navigation.location import Evse, PublicLocation

_SHOWN = (
    "state",
    "related_locations",
    "directions",
    "suboperator",
    "owner",
    "opening_times",
    "charging_when_closed",
    "images",
    "energy_mix",
)


def full_text(location: PublicLocation, prices: Mapping[str, Any]) -> dict[str, Any]:
    """What a list does not show: companies, hours, images, and each EVSE with its connectors and their prices."""
    more = {name: value for name in _SHOWN if (value := getattr(location, name)) not in (None, ())}
    return {
        **more,
        "operator_details": location.operator,
        "evse_list": [_evse(evse, location, prices) for evse in location.evses],
    }


def _evse(evse: Evse, location: PublicLocation, prices: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(evse)
    for connector in content["connectors"]:
        connector["price"] = prices[f"{evse.uid}/{connector['id']}"]
    freshness = {
        "source": location.source,
        "is_reachable": location.is_reachable,
        "silent_since": location.silent_since,
    }
    return {**content, "freshness": freshness}
