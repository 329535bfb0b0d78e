"""Lanes as the operator sees them: of each partner what waits, since when, what was lost, and what it said last when it went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add

from hub.clock import Clock
from hub.partners.delivery import LaneState, partner_lane
from hub.partners.directory import Directory, Partner, Presence
from hub.partners.presence import PresenceWatch
from hub.partners.roster import Roster
from hub.store.exchanges import Exchanges, Kept
from hub.store.ledger import Ledger
from hub.store.partners import Partners
from hub.web.messages import message_name
from ocpi_modules.parties import Party


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last message to a partner that failed: its name in the journal, when, and what was said."""

    message: str
    at: datetime
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerLanes:
    """The lanes to one partner and its parties as one; `due` counts the CDRs not taken yet, `presence` is that of its parties."""

    partner_id: int
    name: str
    parties: tuple[str, ...]
    presence: tuple[str, ...]
    state: LaneState
    due: int
    trouble: Trouble | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanesDesk:
    """What lanes are shown with; `states` are those of all processes."""

    roster: Roster
    partners: Partners
    watch: PresenceWatch
    ledger: Ledger
    exchanges: Exchanges
    states: Callable[[], Awaitable[Mapping[str, LaneState]]]
    clock: Clock

    async def shown(self) -> list[PartnerLanes]:
        """Every joined partner, those that need a look first."""
        directory, states, due = self.roster.directory, await self.states(), await self.ledger.payers()
        failures, heard = await self.exchanges.last_failures(), await self._heard()
        joined = (partner for partner in directory.partners.values() if partner.is_joined)
        found = [
            PartnerLanes(
                partner_id=partner.id,
                name=partner.name,
                parties=parties_of(directory, partner),
                presence=presence_of(directory, partner),
                state=state_of(directory, partner, states),
                due=due_of(directory, partner, due),
                trouble=trouble_of(failures.get(partner.id)),
                heard_at=heard.get(partner.id),
            )
            for partner in joined
        ]
        return sorted(found, key=urgency)

    async def _heard(self) -> dict[int, datetime]:
        """When partners were heard last, by the rows or by what this process knows beyond them."""
        rows = await self.partners.load()
        moments = {row.id or 0: (row.heard_at, self.watch.heard_at(row.id or 0)) for row in rows.partners}
        found = {one: [moment for moment in both if moment is not None] for one, both in moments.items()}
        return {one: max(known) for one, known in found.items() if known}


def parties_of(directory: Directory, partner: Partner) -> tuple[str, ...]:
    """The parties behind a partner, in order."""
    return tuple(sorted(map(str, directory.parties_of(partner))))


def presence_of(directory: Directory, partner: Partner) -> tuple[str, ...]:
    """The status of its parties, each once."""
    return tuple(sorted({member.status.value for member in directory.members if member.partner_id == partner.id}))


def state_of(directory: Directory, partner: Partner, states: Mapping[str, LaneState]) -> LaneState:
    """Its own lane and those of its parties as one."""
    names = (partner_lane(partner), *parties_of(directory, partner))
    return reduce(add, (states[name] for name in names if name in states), LaneState())


def due_of(directory: Directory, partner: Partner, due: Mapping[Party, int]) -> int:
    """How many CDRs its parties have not taken yet."""
    return sum(due.get(party, 0) for party in directory.parties_of(partner))


def trouble_of(kept: Kept | None) -> Trouble | None:
    """What was said last when something went wrong."""
    if kept is None:
        return None
    line = kept.line
    said = line.fault or f"HTTP {line.http_status}, code {line.status_code or 'none'}"
    return Trouble(message_name(kept.place), line.at, f"{line.method} {line.module}: {said}")


def urgency(lanes: PartnerLanes) -> tuple[bool, int, int, int, str]:
    """The order in which partners need a look: who does not answer, what waits longest and most, then what is due, then by name."""
    is_there = Presence.OFFLINE not in lanes.presence
    return (is_there, -int(lanes.state.oldest_seconds), -lanes.state.waiting, -lanes.due, lanes.name)


def total(lanes: Iterable[PartnerLanes]) -> Counter[str]:
    """What all lanes add up to."""
    counts: Counter[str] = Counter()
    for one in lanes:
        counts.update(
            waiting=one.state.waiting, dropped=one.state.dropped, superseded=one.state.superseded, due=one.due
        )
    return counts
