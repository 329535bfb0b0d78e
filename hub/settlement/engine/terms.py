"""Agreements in the database: proposed by one person, activated by another, ended; dated, so that none changes anything before its date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from hub.clock import Clock
from hub.settlement.agreements import Agreement, Agreements, with_default_before
from hub.settlement.bundle import Faults, Spot
from hub.settlement.engine.profiles import ProfileBook
from hub.settlement.people import require_another
from hub.settlement.periods import NotNow
from hub.settlement.terms_file import read_agreement
from hub.store.agreements import AgreementBook, KeptAgreement, Window
from hub.store.books import LISTED_MAX
from ocpi_modules.types import decode_json, encode_json, format_datetime

READ_MAX = 20_000


class NoAgreement(LookupError):
    """There is no such agreement, or no such version of it."""


class TermsBook:
    """Proposes, activates and ends versions of agreements, and tells which ones hold."""

    def __init__(self, book: AgreementBook, clock: Clock, profiles: ProfileBook) -> None:
        self._book, self._clock, self.profiles = book, clock, profiles

    async def in_force(self, base: Agreements) -> Agreements:
        """What holds now: agreements beside those that are there anyway, and the profiles of parties."""
        return replace(base, known=(*base.known, *await self.active()), profiles=await self.profiles.active())

    async def active(self) -> tuple[Agreement, ...]:
        """All that hold for any charge, and the default for each pair until its first one begins."""
        return with_default_before(_read(kept.content, kept.ended_at) for kept in await self._book.activated())

    async def propose(self, content: Any, actor: str) -> KeptAgreement:
        """Keep a new version, as yet without effect. Raises MalformedBundle, which names fields, and NotNow (the number is taken)."""
        content = await self._numbered(content)
        agreement = read_terms(content)
        kept = KeptAgreement(
            id=agreement.id,
            version=agreement.version,
            creditor=str(agreement.creditor),
            debtor=str(agreement.debtor),
            content=encode_json(content).decode(),
            proposed_by=actor,
            proposed_at=self._clock.now(),
        )
        others = await self._book.of_id(kept.id)
        if any(other.pair != kept.pair for other in others):
            raise NotNow(f"agreement {kept.id} is between {others[0].creditor} and {others[0].debtor}")
        if not await self._book.propose(kept):
            raise NotNow(f"there is a version {kept.version} of agreement {kept.id} already")
        return kept

    async def activate(self, agreement_id: str, version: int, actor: str) -> KeptAgreement:
        """Let a version hold. Raises NoAgreement, SamePerson, and NotNow where it holds already or overlaps another one."""
        kept = await self.one(agreement_id, version)
        if kept.activated_at is not None:
            raise NotNow(f"version {version} of agreement {agreement_id} is active already")
        require_another(actor, kept.proposed_by, "activate an agreement that they proposed")
        agreement = _read(kept.content, None)
        others = await self._book.of_pair(*kept.pair)
        require_no_overlap(agreement, (_read(other.content, other.ended_at) for other in others))
        active = replace(kept, activated_by=actor, activated_at=self._clock.now())
        if not await self._book.activate(active, Window(agreement.valid_from, agreement.valid_to), len(others)):
            raise NotNow("another agreement of the two was activated at the same time: try again")
        return active

    async def end(self, agreement_id: str, version: int, actor: str, at: datetime | None) -> KeptAgreement:
        """Let a version end for charges that begin at a moment (now, or later) or after it. Raises NoAgreement and NotNow."""
        kept, now = await self.one(agreement_id, version), self._clock.now()
        moment = at or now
        if moment < now:
            raise NotNow("an agreement cannot end in the past: what was charged until now is under it")
        agreement = _read(kept.content, kept.ended_at)
        ended = replace(kept, ended_at=moment, ended_by=actor)
        if not await self._book.end(ended, Window(moment, agreement.valid_to)):
            raise NotNow(f"version {version} of agreement {agreement_id} is not active, or was ended already")
        return ended

    async def one(self, agreement_id: str, version: int) -> KeptAgreement:
        """One version. Raises NoAgreement."""
        for kept in await self._book.of_id(agreement_id):
            if kept.version == version:
                return kept
        raise NoAgreement(f"there is no version {version} of an agreement {agreement_id}")

    async def history(self, agreement_id: str) -> list[KeptAgreement]:
        """All versions of one, the oldest first. Raises NoAgreement."""
        found = await self._book.of_id(agreement_id)
        if not found:
            raise NoAgreement(f"there is no agreement {agreement_id}")
        return found

    async def page(
        self, parties: tuple[str | None, str | None], after: tuple[str, int], most: int
    ) -> list[KeptAgreement]:
        """Versions by id and number."""
        return await self._book.page(parties, after, min(most, LISTED_MAX))

    async def _numbered(self, content: Any) -> Any:
        """The content with its number: the next one where it names none."""
        if not isinstance(content, dict) or "version" in content:
            return content
        known = await self._book.of_id(str(content.get("agreement")))
        return {**content, "version": max((kept.version for kept in known), default=0) + 1}


def read_terms(content: Any) -> Agreement:
    """An agreement out of plain values. Raises MalformedBundle, which names the fields that are wrong."""
    faults = Faults()
    agreement = read_agreement(content, Spot(faults, "agreement"))
    if agreement is not None and "/" in agreement.id:
        Spot(faults, "agreement").at("agreement").wrong("has a slash, which cannot stand in an address")
    faults.raise_if_any()
    assert agreement is not None, "what cannot be read has faults"
    return agreement


def require_no_overlap(agreement: Agreement, others: Iterable[Agreement]) -> None:
    """Raises NotNow where a charge could be under two agreements."""
    for other in others:
        if agreement.overlaps(other):
            until = "without end" if other.valid_to is None else f"until {format_datetime(other.valid_to)}"
            raise NotNow(
                f"overlaps version {other.version} of agreement {other.id}, which holds {until}: end that one first"
            )


@lru_cache(maxsize=READ_MAX)
def _read(content: str, ended_at: datetime | None) -> Agreement:
    agreement = read_terms(decode_json(content.encode()))
    return agreement if ended_at is None else agreement.ended(ended_at)
