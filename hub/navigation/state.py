"""How a Location is, in one word: said by tiles, lists and streams alike. Pure."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """How a Location is, in one word."""

    AVAILABLE = "available"
    """An EVSE is available."""
    UNKNOWN = "unknown"
    """None is known to be, and of some it is not known; also where there are no EVSEs."""
    OCCUPIED = "occupied"
    """None is; some work."""
    OUT_OF_SERVICE = "out_of_service"
    """None works."""


STATES = tuple(State)


def state_of(*, available: int, occupied: int, unknown: int, total: int) -> State:
    """The state of a Location from counts of its EVSEs."""
    if available:
        return State.AVAILABLE
    if unknown or not total:
        return State.UNKNOWN
    return State.OCCUPIED if occupied else State.OUT_OF_SERVICE
