"""Places that are kept for somebody: made by RESERVE_NOW, over when they are used, cancelled, or their time is.

An id of a reservation is its sender's own: two eMSPs may use the same. A known id replaces what was reserved under it: first the new
place, then the old one is given back, so that a driver never has none (mod_commands, "ReserveNow"). A place that a station keeps is a
Session (`hub.chargers.reserved`), which a reservation that replaces another one has from it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from hub.chargers.aliases import alias_for, named_token
from hub.chargers.chargedesk import Offer, where_of
from hub.chargers.events import Answered, Ask, CancelReservation, IdToken, Outcome, Reserve, Spot, Stations
from hub.chargers.features import RESERVATION, lacks, read_features
from hub.chargers.places import Place, Plug, Site, SiteBook
from hub.chargers.promises import STATION_WAIT_SECONDS, Telling
from hub.chargers.standing import Picture, Standing, best, standing_to_reserve
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, Ended, KeptReservation, Past
from ocpi_modules.commands import COMMANDS, CommandResultType
from ocpi_modules.errors import OcpiError
from ocpi_modules.message import Message
from ocpi_modules.parties import Party
from ocpi_modules.types import parse_datetime

PLANNED, RESERVED, CANCELLED, EXPIRED, FAILED = "PENDING", "ACTIVE", "CANCELLED", "EXPIRED", "FAILED"
REMOVED = "REMOVED"
"""The station needed the place itself."""
RETURNED_SECONDS = 60
"""So long does a station that was away have to say whether a reservation was used, before it has expired."""
AWAY_MAX_HOURS = 24
"""So long after its end is a reservation waited for whose station is away."""
FORGOTTEN_SECONDS = 60
"""A reservation that is planned for longer was made by a process that is no more."""
ALIAS_AFTER_HOURS = 2.0
UID_MAX_CHARACTERS = 20
UNDO_WAIT_SECONDS = 5.0
CHIP = "ISO14443"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A reservation that is to be made: at a plug, None where none is free (`stands` says how they are), in the place of `before`."""

    plug: Plug | None
    stands: Standing
    row: KeptReservation
    kind: str = ""
    before: KeptReservation | None = None
    is_past: bool = False
    is_unsupported: bool = False

    @property
    def is_same_station(self) -> bool:
        """Whether the station itself replaces the one before."""
        return self.before is not None and self.before.identity == self.row.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationPorts:
    """What reservations are made with.

    `book` is the sites as they are, `party` the local CPO; `changed` says that there is something to tell.
    """

    kept: ChargeCommands
    stations: Stations
    telling: Telling
    book: Callable[[], SiteBook]
    party: Party
    changed: Callable[[], None]
    new_id: Callable[[], str]
    clock: Clock


