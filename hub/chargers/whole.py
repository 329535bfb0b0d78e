"""Local chargers as one: who is made of what. `app` hands in what is outside; everything else is put together here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hub.chargers.chargedesk import ChargeDesk, DeskPorts
from hub.chargers.elsewhere import PeerStations
from hub.chargers.events import Spot
from hub.chargers.face import Face, FacePorts, open_face
from hub.chargers.gateway import Gateway, GatewayPorts
from hub.chargers.house import House
from hub.chargers.keeper import CommandKeeper
from hub.chargers.lists import ListPorts
from hub.chargers.loads.control import LoadControl, LoadPorts
from hub.chargers.loads.memory import KeptLimits
from hub.chargers.loads.underway import Underway
from hub.chargers.localparty import LocalCpo, LocalParty
from hub.chargers.overheard import Note, Overheard
from hub.chargers.places import SiteBook
from hub.chargers.reporting import Reporting
from hub.chargers.showing import Showing
from hub.chargers.sites import Passwords, Ports, SiteKeeper
from hub.chargers.sockets import Sockets
from hub.chargers.stationbook import GraceWatch, StationBook, StationPorts, StationRules
from hub.chargers.stationoffice import StationOffice
from hub.chargers.voice import Routing, Voice
from hub.clock import Clock
from hub.partners.peers import Peers
from hub.partners.roster import Roster
from hub.routing.paging import Paging
from hub.store.chargecommands import ChargeCommands
from hub.store.chargeloads import ChargeLimits
from hub.store.charges import Charges
from hub.store.chargesites import ChargeSites
from hub.store.chargestations import ChargeStations
from hub.store.copies import Copies
from hub.store.direct import Direct
from hub.store.partners import Partners
from ocpi_modules.errors import InvalidParameters

DUE = "charging-due"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What local chargers are given by the rest of the hub. `note` takes down for the journal what they say; None where there is none."""

    direct: Direct
    partners: Partners
    roster: Roster
    peers: Peers
    routing: Routing
    copies: Copies
    paging: Paging
    passwords: Passwords
    clock: Clock
    new_id: Callable[[], str]
    note: Note | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerTerms:
    """What an operator sets: who the local CPO is, times in seconds, and the addresses of fronts that are believed."""

    cpo: LocalCpo
    rules: StationRules
    load_step_seconds: float
    front: frozenset[str]


