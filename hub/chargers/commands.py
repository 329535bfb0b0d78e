"""The Commands module of the local CPO: what eMSPs ask, what stations do, and what eMSPs are told (mod_commands, reference 2.4).

A command for what nobody provisioned is 2003. One whose station has no socket is REJECTED at once; one that cannot be because of how its
EVSE stands is accepted, and its result says so at once. All else is asked of the station within the time that the answer promises.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hub.chargers.aliases import alias_for, named_token
from hub.chargers.events import (
    Answered,
    IdToken,
    Outcome,
    RemoteStart,
    RemoteStop,
    Spot,
    Stations,
    TransactionRef,
    Unlock,
)
from hub.chargers.places import Plug, Site, SiteBook
from hub.chargers.promises import PROMISED_SECONDS, STATION_WAIT_SECONDS, Promises
from hub.chargers.reservations import RESERVED, Reservations, content_of, kind_of
from hub.chargers.standing import Picture, Standing, best, is_there, standing, statuses_of
from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, KeptCommand, OpenCharge
from ocpi_modules.commands import CommandResponseType, CommandResultType
from ocpi_modules.errors import InvalidParameters, UnknownLocation
from ocpi_modules.message import Message, Reply
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json, same

CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
ALIAS_HOURS = 2.0
"""So long may a driver take between the command and the begin of charging."""

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPorts:
    """What commands are carried out with; `book` is the sites as they are."""

    kept: ChargeCommands
    stations: Stations
    promises: Promises
    reservations: Reservations
    book: Callable[[], SiteBook]
    clock: Clock


class CommandDesk:
    """Answers commands (`hub.chargers.localparty.Take`)."""

    def __init__(self, ports: CommandPorts) -> None:
        self._ports, self._kept, self._reservations = ports, ports.kept, ports.reservations

    async def take(self, message: Message) -> Reply:
        """The CommandResponse to a command. Raises UnknownLocation (2003), InvalidParameters (2001)."""
        if self._ports.promises.is_full:
            return response(CommandResponseType.REJECTED)
        return await _COMMANDS[message.keys[0]](self, message)

    # --- starting and stopping ---

    async def _start(self, message: Message) -> Reply:
        asked: Content = message.content
        site, plugs = wanted(self._ports.book(), asked)
        require_connector(site, plugs, asked)
        token, picture = named_token(asked["token"]), await self._picture(site)
        text = json.dumps(token)
        plug, stands = best(plugs, [standing(one, picture, text) for one in plugs])
        command = self._command(message, plug or plugs[0], token=text, reference=asked.get("authorization_reference"))
        if plug is None:
            return await self._not_free(command, stands)
        id_token = await self._start_token(asked, picture, plug)
        command, spot = replace(command, id_token=id_token.uid), Spot(plug.evse, plug.connector)

        async def work(number: int) -> Content:
            ask = RemoteStart(spot=spot, id_token=id_token, number=number)
            return result_of(await self._ask(plug.station, ask))

        return await self._promised(command, work)

    async def _start_token(self, asked: Content, picture: Picture, plug: Plug) -> IdToken:
        """The id under which the place is kept for this driver already, for stations compare them; else a fresh alias."""
        token, now = json.dumps(named_token(asked["token"])), self._ports.clock.now()
        kept = next((one for one in picture.reservations if one.evse_uid == plug.evse_uid and one.token == token), None)
        if kept is not None:
            await self._reservations.refer(kept, asked.get("authorization_reference"))
            return IdToken(kept.id_token, kind_of(kept))
        alias = await alias_for(self._kept, asked, now, now + timedelta(hours=ALIAS_HOURS))
        return IdToken(alias.alias, "Central")

    async def _stop(self, message: Message) -> Reply:
        charge = await self._kept.session(message.content["session_id"])
        if charge is None:
            return response(CommandResponseType.UNKNOWN_SESSION)
        if not is_payer(charge, message.sender):  # CM-17
            return response(CommandResponseType.REJECTED)
        plug = plug_of(charge)
        command = replace(self._command(message, plug), site=charge.site)
        if not await self._is_there(plug):
            return response(CommandResponseType.REJECTED)

        async def work(_: int) -> Content:
            ask = RemoteStop(TransactionRef(charge.number, charge.ocpp_id))
            return result_of(await self._ask(charge.identity, ask))

        return await self._promised(command, work)

    async def _unlock(self, message: Message) -> Reply:
        _, (plug, *_) = wanted(self._ports.book(), message.content)
        if not await self._is_there(plug):
            return response(CommandResponseType.REJECTED)

        async def work(_: int) -> Content:
            return result_of(await self._ask(plug.station, Unlock(Spot(plug.evse, plug.connector))))

        return await self._promised(self._command(message, plug), work)

    # --- keeping a place ---

    async def _reserve(self, message: Message) -> Reply:
        site, plugs = wanted(self._ports.book(), message.content)
        command = self._command(message, plugs[0])
        planned = await self._reservations.plan(message, (site, plugs), await self._picture(site))
        if planned.plug is None:
            return await self._not_free(command, planned.stands)
        if planned.is_past:
            return response(CommandResponseType.REJECTED)
        if planned.is_unsupported:
            return response(CommandResponseType.NOT_SUPPORTED)
        command = replace(
            self._command(message, planned.plug, token=planned.row.token, reference=planned.row.reference),
            id_token=planned.row.id_token,
            content=content_of(message.content["reservation_id"]),
        )

        async def work(_: int) -> Content:
            return result_of(await self._reservations.reserve(planned))

        return await self._promised(command, work)

    async def _cancel(self, message: Message) -> Reply:
        kept = await self._reservations.known(message.sender, message.content["reservation_id"])
        if kept is None:
            nowhere = Plug(station="", evse=0, connector=0, evse_uid="", connector_id="")
            return await self._at_once(self._command(message, nowhere), CommandResultType.UNKNOWN_RESERVATION)
        plug = Plug(
            station=kept.identity, evse=kept.evse, connector=kept.connector, evse_uid=kept.evse_uid, connector_id=""
        )
        if not await self._is_there(plug):
            return response(CommandResponseType.REJECTED)

        async def work(_: int) -> Content:
            outcome = await self._reservations.cancel(kept)
            is_unknown = outcome.answered is Answered.UNKNOWN
            return {"result": CommandResultType.UNKNOWN_RESERVATION.value} if is_unknown else result_of(outcome)

        return await self._promised(replace(self._command(message, plug), site=kept.site), work)

    # --- how it is done ---

    async def _picture(self, site: Site) -> Picture:
        return await picture_of(self._kept, site, self._ports.clock)

    async def _is_there(self, plug: Plug) -> bool:
        return is_there(plug, Picture(stations=await self._kept.stations((plug.station,))))

    async def _ask(self, station: str, ask: RemoteStart | RemoteStop | Unlock) -> Outcome:
        return await self._ports.stations.ask(station, ask, STATION_WAIT_SECONDS)

    def _command(self, message: Message, plug: Plug, *, token: str = "", reference: str | None = None) -> KeptCommand:
        return KeptCommand(
            kind=message.keys[0],
            sender=str(message.sender),
            identity=plug.station,
            site=str(message.content.get("location_id", "")),
            evse_uid=plug.evse_uid,
            response_url=message.content["response_url"],
            token=token,
            reference=reference,
            made_at=self._ports.clock.now(),
            due_at=self._ports.promises.due_at(),
        )

    async def _not_free(self, command: KeptCommand, stands: Standing) -> Reply:
        if stands is Standing.GONE:
            return response(CommandResponseType.REJECTED)
        return await self._at_once(command, CommandResultType(stands.value))

    async def _at_once(self, command: KeptCommand, result: CommandResultType) -> Reply:
        async def work(_: int) -> Content:
            return {"result": result.value}

        return await self._promised(command, work)

    async def _promised(self, command: KeptCommand, work: Callable[[int], Awaitable[Content]]) -> Reply:
        await self._ports.promises.keep(command, work)
        return response(CommandResponseType.ACCEPTED)


_COMMANDS: Mapping[str, Callable[[CommandDesk, Message], Awaitable[Reply]]] = {
    "START_SESSION": CommandDesk._start,
    "STOP_SESSION": CommandDesk._stop,
    "RESERVE_NOW": CommandDesk._reserve,
    "CANCEL_RESERVATION": CommandDesk._cancel,
    "UNLOCK_CONNECTOR": CommandDesk._unlock,
}


async def picture_of(kept: ChargeCommands, site: Site, clock: Clock) -> Picture:
    """A site as it is now."""
    identities = tuple(dict.fromkeys(plug.station for plug in site.plugs))
    connectors = await kept.connectors(identities)
    return Picture(
        stations=await kept.stations(identities),
        connectors=connectors,
        charges=await kept.open_at(site.id),
        reservations=await kept.reserved(site.id, (RESERVED,), clock.now()),
        blocked=await kept.blocked(site.id),
        statuses=statuses_of(connectors),
    )


# --- pure ---


def response(result: CommandResponseType) -> Reply:
    """A CommandResponse; only what was accepted has a result that may take time."""
    timeout_seconds = PROMISED_SECONDS if result is CommandResponseType.ACCEPTED else 0
    return Reply(data=encode_json({"result": result.value, "timeout": timeout_seconds}))


_RESULTS = {
    Answered.ACCEPTED: CommandResultType.ACCEPTED,
    Answered.SCHEDULED: CommandResultType.ACCEPTED,
    Answered.REJECTED: CommandResultType.REJECTED,
    Answered.OCCUPIED: CommandResultType.EVSE_OCCUPIED,
    Answered.FAULTED: CommandResultType.EVSE_INOPERATIVE,
    Answered.UNAVAILABLE: CommandResultType.EVSE_INOPERATIVE,
    Answered.UNKNOWN: CommandResultType.REJECTED,
    Answered.FAILED: CommandResultType.FAILED,
    Answered.NOT_SUPPORTED: CommandResultType.NOT_SUPPORTED,
    Answered.TIMEOUT: CommandResultType.TIMEOUT,
    Answered.NOT_CONNECTED: CommandResultType.REJECTED,
}


def result_of(outcome: Outcome) -> Content:
    """The CommandResult of what a station did."""
    return {"result": _RESULTS[outcome.answered].value}


def wanted(book: SiteBook, asked: Content) -> tuple[Site, tuple[Plug, ...]]:
    """The plugs that a command may mean, at least one. Raises UnknownLocation (2003)."""
    site = next((one for one in book.sites.values() if same(one.id, asked["location_id"])), None)
    if site is None:
        raise UnknownLocation(f"there is no Location {asked['location_id']}")
    evse_uid, connector_id = asked.get("evse_uid"), asked.get("connector_id")
    plugs = tuple(
        plug
        for plug in site.plugs
        if (evse_uid is None or same(plug.evse_uid, evse_uid))
        and (connector_id is None or same(plug.connector_id, connector_id))
    )
    if not plugs:
        raise UnknownLocation(f"Location {site.id} has no such EVSE or Connector")
    return site, plugs


def require_connector(site: Site, plugs: tuple[Plug, ...], asked: Content) -> None:
    """An EVSE may want to be told which of its connectors is meant (CM-13). Raises InvalidParameters."""
    wants = any(CONNECTOR_REQUIRED in (site.evses[plug.evse_uid].get("capabilities") or ()) for plug in plugs)
    if wants and asked.get("connector_id") is None:
        raise InvalidParameters("connector_id is required at this EVSE")


def plug_of(charge: OpenCharge) -> Plug:
    """The plug of a charge."""
    return Plug(
        station=charge.identity,
        evse=charge.evse,
        connector=charge.connector,
        evse_uid=charge.evse_uid,
        connector_id=charge.connector_id,
    )


def is_payer(charge: OpenCharge, party: Party) -> bool:
    """Whether a charge is paid by a party."""
    token = json.loads(charge.token) if charge.token else {}
    return Party.of(str(token.get("country_code", "")), str(token.get("party_id", ""))) == party
