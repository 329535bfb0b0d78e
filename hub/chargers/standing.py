"""Whether a plug can be used now, and which of several to take. Pure.

Source: mod_commands ("CommandResultType": EVSE_OCCUPIED, EVSE_INOPERATIVE). A car that is plugged in and does not charge does not
occupy an EVSE for a driver who is about to start: it is the driver's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from hub.chargers.places import Plug
from hub.store.chargecommands import ConnectorNow, KeptReservation, OpenCharge, StationNow


class Standing(Enum):
    """How a plug stands; the values are the results that a command has at one that is not free."""

    FREE = "ACCEPTED"
    OCCUPIED = "EVSE_OCCUPIED"
    INOPERATIVE = "EVSE_INOPERATIVE"
    GONE = "REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A site as it is now: its stations, their connectors, charges that go on, places that are kept, EVSEs that are blocked."""

    stations: Mapping[str, StationNow]
    connectors: Sequence[ConnectorNow] = ()
    charges: Sequence[OpenCharge] = ()
    reservations: Sequence[KeptReservation] = ()
    blocked: frozenset[str] = frozenset()
    statuses: Mapping[tuple[str, int, int], str] = field(default_factory=dict)


_BROKEN = frozenset({"Faulted", "Unavailable"})
_CHARGING = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})
_FREE_TO_RESERVE = frozenset({"", "Available", "Reserved"})


def statuses_of(connectors: Sequence[ConnectorNow]) -> Mapping[tuple[str, int, int], str]:
    """Statuses by station and OCPP's numbers."""
    return {(one.identity, one.evse, one.connector): one.status for one in connectors}


def standing(plug: Plug, picture: Picture, token: str) -> Standing:
    """How a plug stands for the holder of a token (its CdrToken as JSON)."""
    if not is_there(plug, picture):
        return Standing.GONE
    if _is_broken(plug, picture):
        return Standing.INOPERATIVE
    is_used = any(one.evse_uid == plug.evse_uid for one in picture.charges) or _status(plug, picture) in _CHARGING
    is_anothers = any(one.evse_uid == plug.evse_uid and one.token != token for one in picture.reservations)
    return Standing.OCCUPIED if is_used or is_anothers else Standing.FREE


def standing_to_reserve(plug: Plug, picture: Picture, token: str) -> Standing:
    """The same for somebody who wants the place later: nobody may be there now."""
    stands = standing(plug, picture, token)
    is_taken = stands is Standing.FREE and _status(plug, picture) not in _FREE_TO_RESERVE
    return Standing.OCCUPIED if is_taken else stands


def best(plugs: Sequence[Plug], stands: Sequence[Standing]) -> tuple[Plug | None, Standing]:
    """The first plug that is free; where none is, how they stand: occupied if any is, gone if all are."""
    for plug, one in zip(plugs, stands, strict=True):
        if one is Standing.FREE:
            return plug, one
    order = (Standing.OCCUPIED, Standing.INOPERATIVE, Standing.GONE)
    return None, next((one for one in order if one in stands), Standing.GONE)


def is_there(plug: Plug, picture: Picture) -> bool:
    """Whether the station of a plug has its socket, and the operator's welcome."""
    station = picture.stations.get(plug.station)
    return station is not None and station.is_connected and station.state == "Accepted"


def _is_broken(plug: Plug, picture: Picture) -> bool:
    whole = picture.statuses.get((plug.station, 0, 0), "")
    return plug.evse_uid in picture.blocked or bool({_status(plug, picture), whole} & _BROKEN)


def _status(plug: Plug, picture: Picture) -> str:
    """OCPP 1.6 knows no EVSEs: its connectors are told with 0."""
    told = picture.statuses.get((plug.station, plug.evse, plug.connector))
    return told if told is not None else picture.statuses.get((plug.station, 0, plug.connector), "")
