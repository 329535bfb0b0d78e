"""One CDR with all that bears on it: what every check of a CDR looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hub.settlement.agreements import Agreement
from hub.settlement.evidence import Evidence, Place
from hub.settlement.facts import CdrFact, SessionFact, Version
from hub.settlement.findings import Finding
from hub.settlement.permits import Permit
from hub.settlement.prices import Pricing
from hub.settlement.relations import Relations


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A CDR and its evidence. `agreement` holds for its two parties; `pricing` is what its tariff makes of it.

    `is_uncovered` says that the two have agreements, none of which covers the CDR. `is_open`: the CDR stands for a charge of its own, first
    under its id, no credit, and not credited. `is_told_elsewhere`: what is odd about it is told of another one, the same CDR sent before
    or the one that it credits. `permits` are the authorisations and commands that are about its charge, in the order in which they were
    answered.
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
    permits: tuple[Permit, ...] = ()
    is_open: bool = field(init=False)
    is_told_elsewhere: bool = field(init=False)

    def __post_init__(self) -> None:
        # most checks ask for these
        object.__setattr__(self, "is_open", self.relations.is_open(self.cdr))
        object.__setattr__(self, "is_told_elsewhere", self.cdr.is_credit or self.cdr.index in self.relations.copies)

    @property
    def is_late(self) -> bool:
        """Whether the CDR came after the close of the period, of which it changes nothing any more (I02)."""
        return self.cdr.received_at >= self.evidence.period.closes_at

    @property
    def is_permitted(self) -> bool:
        """Whether an eMSP allowed the charge as far as the hub saw it."""
        return any(permit.is_granted for permit in self.permits)


CaseCheck = Callable[[Case], Iterable[Finding]]
"""A check of one CDR: pure, never raises, whatever the CDR says."""

PeriodCheck = Callable[[Evidence, Relations, Mapping[int, Pricing]], Iterable[Finding]]
"""A check of the whole period: sessions, parties, what eMSPs hold."""