class Reservations:
    """Makes and ends reservations."""

    def __init__(self, ports: ReservationPorts) -> None:
        self._ports, self._kept, self._clock = ports, ports.kept, ports.clock

    async def known(self, sender: Party, reservation_id: str) -> KeptReservation | None:
        """A reservation that holds."""
        kept = await self._kept.reservation(str(sender), reservation_id)
        holds = kept is not None and kept.state == RESERVED and kept.expires_at > self._clock.now()
        return kept if holds else None

    async def plan(self, message: Message, where: tuple[Site, Sequence[Plug]], picture: Picture) -> Planned:
        """What RESERVE_NOW comes to, before the station is asked."""
        asked, (site, plugs) = message.content, where
        before = await self.known(message.sender, asked["reservation_id"])
        others = [one for one in picture.reservations if before is None or one.number != before.number]
        seen, token = replace(picture, reservations=others), json.dumps(named_token(asked["token"]))
        plug, stands = best(plugs, [standing_to_reserve(one, seen, token) for one in plugs])
        row = self._row(message, Place(site, plug or plugs[0]))
        planned = Planned(plug=plug, stands=stands, row=row, before=before)
        if plug is None:
            return planned
        if row.expires_at <= self._clock.now():
            return replace(planned, is_past=True)
        station = picture.stations[plug.station]
        if lacks(read_features(station.features), RESERVATION):
            return replace(planned, is_unsupported=True)
        return await self._named(planned, asked)

    async def _named(self, planned: Planned, asked: Any) -> Planned:
        """With the id by which the station will know the driver: a card's own where it fits, so that it can be shown there."""
        token = named_token(asked["token"])
        if token["type"] == "RFID" and len(token["uid"]) <= UID_MAX_CHARACTERS:
            return replace(planned, row=replace(planned.row, id_token=token["uid"]), kind=CHIP)
        until = planned.row.expires_at + timedelta(hours=ALIAS_AFTER_HOURS)
        alias = await alias_for(self._kept, asked, self._clock.now(), until)
        return replace(planned, row=replace(planned.row, id_token=alias.alias), kind="Central")

    async def reserve(self, planned: Planned) -> Outcome:
        """Ask the station, and write down what came of it."""
        if planned.before is not None and planned.is_same_station:
            row = replace(planned.row, number=planned.before.number, state=RESERVED)
            outcome = await self._ask(row.identity, _reserve(row, planned.kind))
            if outcome.is_good:
                await self._kept.change(row)
                self._ports.changed()
            return outcome
        row = replace(planned.row, number=await self._kept.reserve(planned.row))
        outcome = await self._ask(row.identity, _reserve(row, planned.kind))
        if outcome.is_good:
            await self._made(row, planned.before)
        else:
            await self._failed(row, outcome)
        return outcome

    async def _made(self, row: KeptReservation, before: KeptReservation | None) -> None:
        """A station keeps the place: it is a Session, the one that there was before where it replaces a reservation."""
        if before is None or not await self._kept.move_reservation(row.number, before.number):
            await self._kept.confirm_reservation(row.number)
        self._ports.changed()
        if before is not None:
            await self._give_back(before)

    async def _failed(self, row: KeptReservation, outcome: Outcome) -> None:
        is_over = await self._end(row, FAILED, PLANNED)
        if is_over and outcome.answered is Answered.TIMEOUT:  # it may have been reserved all the same
            await self._ports.stations.ask(row.identity, CancelReservation(row.number), UNDO_WAIT_SECONDS)

    async def _give_back(self, before: KeptReservation) -> None:
        await self._end(before, CANCELLED, RESERVED)
        outcome = await self._ports.stations.ask(before.identity, CancelReservation(before.number), UNDO_WAIT_SECONDS)
        if not outcome.is_good:
            _log.warning("place_not_given_back", station=before.identity, answered=outcome.answered.value)

    async def cancel(self, kept: KeptReservation) -> Outcome:
        """Ask the station to keep a place no longer, and write down that it does not."""
        outcome = await self._ask(kept.identity, CancelReservation(kept.number))
        if outcome.is_good or outcome.answered is Answered.UNKNOWN:
            await self._end(kept, CANCELLED, RESERVED)
        return outcome

    async def _end(self, kept: KeptReservation, state: str, of: str) -> bool:
        """A reservation is over, at the end of its time at the latest; False where it was not so any more."""
        ended = Ended(kept.number, state, min(self._clock.now(), kept.expires_at))
        is_done = await self._kept.end_reservation(ended, (of,))
        if is_done:
            self._ports.changed()
        return is_done

    async def refer(self, kept: KeptReservation, reference: str | None) -> None:
        """Its holder begins to charge by a command: the reference of that is the one of the charge."""
        if reference is not None:
            await self._kept.refer(kept.number, reference)
            await self._kept.refer_alias(kept.id_token, reference)

    async def reservation_ended(self, identity: str, number: int, how: str) -> None:
        """A station keeps a place no longer (2.x): its time is over, or it needs the place; then its sender is told."""
        kept = await self._kept.reservation_numbered(number)
        if kept is None or kept.identity != identity:
            return
        state = EXPIRED if how == "Expired" else REMOVED
        if await self._end(kept, state, RESERVED) and state == REMOVED:
            await self._tell_cancelled(kept)

    async def _tell_cancelled(self, kept: KeptReservation) -> None:
        url = await self._kept.response_url(kept.sender, "RESERVE_NOW", content_of(kept.reservation_id))
        if url is None:
            return
        try:
            await self._ports.telling.result(COMMANDS, url, {"result": CommandResultType.CANCELED_RESERVATION.value})
        except OcpiError as exc:
            _log.info("cancelled_reservation_not_told", sender=kept.sender, reason=exc.message)

    async def expire(self) -> None:
        """Write down whose time is over; stations look at the time themselves. For the process that leads.

        Where a station is away, somebody may have used the place unseen: it is waited for, AWAY_MAX_HOURS at most.
        """
        now = self._clock.now()
        returned, at_last = now - timedelta(seconds=RETURNED_SECONDS), now - timedelta(hours=AWAY_MAX_HOURS)
        for kept in await self._kept.expired(RESERVED, Past(now=now, connected_before=returned, at_last=at_last)):
            await self._end(kept, EXPIRED, RESERVED)
        forgotten = await self._kept.forgotten(PLANNED, now - timedelta(seconds=FORGOTTEN_SECONDS))
        await asyncio.gather(*(self._failed(kept, Outcome(Answered.TIMEOUT)) for kept in forgotten))

    def _row(self, message: Message, place: Place) -> KeptReservation:
        asked, plug, now = message.content, place.plug, self._clock.now()
        where = where_of(place, Offer(self._ports.book(), self._ports.party, now))
        return KeptReservation(
            sender=str(message.sender),
            reservation_id=asked["reservation_id"],
            identity=plug.station,
            site=where.site,
            evse_uid=where.evse_uid,
            connector_id=where.connector_id,
            id_token="",
            token=json.dumps(named_token(asked["token"])),
            state=PLANNED,
            evse=plug.evse,
            connector=plug.connector,
            reference=asked.get("authorization_reference"),
            expires_at=parse_datetime(asked["expiry_date"]),
            made_at=now,
            session_id=self._ports.new_id(),
            place=where.place,
            tariffs=where.tariffs,
        )

    async def _ask(self, station: str, ask: Ask) -> Outcome:
        return await self._ports.stations.ask(station, ask, STATION_WAIT_SECONDS)


# --- pure ---


def content_of(reservation_id: str) -> str:
    """What is kept of a RESERVE_NOW beside its reservation."""
    return json.dumps({"reservation_id": reservation_id})


def kind_of(kept: KeptReservation) -> str:
    """The type of the id token of a reservation: a card's own uid, or an alias."""
    return CHIP if json.loads(kept.token).get("uid") == kept.id_token else "Central"


def _reserve(row: KeptReservation, kind: str) -> Reserve:
    token, spot = IdToken(row.id_token, kind), Spot(row.evse, row.connector)
    return Reserve(number=row.number, spot=spot, id_token=token, expires_at=row.expires_at)
