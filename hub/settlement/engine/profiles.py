"""Profiles of parties in the database: proposed by one person, activated by another, ended; dated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from hub.clock import Clock
from hub.settlement.bundle import Faults, Spot, read_party
from hub.settlement.people import require_another
from hub.settlement.periods import NotNow
from hub.settlement.profiles import Profile, Profiles
from hub.settlement.profiles_file import read_profile
from hub.store.agreements import Window
from hub.store.books import LISTED_MAX
from hub.store.profiles import KeptProfile, ProfileTable
from ocpi_modules.types import decode_json, encode_json, format_datetime

READ_MAX = 20_000


class NoProfile(LookupError):
    """There is no such version of a profile."""


class ProfileBook:
    """Proposes, activates and ends versions of profiles, and tells which ones hold."""

    def __init__(self, table: ProfileTable, clock: Clock) -> None:
        self._table, self._clock = table, clock

    async def active(self) -> Profiles:
        """All that hold for any charge."""
        return Profiles.over([_read(kept.content, kept.ended_at) for kept in await self._table.activated()])

    async def propose(self, content: Any, actor: str) -> KeptProfile:
        """Keep a new version, as yet without effect. Raises MalformedBundle, which names fields, and NotNow (the number is taken)."""
        content = await self._numbered(content)
        profile = read_terms_of_profile(content)
        kept = KeptProfile(
            party=str(profile.party),
            version=profile.version,
            content=encode_json(content).decode(),
            proposed_by=actor,
            proposed_at=self._clock.now(),
        )
        if not await self._table.propose(kept):
            raise NotNow(f"there is a version {kept.version} of the profile of {kept.party} already")
        return kept

    async def activate(self, party: str, version: int, actor: str) -> KeptProfile:
        """Let a version hold. Raises NoProfile, SamePerson, and NotNow where it holds already or overlaps another one."""
        kept = await self.one(party, version)
        if kept.activated_at is not None:
            raise NotNow(f"version {version} of the profile of {party} is active already")
        require_another(actor, kept.proposed_by, "activate a profile that they proposed")
        profile = _read(kept.content, None)
        others = [one for one in await self._table.of_party(party) if one.activated_at is not None]
        require_no_overlap(profile, (_read(one.content, one.ended_at) for one in others))
        active = replace(kept, activated_by=actor, activated_at=self._clock.now())
        if not await self._table.activate(active, Window(profile.valid_from, profile.valid_to), len(others)):
            raise NotNow("another profile of the party was activated at the same time: try again")
        return active

    async def end(self, party: str, version: int, actor: str, at: datetime | None) -> KeptProfile:
        """Let a version end for charges that begin at a moment (now, or later) or after it. Raises NoProfile and NotNow."""
        kept, now = await self.one(party, version), self._clock.now()
        moment = at or now
        if moment < now:
            raise NotNow("a profile cannot end in the past")
        ended = replace(kept, ended_at=moment, ended_by=actor)
        if not await self._table.end(ended, Window(moment, _read(kept.content, None).valid_to)):
            raise NotNow(f"version {version} of the profile of {party} is not active, or was ended already")
        return ended

    async def one(self, party: str, version: int) -> KeptProfile:
        """One version. Raises NoProfile."""
        for kept in await self._table.of_party(party):
            if kept.version == version:
                return kept
        raise NoProfile(f"there is no version {version} of a profile of {party}")

    async def page(self, party: str | None, after: tuple[str, int], most: int) -> list[KeptProfile]:
        """Versions by party and number."""
        return await self._table.page(party, after, min(most, LISTED_MAX))

    async def _numbered(self, content: Any) -> Any:
        """The content with its number: the next one where it names none."""
        party = read_party(content.get("party")) if isinstance(content, dict) and "version" not in content else None
        if party is None:
            return content
        known = await self._table.of_party(str(party))
        return {**content, "version": max((kept.version for kept in known), default=0) + 1}


def read_terms_of_profile(content: Any) -> Profile:
    """A profile out of plain values. Raises MalformedBundle, which names the fields that are wrong."""
    faults = Faults()
    profile = read_profile(content, Spot(faults, "profile"))
    faults.raise_if_any()
    assert profile is not None, "what cannot be read has faults"
    return profile


def require_no_overlap(profile: Profile, others: Iterable[Profile]) -> None:
    """Raises NotNow where a charge could be under two profiles of one party."""
    for other in others:
        if profile.overlaps(other):
            until = "without end" if other.valid_to is None else f"until {format_datetime(other.valid_to)}"
            raise NotNow(f"overlaps version {other.version}, which holds {until}: end that one first")


@lru_cache(maxsize=READ_MAX)
def _read(content: str, ended_at: datetime | None) -> Profile:
    profile = read_terms_of_profile(decode_json(content.encode()))
    return profile if ended_at is None else profile.ended(ended_at)
