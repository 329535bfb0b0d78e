"""What changed between two public states of a Location: on it versions, streams and the list of changes are decided. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from hub.navigation.feature import counts_of, state_in
from hub.navigation.location import Evse, PublicLocation, Source
from hub.navigation.state import State
from ocpi_modules.locations import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is not as it was.

    `is_static`: something other than statuses and who said them when. `is_status`: a status that is shown, or whether its source can be
    reached. `is_provenance`: only when it was said or by whom, while all that is said stays. `evses` are those with another status and new
    ones, `removed` the uids of those that are gone.
    """

    is_new: bool = False
    is_gone: bool = False
    is_static: bool = False
    is_status: bool = False
    is_provenance: bool = False
    evses: tuple[Evse, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_news(self) -> bool:
        """Whether somebody who looks at a map would see it."""
        return self.is_static or self.is_status or self.is_gone

    @property
    def is_any(self) -> bool:
        """Whether any public byte is another one now."""
        return self.is_news or self.is_provenance


NO_DIFFERENCE = Difference()


def what_changed(before: PublicLocation | None, now: PublicLocation | None) -> Difference:
    """The difference between two states; None is not public. When the hub heard the same again is none."""
    if now is None:
        return NO_DIFFERENCE if before is None else Difference(is_gone=True)
    if before is None:
        return Difference(is_new=True, is_static=True, is_status=True, evses=now.evses)
    known = {evse.uid: evse for evse in before.evses}
    changed = tuple(evse for evse in now.evses if _shown(evse) != _shown(known.get(evse.uid)))
    left = {evse.uid for evse in now.evses}
    removed = tuple(uid for uid in known if uid not in left)
    is_static = _still(before) != _still(now)
    is_status = bool(changed or removed) or before.is_reachable != now.is_reachable
    is_provenance = not is_static and not is_status and _provenance(before) != _provenance(now)
    return Difference(
        is_static=is_static, is_status=is_status, is_provenance=is_provenance, evses=changed, removed=removed
    )


def _shown(evse: Evse | None) -> tuple[Status, Status] | None:
    return None if evse is None else (evse.status, evse.said)


_NEVER = datetime.min.replace(tzinfo=UTC)


def _still(location: PublicLocation) -> PublicLocation:
    """A Location without what moves while nothing about it changes."""
    return replace(
        location,
        number=0,
        static_version=0,
        status_version=0,
        source=Source.PUSH,
        is_reachable=True,
        silent_since=None,
        last_updated=_NEVER,
        heard_at=_NEVER,
        evses=tuple(map(_still_evse, location.evses)),
    )


def _still_evse(evse: Evse) -> Evse:
    connectors = tuple(replace(one, last_updated=_NEVER) for one in evse.connectors)
    return replace(
        evse, status=Status.UNKNOWN, said=Status.UNKNOWN, happened_at=_NEVER, heard_at=_NEVER, connectors=connectors
    )


def _provenance(location: PublicLocation) -> tuple[object, ...]:
    moments = [(evse.happened_at, [one.last_updated for one in evse.connectors]) for evse in location.evses]
    return (location.source, location.silent_since, location.last_updated, moments)


# --- from one state to the next --------------------------------------------------------------


class Numbers(NamedTuple):
    """The hub's number of a Location, and its versions so far (0: it was never public).

    They outlive its absence: what comes back goes on counting, for a version is never used twice (N8).
    """

    number: int
    static_version: int = 0
    status_version: int = 0


class Step(NamedTuple):
    """The public state that follows (None: not public any more), and how it differs from the one before."""

    location: PublicLocation | None
    difference: Difference


def numbers_of(location: PublicLocation) -> Numbers:
    """The number and versions that a state carries."""
    return Numbers(location.number, location.static_version, location.status_version)


def step(numbers: Numbers, before: PublicLocation | None, now: PublicLocation | None) -> Step:
    """The next state of a Location, from what the gate shows of it now: with its number, and with versions that grow with what changed.

    `before` is its state so far, None while it is not public. Of an EVSE that says what it said, it stays when that was heard.
    """
    difference = what_changed(before, now)
    if now is None or not difference.is_any:
        return Step(None if now is None else before, difference)
    following = replace(
        now,
        number=numbers.number,
        static_version=numbers.static_version + difference.is_static,
        status_version=numbers.status_version + difference.is_status,
        evses=_heard_first(before, now) if before else now.evses,
    )
    return Step(following, difference)


def _heard_first(before: PublicLocation, now: PublicLocation) -> tuple[Evse, ...]:
    known = {evse.uid: evse for evse in before.evses}
    return tuple(_told_again(known.get(evse.uid), evse) for evse in now.evses)


def _told_again(before: Evse | None, now: Evse) -> Evse:
    if before is None or (before.said, before.happened_at) != (now.said, now.happened_at):
        return now
    return replace(now, heard_at=before.heard_at)


# --- what is told of it ----------------------------------------------------------------------


class EventKind(StrEnum):
    """What becomes of a Location in whoever follows the changes."""

    UPSERT = "upsert"
    GONE = "gone"


class EvseNews(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an EVSE is now: what is shown, what its source said last, when that happened, and when the hub heard it (UTC)."""

    uid: str
    status: Status
    said: Status
    happened_at: datetime
    heard_at: datetime
    evse_id: str | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of one Location (``CC/PID/id``). Of one that is gone nothing else is told.

    `coordinates` are longitude and latitude, as in GeoJSON. `evses` are those whose status changed, `removed` the uids of those that are
    gone; `available` and `total` count all of its EVSEs, `state` is what they come to. `is_static`: more than statuses changed, so that
    it has to be read anew.
    """

    kind: EventKind
    location: str
    number: int
    coordinates: tuple[float, float] | None = None
    is_reachable: bool | None = None
    silent_since: datetime | None = None
    available: int | None = None
    total: int | None = None
    state: State | None = None
    is_static: bool | None = None
    static_version: int | None = None
    status_version: int | None = None
    evses: tuple[EvseNews, ...] = ()
    removed: tuple[str, ...] = ()


encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode


def event_of(before: PublicLocation | None, after: Step) -> Event | None:
    """What is told of a step; None where nobody would see a difference."""
    location, difference = after
    if location is None:
        return Event(EventKind.GONE, before.ref, before.number) if before else None
    if not difference.is_news:
        return None
    counts = counts_of(location.evses)
    return Event(
        EventKind.UPSERT,
        location.ref,
        location.number,
        coordinates=(location.longitude, location.latitude),
        is_reachable=location.is_reachable,
        silent_since=location.silent_since,
        available=counts["available"],
        total=counts["total"],
        state=state_in(counts),
        is_static=difference.is_static,
        static_version=location.static_version,
        status_version=location.status_version,
        evses=tuple(map(_news_of, _told_evses(location, difference))),
        removed=difference.removed,
    )


def _told_evses(location: PublicLocation, difference: Difference) -> list[Evse]:
    changed = {evse.uid for evse in difference.evses}
    return [evse for evse in location.evses if evse.uid in changed]


def _news_of(evse: Evse) -> EvseNews:
    return EvseNews(evse.uid, evse.status, evse.said, evse.happened_at, evse.heard_at, evse.evse_id)
