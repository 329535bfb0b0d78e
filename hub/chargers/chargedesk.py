"""What stations say about charges, worked on: the parts started, metered and stopped of `StationDesk`, and an operator's decisions.

A message is one transaction. Who pays is asked before it, so that a transaction never spans a call; a message that comes again finds
what the first one left and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from hub.chargers.billing import kept_place, kept_tariff, new_session_id
from hub.chargers.charging import (
    CLOCK_TOLERANCE_SECONDS,
    START_UNTOLD,
    STATION_LOST,
    Known,
    Timing,
    Where,
    begin,
    closed,
    end,
    has_flag,
    metered,
    permit_of,
    start_key,
    stop_key,
    told_status,
    was_offline,
)
from hub.chargers.closing import Decision, dropped, given_up, released
from hub.chargers.events import (
    BY_COMMAND,
    IdToken,
    Metered,
    Permit,
    PermitStatus,
    Spot,
    StartAnswer,
    Started,
    StatusTold,
    Stopped,
)
from hub.chargers.places import Place, SiteBook
from hub.chargers.tariffing import tariff_at
from hub.clock import Clock
from hub.store.aliases import is_erased
from hub.store.chargereserved import Held
from hub.store.charges import Change, Charge, Charges, ChargeState, Decide, Wanted
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, decode_json, encode_json, same

NUMBER_MAX = 2**31 - 1
PARTED_MAX_ROUNDS = 100


class Recognising(Protocol):
    """Knows who pays for a transaction that began."""

    async def recognise(
        self, identity: str, token: IdToken | None, place: Place | None, remote_start: int | None
    ) -> Permit: ...

    async def alone(self, identity: str, permit: Permit) -> Permit: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPorts:
    """What a desk works with: `hint` tells the leader that there is something to report."""

    charges: Charges
    authoriser: Recognising
    book: Callable[[], SiteBook]
    clock: Clock
    party: Party
    hint: Callable[[], None]


class ChargeDesk:
    """Knows charges."""

    def __init__(self, ports: DeskPorts) -> None:
        self._ports = ports
        self._charges = ports.charges

    async def started(self, identity: str, started: Started) -> StartAnswer:
        """A transaction began; told again, it is the same one."""
        key, spot = start_key(started), started.spot
        wanted = Wanted(
            identity=identity,
            start_key=key,
            told_at=started.at,
            ocpp_id=started.transaction.id,
            evse=spot.evse,
            connector=spot.connector,
        )
        found = await self._charges.find(wanted)
        known = await self._known(identity, found, started)
        charge = await self._change(wanted, lambda one, others: begin(one, others, started, known, identity))
        assert charge is not None, "a begin always leaves a charge"
        return StartAnswer(number=charge.number, permit=_permit(charge))

    async def metered(self, identity: str, told: Metered) -> Permit | None:
        """Readings; a permit where an id token came with them."""
        timing, ocpp_id = await self._timing(identity), told.transaction.id
        at = timing.at(told.at or next((value.at for value in told.values), timing.now))
        wanted = Wanted(
            identity=identity,
            ocpp_id=ocpp_id,
            number=_sane_number(told.transaction.number),
            evse=told.spot.evse,
            connector=told.spot.connector,
            at=at,
        )
        known = await self._known_of(identity, told, wanted, timing)
        charge = await self._change(wanted, lambda one, _: metered(one, told, known, identity))
        return _permit(charge) if charge is not None and told.id_token is not None else None

    async def stopped(self, identity: str, stopped: Stopped) -> Permit | None:
        """A transaction is over."""
        timing = await self._timing(identity)
        wanted = await self._ending(identity, stopped, timing)
        known = await self._known_at_end(identity, stopped, await self._charges.find(wanted), timing)
        charge = await self._change(wanted, lambda one, _: end(one, stopped, known, identity))
        return _permit(charge) if charge is not None and stopped.id_token is not None else None

    async def told_status(self, identity: str, told: StatusTold) -> None:
        """The status of a connector says whether its car asks for energy (1.6)."""
        if told.spot.evse or not told.spot.connector:
            return
        timing = await self._timing(identity)
        spot, at = told.spot, timing.at(told.happened_at or timing.now)
        wanted = Wanted(identity=identity, evse=spot.evse, connector=spot.connector, at=at)
        await self._change(wanted, lambda one, _: None if one is None else told_status(one, told, timing))

    # --- operators ---

    async def active(self) -> list[Charge]:
        """The charges that run."""
        return await self._charges.active()

    async def release(self, number: int, decision: Decision) -> Charge | None:
        """Let a charge that was kept back be billed; None where there is no such charge. Raises NotQuarantined."""
        now = self._ports.clock.now()
        return await self._decided(number, lambda charge: self._with_place(released(charge, decision, now)))

    async def drop(self, number: int, decision: Decision) -> Charge | None:
        """Never bill a charge that was kept back; None where there is no such charge. Raises NotQuarantined."""
        return await self._decided(number, lambda charge: dropped(charge, decision))

    async def close(self, number: int, decision: Decision) -> Charge | None:
        """Close a charge whose station will say no more, to be decided about. Raises NotQuarantined where it is over."""
        now = self._ports.clock.now()
        return await self._decided(number, lambda charge: given_up(charge, decision, now))

    async def part(self, identity: str) -> None:
        """The operator keeps a station out: what runs at it is over, as at one that is lost, and is decided about."""
        now = self._ports.clock.now()
        for _ in range(PARTED_MAX_ROUNDS):
            running = await self._charges.running(identity)
            for charge in running:
                await self._change(Wanted(identity=identity, number=charge.number), lambda one, _: _lost(one, now))
            if not running:
                return

    async def _decided(self, number: int, decide: Callable[[Charge], Charge]) -> Charge | None:
        charge = await self._charges.one(number)
        if charge is None:
            return None
        wanted = Wanted(identity=charge.identity, number=number)
        return await self._change(wanted, lambda one, _: None if one is None else Change(decide(one)))

    def _with_place(self, charge: Charge) -> Charge:
        """A charge whose place or tariff nobody knew, with what is known of them now."""
        if charge.place and charge.tariffs:
            return charge
        where = self._where(charge.identity, Spot(charge.evse, charge.connector), charge.started_at)
        if charge.place:
            return replace(charge, tariffs=where.tariffs)
        placed = replace(charge, site=where.site, evse_uid=where.evse_uid, connector_id=where.connector_id)
        return replace(placed, place=where.place, tariffs=where.tariffs)

    # --- what is known ---

    async def _change(self, wanted: Wanted, decide: Decide) -> Charge | None:
        charge = await self._charges.change(wanted, decide)
        self._ports.hint()
        return charge

    async def _timing(self, identity: str) -> Timing:
        return Timing(self._ports.clock.now(), await self._charges.offset(identity))

    async def _known(self, identity: str, found: Charge | None, started: Started) -> Known:
        """What the hub adds to a begin; a begin that is known needs nothing."""
        timing = await self._timing(identity)
        if found is not None and not has_flag(found, START_UNTOLD):
            return Known(timing=timing)
        permit = await self._recognise(identity, started.id_token, started.spot, started.remote_start)
        permit = await self._alone(identity, permit, started, timing)
        number = _sane_number(started.reservation)
        return Known(
            timing=timing,
            permit=permit,
            where=self._where(identity, started.spot, timing.at(started.at)),
            reservation=await self._reservation(identity, permit, Claim(started.spot, timing.at(started.at), number)),
            session_id=new_session_id(),
        )

    async def _known_of(self, identity: str, told: Metered, wanted: Wanted, timing: Timing) -> Known:
        """What the hub adds to readings: nothing where the begin said it all."""
        if told.transaction.id is None:
            return Known(timing=timing)
        found = await self._charges.find(wanted)
        if found is not None and found.site and (found.token or told.id_token is None):
            return Known(timing=timing)
        permit = await self._recognise(identity, told.id_token, told.spot, told.remote_start)
        permit = await self._alone(identity, permit, told, timing)
        where = self._where(identity, told.spot, timing.now)
        claim = Claim(told.spot, timing.now if found is None else found.started_at)
        reservation = await self._reservation(identity, permit, claim)
        return Known(timing=timing, permit=permit, where=where, reservation=reservation, session_id=new_session_id())

    async def _known_at_end(self, identity: str, stopped: Stopped, found: Charge | None, timing: Timing) -> Known:
        """What the hub adds to an end whose begin it does not know."""
        if found is not None and not has_flag(found, START_UNTOLD):
            return Known(timing=timing)
        spot = stopped.spot or Spot(0, 0)
        permit = await self._recognise(identity, stopped.id_token, spot, None)
        where = self._where(identity, spot, timing.now) if stopped.spot else Where()
        return Known(timing=timing, permit=permit, where=where, session_id=new_session_id())

    async def _recognise(
        self, identity: str, token: IdToken | None, spot: Spot, remote_start: int | None
    ) -> Permit | None:
        if token is None:
            return None
        place = self._ports.book().place(identity, spot)
        return await self._ports.authoriser.recognise(identity, token, place, remote_start)

    async def _alone(
        self, identity: str, permit: Permit | None, said: Started | Metered, timing: Timing
    ) -> Permit | None:
        """The permit, unless its token charges elsewhere already; what was over long ago, or a command began, nobody asks about."""
        if permit is None or permit.auth_method == BY_COMMAND or was_offline(said, timing):
            return permit
        return await self._ports.authoriser.alone(identity, permit)

    def _where(self, identity: str, spot: Spot, at: datetime) -> Where:
        place = self._ports.book().place(identity, spot)
        return Where() if place is None else where_of(place, Offer(self._ports.book(), self._ports.party, at))

    async def _reservation(self, identity: str, permit: Permit | None, claim: Claim) -> int | None:
        """The reservation that the driver of a charge uses: of the same token, in its time, and at its EVSE or by the station's word."""
        if permit is None or not permit.is_granted or permit.token is None:
            return None
        place = self._ports.book().place(identity, claim.spot)
        where = ("", "") if place is None else (place.site.id, place.plug.evse_uid)
        held = await self._charges.reservations.held(identity)
        return next((one.number for one in held if _may_use(one, permit, claim, where)), None)

    async def _ending(self, identity: str, stopped: Stopped, timing: Timing) -> Wanted:
        """Which charge an end is about: by its id or number; else the only one that can be meant."""
        ocpp_id, number = stopped.transaction.id, _sane_number(stopped.transaction.number)
        if ocpp_id is not None:
            return Wanted(identity=identity, ocpp_id=ocpp_id)
        named = Wanted(identity=identity, number=number)
        if number is not None and await self._charges.find(named) is not None:
            return named
        unknown = Wanted(identity=identity, start_key=stop_key(stopped))
        if await self._charges.find(unknown) is not None:
            return unknown
        running = [one for one in await self._charges.running(identity) if _may_end(one, stopped, timing)]
        return Wanted(identity=identity, number=running[0].number) if len(running) == 1 else unknown


