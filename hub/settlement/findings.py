"""What a check says: severity, disposition, subject, measured values and one sentence for people (pricing-semantics: dispositions).

INFO, WARNING and ERROR tell how bad it is; the disposition tells what becomes of the money of a CDR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any

from hub.settlement.facts import CdrFact
from ocpi_modules.parties import Party


class Severity(StrEnum):
    """How bad it is."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Disposition(StrEnum):
    """What becomes of a CDR: netted as claimed, kept out until resolved, never settled, next period, or nothing but told."""

    SETTLE = "SETTLE"
    HOLD = "HOLD"
    DROP = "DROP"
    DEFER = "DEFER"
    REPORT = "REPORT"


STRICTNESS = {
    Disposition.REPORT: 0,
    Disposition.SETTLE: 0,
    Disposition.DEFER: 1,
    Disposition.HOLD: 2,
    Disposition.DROP: 3,
}
"""A CDR takes the strictest disposition of its findings."""


class Family(IntEnum):
    """What a check is about, in the order of precedence: each of the first five silences those after it for the same CDR."""

    DUPLICATE = 1
    ID_REUSED = 2
    CREDIT = 3
    SESSION_REPEATED = 4
    OVERLAP = 5
    UNIT = 6
    ENERGY = 7
    TIME = 8
    PRICE = 9
    TARIFF = 10
    SESSION = 11
    TOKEN = 12
    LOCATION = 13
    FORM = 14
    ARRIVAL = 15
    AGREEMENT = 16
    VIEW = 17
    METERING = 18
    BIAS = 19


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the catalogue: its id, the kind of finding it raises, and what that means unless a case says otherwise."""

    id: str
    kind: str
    severity: Severity
    disposition: Disposition
    family: Family
    rule: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about: one or several CDRs, a session, or a party."""

    cdrs: tuple[CdrFact, ...] = ()
    session_id: str | None = None
    party: Party | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found. `details` hold measured and expected values, exact, under plain names."""

    check: Check
    subject: Subject
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity
    disposition: Disposition

    @property
    def order(self) -> tuple[int, str, str, str, tuple[int, ...]]:
        """The place of a finding in a list: by CDR, then by check."""
        indexes = tuple(cdr.index for cdr in self.subject.cdrs)
        first = min(indexes, default=-1)
        return (
            first,
            self.check.id,
            self.check.kind,
            self.subject.session_id or str(self.subject.party or ""),
            indexes,
        )


def found(check: Check, subject: Subject, sentence: str, **details: Any) -> Finding:
    """A finding as its check has it."""
    return Finding(
        check=check,
        subject=subject,
        sentence=sentence,
        details=details,
        severity=check.severity,
        disposition=check.disposition,
    )


def on(*cdrs: CdrFact) -> Subject:
    """A subject of CDRs."""
    return Subject(cdrs=cdrs)


def raised_to_hold(finding: Finding) -> Finding:
    """A finding that keeps its CDR out, whatever its check says in general."""
    return replace(finding, severity=Severity.ERROR, disposition=Disposition.HOLD)


def lowered_to_report(finding: Finding, severity: Severity = Severity.WARNING) -> Finding:
    """A finding that is told and keeps nothing out, whatever its check says in general."""
    return replace(finding, severity=severity, disposition=Disposition.REPORT)
