"""Places that are kept for somebody: made by RESERVE_NOW, over when they are used, cancelled, or their time is.

An id of a reservation is its sender's own: two eMSPs may use the same. A known id replaces what was reserved under it: first the new
place, then the old one is given back, so that a driver never has none (mod_commands, "ReserveNow").
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from hub.chargers.aliases import alias_for, named_token
from hub.chargers.events import Answered, Ask, CancelReservation, IdToken, Outcome, Reserve, Spot, Stations
from hub.chargers.features import RESERVATION, lacks, read_features
from hub.chargers.places import Plug, Site
from hub.chargers.promises import STATION_WAIT_SECONDS, Telling
from hub.chargers.standing import Picture, Standing, best, standing_to_reserve
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, KeptReservation
from ocpi_modules.commands import COMMANDS, CommandResultType
from ocpi_modules.errors import OcpiError
from ocpi_modules.message import Message
from ocpi_modules.parties import Party
from ocpi_modules.types import parse_datetime

PLANNED, RESERVED, CANCELLED, EXPIRED, FAILED = "PENDING", "ACTIVE", "CANCELLED", "EXPIRED", "FAILED"
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


class Reservations:
    """Makes and ends reservations."""

    def __init__(self, kept: ChargeCommands, stations: Stations, telling: Telling, clock: Clock) -> None:
        self._kept, self._stations, self._telling, self._clock = kept, stations, telling, clock

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
        row = _row(message, site, plug or plugs[0], self._clock)
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
            return outcome
        row = replace(planned.row, number=await self._kept.reserve(planned.row))
        outcome = await self._ask(row.identity, _reserve(row, planned.kind))
        if outcome.is_good:
            await self._kept.end_reservation(row.number, RESERVED, (PLANNED,))
        else:
            await self._failed(row, outcome)
        if outcome.is_good and planned.before is not None:
            await self._give_back(planned.before)
        return outcome

    async def _failed(self, row: KeptReservation, outcome: Outcome) -> None:
        await self._kept.end_reservation(row.number, FAILED, (PLANNED,))
        if outcome.answered is Answered.TIMEOUT:  # it may have been reserved all the same
            await self._stations.ask(row.identity, CancelReservation(row.number), UNDO_WAIT_SECONDS)

    async def _give_back(self, before: KeptReservation) -> None:
        await self._kept.end_reservation(before.number, CANCELLED, (RESERVED,))
        outcome = await self._stations.ask(before.identity, CancelReservation(before.number), UNDO_WAIT_SECONDS)
        if not outcome.is_good:
            _log.warning("place_not_given_back", station=before.identity, answered=outcome.answered.value)

    async def cancel(self, kept: KeptReservation) -> Outcome:
        """Ask the station to keep a place no longer, and write down that it does not."""
        outcome = await self._ask(kept.identity, CancelReservation(kept.number))
        if outcome.is_good or outcome.answered is Answered.UNKNOWN:
            await self._kept.end_reservation(kept.number, CANCELLED, (RESERVED,))
        return outcome

    async def reservation_ended(self, identity: str, number: int, how: str) -> None:
        """A station keeps a place no longer (2.x): its time is over, or it needs the place; then its sender is told."""
        kept = await self._kept.reservation_numbered(number)
        if kept is None or kept.identity != identity:
            return
        state = EXPIRED if how == "Expired" else CANCELLED
        if await self._kept.end_reservation(number, state, (RESERVED,)) and state == CANCELLED:
            await self._tell_cancelled(kept)

    async def _tell_cancelled(self, kept: KeptReservation) -> None:
        url = await self._kept.response_url(kept.sender, "RESERVE_NOW", content_of(kept.reservation_id))
        if url is None:
            return
        try:
            await self._telling.result(COMMANDS, url, {"result": CommandResultType.CANCELED_RESERVATION.value})
        except OcpiError as exc:
            _log.info("cancelled_reservation_not_told", sender=kept.sender, reason=exc.message)

    async def expire(self) -> None:
        """Write down whose time is over; stations look at the time themselves. For the process that leads."""
        for kept in await self._kept.expired((PLANNED, RESERVED), self._clock.now()):
            await self._kept.end_reservation(kept.number, EXPIRED, (PLANNED, RESERVED))

    async def _ask(self, station: str, ask: Ask) -> Outcome:
        return await self._stations.ask(station, ask, STATION_WAIT_SECONDS)


# --- pure ---


def content_of(reservation_id: str) -> str:
    """What is kept of a RESERVE_NOW beside its reservation."""
    return json.dumps({"reservation_id": reservation_id})


def _reserve(row: KeptReservation, kind: str) -> Reserve:
    token, spot = IdToken(row.id_token, kind), Spot(row.evse, row.connector)
    return Reserve(number=row.number, spot=spot, id_token=token, expires_at=row.expires_at)


def _row(message: Message, site: Site, plug: Plug, clock: Clock) -> KeptReservation:
    asked = message.content
    return KeptReservation(
        sender=str(message.sender),
        reservation_id=asked["reservation_id"],
        identity=plug.station,
        site=site.id,
        evse_uid=plug.evse_uid,
        id_token="",
        token=json.dumps(named_token(asked["token"])),
        state=PLANNED,
        evse=plug.evse,
        connector=plug.connector,
        reference=asked.get("authorization_reference"),
        expires_at=parse_datetime(asked["expiry_date"]),
        made_at=clock.now(),
    )