class Chargers:
    """All of it, between `start` and `close` in every process; between `lead` and `follow` with the duties of whoever leads."""

    def __init__(self, outside: Outside, terms: ChargerTerms) -> None:
        self._outside, self._clock, direct = outside, outside.clock, outside.direct
        self.charges, self.limits = Charges(direct), ChargeLimits(direct)
        self.sites, self._kept = ChargeSites(direct), ChargeCommands(direct)
        self.party = LocalParty(terms.cpo, outside.partners, outside.roster, outside.clock)
        overheard = Overheard(outside.note, outside.clock)
        self.voice = Voice(terms.cpo.party, outside.routing, outside.roster, outside.new_id, overheard)
        self._open_stations(terms)
        self.face = self._open_face()
        self._open_charging(terms)
        house = House(self.book, self.desk, self.face.authoriser, self.face.reservations)
        ports = GatewayPorts(
            desk=house,
            sockets=self.sockets,
            standing=self.book.standing,
            spots=self._spots,
            clock=self._clock,
            front=terms.front,
        )
        self.gateway = Gateway(ports)

    def _open_stations(self, terms: ChargerTerms) -> None:
        outside, stations = self._outside, ChargeStations(self._outside.direct)
        kept = Ports(
            sites=self.sites,
            stations=stations,
            passwords=outside.passwords,
            clock=self._clock,
            party=terms.cpo.party,
            joining=self.party,
        )
        self.keeper = SiteKeeper(kept)
        elsewhere = PeerStations(outside.peers)
        self.sockets = Sockets(lambda identity: self.book.process_of(identity), elsewhere)
        elsewhere.answer_for(self.sockets)
        ports = StationPorts(
            stations=stations,
            sites=self.sites,
            keeper=self.keeper,
            asker=self.sockets,
            passwords=outside.passwords,
            clock=self._clock,
            changed=self._due,
            dismiss=self.sockets.dismiss,
            close_charges=lambda identity: self.desk.part(identity),
        )
        self.stations = stations
        self.book = StationBook(ports, terms.rules)
        self.office = StationOffice(ports, self.book)
        self._grace = GraceWatch(ports, terms.rules, self.book)
        self._showing = Showing(self.sites, self.voice)
        self.keeper.on_change(lambda _, now: self._sites_changed(now))
        outside.peers.hear(DUE, lambda _: self._wake())

    def _open_charging(self, terms: ChargerTerms) -> None:
        ports = DeskPorts(
            charges=self.charges,
            authoriser=self.face.authoriser,
            book=self._book,
            clock=self._clock,
            party=terms.cpo.party,
            hint=self._due,
        )
        self.desk = ChargeDesk(ports)
        self.reporting = Reporting(self.charges, self.voice, self._clock)
        underway = Underway(self.charges, self._kept, self._clock)
        loads = LoadPorts(
            book=self._book,
            charges=underway.active,
            connected=self.stations.presence,
            stations=self.sockets,
            limits=KeptLimits(self.limits, self._clock),
            clock=self._clock,
        )
        self.loads = LoadControl(loads, terms.load_step_seconds)

    def _open_face(self) -> Face:
        roster = self._outside.roster
        lists = ListPorts(copies=self._outside.copies, paging=self._outside.paging, directory=lambda: roster.directory)
        ports = FacePorts(
            kept=self._kept,
            voice=self.voice,
            roster=roster,
            stations=self.sockets,
            book=self._book,
            lists=lists,
            clock=self._clock,
            changed=self._due,
            new_id=self._outside.new_id,
        )
        return open_face(ports)

    # --- life ---

    async def start(self) -> None:
        """Read the sites, and let stations in."""
        await self.keeper.start()
        self.book.start()

    async def close(self) -> None:
        """Stop; sockets are closed by their server."""
        await self.book.close()
        await self.keeper.close()
        await self.face.close()

    async def lead(self) -> None:
        """Take up what one process does for all: join the party, tell partners, keep promises, share out load."""
        if self.keeper.book.sites:
            await self._join()
        for duty in self._duties:
            duty.start()

    async def _join(self) -> None:
        """Somebody else may have become the party since: partners come first, and this process leads all the same."""
        try:
            await self.party.join()
        except InvalidParameters as taken:
            _log.error("local_cpo_not_joined", reason=taken.message)

    async def follow(self) -> None:
        """Leave that to another process."""
        await asyncio.gather(*(duty.close() for duty in self._duties))

    @property
    def _duties(self) -> tuple[GraceWatch | Showing | Reporting | CommandKeeper | LoadControl, ...]:
        return (self._grace, self._showing, self.reporting, self.face.keeper, self.loads)

    # --- who needs to know ---

    def wake_loads(self) -> None:
        """An operator has changed a limit: the next control step comes at once, wherever it is made."""
        self._due()

    def _due(self) -> None:
        """There is something to tell: whoever leads looks now."""
        self._wake()
        self._outside.peers.say(DUE, b"")

    def _wake(self) -> None:
        self._showing.wake()
        self.reporting.wake()
        self.loads.wake()

    def _sites_changed(self, now: SiteBook) -> None:
        if now.sites:
            self._showing.wake()

    def _book(self) -> SiteBook:
        return self.keeper.book

    def _spots(self, identity: str) -> tuple[Spot, ...]:
        return tuple(Spot(place.plug.evse, place.plug.connector) for place in self.keeper.book.at(identity))
