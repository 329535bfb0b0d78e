"""From what connectors say (OCPP) to the status of EVSEs (OCPI, mod_locations "Status"). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from hub.chargers.events import WHOLE_STATION
from hub.chargers.places import Plug, Site
from hub.store.chargesites import Seen
from hub.store.chargestations import KeptConnector
from ocpi_modules.locations import Status

REPLAY_MAX = timedelta(days=30)
"""A status that claims to be older than that is no replay: the station's clock is wrong."""

CLOCK_SANE = timedelta(seconds=10)
"""A clock that is no further from ours counts as right: a message takes its time."""

OFFSETS_AGREE = timedelta(seconds=5)
MEASURED_APART_MIN = timedelta(seconds=5)

STATUSES: Mapping[str, Status] = {
    "Available": Status.AVAILABLE,
    "Preparing": Status.CHARGING,
    "Charging": Status.CHARGING,
    "SuspendedEV": Status.CHARGING,
    "SuspendedEVSE": Status.CHARGING,
    "Finishing": Status.CHARGING,
    "Occupied": Status.CHARGING,
    "Reserved": Status.RESERVED,
    "Unavailable": Status.INOPERATIVE,
    "Faulted": Status.OUTOFORDER,
}
"""What the words of OCPP 1.6 and 2.x for a connector come to."""

_ORDER = (
    Status.CHARGING,
    Status.RESERVED,
    Status.AVAILABLE,
    Status.UNKNOWN,
    Status.INOPERATIVE,
    Status.OUTOFORDER,
)
"""An EVSE is what the first of its connectors in this order is; what is not known may be better than what does not work."""

_FOR_ALL = frozenset({Status.INOPERATIVE, Status.OUTOFORDER})


def site_statuses(site: Site, seen: Seen) -> dict[str, str]:
    """The status of each EVSE of a site by uid."""
    return {uid: evse_status(site.plugs_of(uid), seen, seen.blocked.get(uid, "")).value for uid in site.evses}


def evse_status(plugs: Iterable[Plug], seen: Seen, blocked_by: str) -> Status:
    """What an EVSE is; where a car charges it is not blocked, whatever staff say."""
    statuses = [plug_status(plug, seen) for plug in plugs]
    status = min(statuses, key=_ORDER.index, default=Status.UNKNOWN)
    return Status.BLOCKED if blocked_by and status is not Status.CHARGING else status


def plug_status(plug: Plug, seen: Seen) -> Status:
    """What a connector is: UNKNOWN while its station is not there. What does not work at the whole station works nowhere at it."""
    if plug.station in seen.lost:
        return Status.UNKNOWN
    whole = status_of(seen.connectors.get((plug.station, WHOLE_STATION.evse, WHOLE_STATION.connector)))
    return whole if whole in _FOR_ALL else status_of(_said_of(plug, seen))


def status_of(said: KeptConnector | None) -> Status:
    """What OCPP's word comes to; a word that it does not have says nothing."""
    return STATUSES.get(said.status, Status.UNKNOWN) if said else Status.UNKNOWN


def _said_of(plug: Plug, seen: Seen) -> KeptConnector | None:
    """The newest that was said of a plug: in the numbers of OCPP 1.6 or of 2.x, whichever its station speaks now."""
    spots = {(plug.station, 0, plug.connector), (plug.station, plug.evse, plug.connector)}
    found = [said for spot in spots if (said := seen.connectors.get(spot))]
    return max(found, key=lambda said: said.heard_at, default=None)


# --- clocks ---


def effective_time(told: datetime | None, now: datetime, offset: timedelta) -> datetime:
    """When something happened, by our clock, out of what the station's clock says: never after we heard of it."""
    if told is None:
        return now
    corrected = told - offset
    return corrected if now - REPLAY_MAX <= corrected <= now else now


def clock_offset(told: datetime, now: datetime, last: tuple[datetime, timedelta] | None) -> timedelta | None:
    """How far a station's clock is ahead of ours, by a message that says when it was made; None where the message does not tell.

    A time to come is the clock's fault. A time that is past may as well be that of a message that had to wait, unless it was as far
    past some seconds ago: `last` is when the one before was heard, and what it said.
    """
    offset = told - now
    if abs(offset) <= CLOCK_SANE:
        return timedelta()
    if offset > CLOCK_SANE:
        return offset
    if last is None or now - last[0] < MEASURED_APART_MIN:
        return None
    return offset if abs(offset - last[1]) <= OFFSETS_AGREE else None
