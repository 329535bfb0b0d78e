"""Which pushes a newer one makes pointless, so that a slow receiver need not be told all of them."""

from __future__ import annotations

from typing import Any

import pytest

from hub.routing.keeper import status_of
from ocpi_modules.message import Message
from tests.routing import CP1, HUB, message_of

STATUS = {"status": "CHARGING", "last_updated": "2026-11-02T08:00:00Z"}


def patch(path: str, content: Any, method: str = "PATCH") -> Message:
    return message_of(method, f"receiver/{path}", sender=CP1, receiver=HUB, content=content)


EVSE = patch("locations/DE/CP1/L1/E1", STATUS)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param(patch("locations/DE/CP1/L1/E1", {**STATUS, "status": "BLOCKED"}), True, id="another status"),
        pytest.param(patch("locations/DE/CP1/l1/e1", STATUS), True, id="the same id in other letters"),
        pytest.param(patch("locations/DE/CP1/L1/E2", STATUS), False, id="another EVSE"),
        pytest.param(patch("locations/DE/CP1/L2/E1", STATUS), False, id="an EVSE of another location"),
        pytest.param(patch("locations/DE/CP1/L1/E1", {"status": "BLOCKED"}), False, id="it says less"),
    ],
)
def test_a_status_of_an_evse_is_superseded_by_a_newer_one_that_says_as_much(other: Message, is_same: bool) -> None:
    assert status_of(EVSE) is not None
    assert (status_of(EVSE) == status_of(other)) is is_same


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            patch("locations/DE/CP1/L1/E1", {**STATUS, "floor_level": "1"}), id="it says more than the status"
        ),
        pytest.param(patch("locations/DE/CP1/L1/E1", {"last_updated": STATUS["last_updated"]}), id="no status in it"),
        pytest.param(patch("locations/DE/CP1/L1", {"last_updated": STATUS["last_updated"]}), id="a location"),
        pytest.param(patch("locations/DE/CP1/L1/E1/C1", STATUS), id="a connector"),
        pytest.param(patch("locations/DE/CP1/L1/E1", STATUS, "PUT"), id="a whole EVSE"),
        pytest.param(patch("sessions/DE/CP1/S1", STATUS), id="a session"),
    ],
)
def test_everything_else_is_told_in_full(message: Message) -> None:
    assert status_of(message) is None