def _lost(charge: Charge | None, now: datetime) -> Change | None:
    if charge is None or charge.state != ChargeState.ACTIVE:
        return None
    return Change(closed(charge, now, Timing(now), STATION_LOST))


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered at a moment: the sites with their tariffs, and whose they are."""

    book: SiteBook
    party: Party
    at: datetime


def where_of(place: Place, offer: Offer) -> Where:
    """A connector as it is kept with a charge or a reservation that begins at a moment: with the tariff that counts then."""
    offered = offer.book.tariffs_of(place.connector.get("tariff_ids") or ())
    tariff = tariff_at(offered, offer.at)
    tariffs = [] if tariff is None else [kept_tariff(tariff, offer.party, offer.at)]
    return Where(
        site=place.site.id,
        evse_uid=place.plug.evse_uid,
        connector_id=place.plug.connector_id,
        place=encode_json(kept_place(place)).decode(),
        tariffs=encode_json(tariffs).decode() if tariffs else "",
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """Where and when a charge began, and the number of the reservation that its station says it uses."""

    spot: Spot
    at: datetime
    number: int | None = None


def _may_use(held: Held, permit: Permit, claim: Claim, where: tuple[str, str]) -> bool:
    slack = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
    is_in_time = held.made_at - slack <= claim.at <= held.expires_at + slack
    is_it = held.number == claim.number or (held.site, held.evse_uid) == where
    return is_in_time and is_it and _is_same_token(held.token, permit)


def _may_end(charge: Charge, stopped: Stopped, timing: Timing) -> bool:
    """Whether an end that names no known transaction may be that of a charge: of the same id token, or register, and after its begin."""
    is_after = charge.started_at <= timing.at(stopped.at)
    is_same = stopped.id_token is None or is_erased(charge.id_token) or same(stopped.id_token.uid, charge.id_token)
    return is_after and is_same and (stopped.spot is None or stopped.spot.connector in {0, charge.connector})


def _is_same_token(token: str, permit: Permit) -> bool:
    try:
        kept = decode_json(token.encode()) if token else {}
    except NotJsonText:
        return False
    names: Sequence[str] = ("country_code", "party_id", "uid")
    return permit.token is not None and all(same(str(kept.get(name)), str(permit.token.get(name))) for name in names)


def _sane_number(number: int | None) -> int | None:
    return number if number is not None and 0 < number <= NUMBER_MAX else None


def _permit(charge: Charge) -> Permit:
    """What the driver of a charge was told."""
    token = decode_json(charge.token.encode()) if charge.token else None
    status = permit_of(charge) if charge.permit else PermitStatus.ACCEPTED
    return Permit(status=status, token=token, auth_method=charge.auth_method or "WHITELIST", reference=charge.reference)
