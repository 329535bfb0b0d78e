"""The local CPO's face to partners, put together: what it is asked, what it asks, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.chargers.authorising import Authoriser
from hub.chargers.commands import CommandDesk, CommandPorts
from hub.chargers.events import Stations
from hub.chargers.keeper import CommandKeeper
from hub.chargers.lists import ListDesk, ListPorts
from hub.chargers.localparty import LocalDesk, owns_tokens
from hub.chargers.places import SiteBook
from hub.chargers.preferences import PreferenceDesk, PreferencePorts
from hub.chargers.profiles import ProfileDesk, ProfilePorts
from hub.chargers.promises import Promises
from hub.chargers.reservations import ReservationPorts, Reservations
from hub.chargers.voice import Voice
from hub.clock import Clock
from hub.partners.roster import Roster
from hub.store.chargecommands import ChargeCommands
from ocpi_modules.module import Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePorts:
    """What the face works with; `book` is the sites as they are, `changed` says that there is something to tell or to share out anew."""

    kept: ChargeCommands
    voice: Voice
    roster: Roster
    stations: Stations
    book: Callable[[], SiteBook]
    lists: ListPorts
    clock: Clock
    changed: Callable[[], None]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """The parts of the face.

    `platform` answers calls to the local CPO (give it to `PartnerClient.serve_locally`), in every process; `authoriser`, `reservations` and
    `profiles` are for those who hear stations; `keeper` works in the process that leads.
    """

    platform: LocalDesk
    authoriser: Authoriser
    reservations: Reservations
    profiles: ProfileDesk
    promises: Promises
    keeper: CommandKeeper

    async def close(self) -> None:
        """End what is under way in this process; whoever leads answers for it."""
        await self.promises.close()


def open_face(ports: FacePorts) -> Face:
    """The face of the local CPO."""
    voice, party = ports.voice, ports.voice.party
    promises = Promises(ports.kept, voice, ports.clock)
    reservations = Reservations(
        ReservationPorts(
            kept=ports.kept,
            stations=ports.stations,
            telling=voice,
            book=ports.book,
            party=party,
            changed=ports.changed,
            new_id=ports.new_id,
            clock=ports.clock,
        )
    )
    commands = CommandDesk(
        CommandPorts(
            kept=ports.kept,
            stations=ports.stations,
            promises=promises,
            reservations=reservations,
            book=ports.book,
            clock=ports.clock,
        )
    )
    profiles = ProfileDesk(
        ProfilePorts(
            kept=ports.kept,
            stations=ports.stations,
            promises=promises,
            telling=voice,
            roles=lambda party: ports.roster.directory.roles(party),
            clock=ports.clock,
        )
    )
    preferences = PreferenceDesk(
        PreferencePorts(kept=ports.kept, book=ports.book, clock=ports.clock, changed=ports.changed)
    )
    lists = ListDesk(ports.lists, party, preferences.prefer)
    desks = {
        **lists.desks,
        ("commands", Interface.RECEIVER): commands.take,
        ("chargingprofiles", Interface.RECEIVER): profiles.take,
    }
    return Face(
        platform=LocalDesk(desks, ports.clock),
        authoriser=Authoriser(
            ports.kept,
            voice,
            ports.book,
            lambda owner: owns_tokens(ports.roster.directory, party, owner),
            ports.clock,
        ),
        reservations=reservations,
        profiles=profiles,
        promises=promises,
        keeper=CommandKeeper(ports.kept, promises, reservations, profiles, ports.clock),
    )
