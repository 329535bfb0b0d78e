"""One CDR with all that bears on it: what every check of a CDR looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hub.settlement.agreements import Agreement
from hub.settlement.evidence import Evidence, Place
from hub.settlement.facts import CdrFact, SessionFact, Version
from hub.settlement.findings import Finding
from hub.settlement.prices import Pricing
from hub.settlement.relations import Relations


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A CDR and its evidence. `agreement` holds for its two parties; `pricing` is what its tariff makes of it.

    `is_uncovered` says that the two have agreements, none of which covers the CDR.
    """

    cdr: CdrFact
    evidence: Evidence
    relations: Relations
    session: SessionFact | None
    place: Place
    token: Version | None
    agreement: Agreement
    pricing: Pricing
    is_uncovered: bool = False

    @property
    def is_late(self) -> bool:
        """Whether the CDR came after the close of the period, of which it changes nothing any more (I02)."""
        return self.cdr.received_at >= self.evidence.period.closes_at

    @property
    def is_told_elsewhere(self) -> bool:
        """Whether what is odd about this CDR is told of another one: the same CDR sent before, or the one that it credits."""
        return self.cdr.is_credit or self.cdr.index in self.relations.copies

    @property
    def is_open(self) -> bool:
        """Whether the CDR stands for a charge of its own: first under its id, no credit, and not credited."""
        return self.relations.is_open(self.cdr)


CaseCheck = Callable[[Case], Iterable[Finding]]
"""A check of one CDR: pure, never raises, whatever the CDR says."""

PeriodCheck = Callable[[Evidence, Relations, Mapping[int, Pricing]], Iterable[Finding]]
"""A check of the whole period: sessions, parties, what eMSPs hold."""
