"""A message as the call that takes it to its receiver (R-09, T-10), and what it makes needless."""

from __future__ import annotations

from typing import Any

import pytest

from hub.partners.calls import Hop, call_for, update_of
from hub.partners.delivery import Update
from hub.partners.directory import Partner
from ocpi_modules.errors import RoutingFault
from ocpi_modules.module import Interface
from tests.routing import CP1, HUB, MS1, message_of

AT = "DE/CP1"
SEEN = "2026-01-01T00:00:00Z"
ENDPOINTS = {("locations", Interface.RECEIVER): "https://ms1.example/locations"}
PARTNER = Partner(1, "MS1", "https://ms1.example/versions", True, b"1", "token-c", ENDPOINTS)


def test_a_call_on_another_hop_is_the_call_of_the_message_readdressed() -> None:
    """R-02, T-17, T-18: a broadcast makes no new message for each receiver."""
    message = message_of("PUT", f"receiver/locations/{AT}/L1", content={"id": "L1"})
    hop = Hop(HUB, MS1, "r2")
    assert call_for(message, PARTNER, hop) == call_for(message.readdressed(HUB, MS1, "r2"), PARTNER)


def test_a_partner_without_the_interface_is_named() -> None:
    """R-18."""
    message = message_of("PUT", f"receiver/tariffs/{AT}/T1", content={"id": "T1"})
    with pytest.raises(RoutingFault, match="NL/MS1 offers no tariffs"):
        call_for(message, PARTNER, Hop(HUB, MS1, "r2"))


@pytest.mark.parametrize(
    ("method", "path", "content", "update"),
    [
        pytest.param(
            "PATCH",
            "locations/DE/CP1/L1/e1",
            {"status": "CHARGING", "last_updated": SEEN},
            Update(("locations", CP1, "L1", "E1"), frozenset({"status", "last_updated"})),
            id="Y-04 a PATCH of an EVSE, in whatever case",
        ),
        pytest.param("PATCH", "locations/DE/CP1/L1/E1", {"connectors": []}, None, id="connectors are merged"),
        pytest.param("PATCH", "locations/DE/CP1/L1", {"name": "x"}, None, id="a PATCH of a location"),
        pytest.param("PATCH", "locations/DE/CP1/L1/E1/1", {"standard": "x"}, None, id="a PATCH of a connector"),
        pytest.param("PUT", "locations/DE/CP1/L1/E1", {"status": "CHARGING"}, None, id="a PUT"),
        pytest.param("PATCH", "sessions/DE/CP1/S1", {"charging_periods": []}, None, id="a session: its periods add up"),
        pytest.param("PATCH", "tokens/NL/MS1/T1", {"valid": False}, None, id="a token"),
    ],
)
def test_only_an_update_of_an_evse_may_be_superseded(
    method: str, path: str, content: dict[str, Any], update: Update | None
) -> None:
    assert update_of(message_of(method, f"receiver/{path}", content=content, receiver=MS1)) == update
