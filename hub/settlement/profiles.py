"""What a party is known to be able to do, as dated data: a known limit is told once, quietly, and does not flood the inbox.

A profile says which of a closed list of capabilities a party has. One that differs from the norm lowers some findings of its CDRs, or of
those that it pays, and every finding that was lowered says so in `details.lowered_by`. Source: clearing domain model, "Known partner
behaviours" and "Check catalogue", conventions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from hub.settlement.findings import STRICTNESS, Disposition, Finding, Severity
from ocpi_modules.parties import Party

Seat = Literal["creditor", "debtor"]


@dataclass(frozen=True, slots=True)
class Lowering:
    """What a known limit makes of a kind of finding. Without `lifts` a finding that holds or drops its CDR stays as it is."""

    kind: str
    severity: Severity = Severity.INFO
    lifts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One thing that a party can do or does: its name, what is usual, whose CDRs it bears on, and what it lowers where it is unusual."""

    name: str
    usual: bool
    seat: Seat = "creditor"
    rule: str
    lowers: tuple[Lowering, ...]


CAPABILITIES: tuple[Capability, ...] = (
    Capability(
        name="sends_sessions",
        usual=True,
        rule="It pushes its sessions, so that a CDR without one is odd.",
        lowers=(Lowering("MISSING_SESSION"),),
    ),
    Capability(
        name="sends_locations",
        usual=True,
        rule="It publishes its Locations, and changes of them in time.",
        lowers=(Lowering("UNKNOWN_LOCATION"), Lowering("CONNECTOR_MISMATCH")),
    ),
    Capability(
        name="sends_tokens",
        usual=True,
        seat="debtor",
        rule="The eMSP sends all of its tokens; where it does not, an unknown one of its own is told and not held.",
        lowers=(Lowering("UNKNOWN_TOKEN", Severity.WARNING, lifts=True), Lowering("CONTRACT_MISMATCH")),
    ),
    Capability(
        name="sends_authorization_references",
        usual=True,
        rule="It repeats the reference of an authorisation in its CDR.",
        lowers=(Lowering("AUTH_METHOD_VIOLATION"), Lowering("AUTHORIZATION_REFERENCE_MISMATCH")),
    ),
    Capability(
        name="credits_possible",
        usual=True,
        rule="It can send credit CDRs; where it cannot, it corrects by adjustments (J06), and a second CDR of a session is still held.",
        lowers=(Lowering("CREDIT_DATA_MISMATCH"),),
    ),
    Capability(
        name="minute_rounded_times",
        usual=False,
        rule="It states times to the minute; what that makes of priced time is held all the same.",
        lowers=(
            Lowering("TIME_SUM_MISMATCH"),
            Lowering("PARKING_TIME_MISMATCH"),
            Lowering("PERIOD_OUTSIDE_SESSION"),
            Lowering("SESSION_CDR_TIME_MISMATCH"),
            Lowering("SIGNED_TIME_MISMATCH"),
        ),
    ),
    Capability(
        name="rewrites_ids",
        usual=False,
        rule="It replaces ids of sessions and authorisations by its own, as some hubs do.",
        lowers=(
            Lowering("MISSING_SESSION"),
            Lowering("AUTH_METHOD_VIOLATION"),
            Lowering("AUTHORIZATION_REFERENCE_MISMATCH"),
            Lowering("ID_TOO_LONG"),
        ),
    ),
    Capability(
        name="local_times",
        usual=False,
        rule="It writes local time as if it were UTC; a charge that seems to end after its CDR came is told and not held.",
        lowers=(
            Lowering("END_IN_FUTURE", Severity.WARNING, lifts=True),
            Lowering("DATED_BEFORE_END"),
            Lowering("SESSION_CDR_TIME_MISMATCH"),
        ),
    ),
    Capability(
        name="monthly_delivery",
        usual=False,
        rule="It sends its CDRs once a month; an agreed deadline is held against it all the same.",
        lowers=(Lowering("LATE_DELIVERY"),),
    ),
    Capability(
        name="long_texts",
        usual=False,
        rule="Its texts are longer than their fields.",
        lowers=(Lowering("TEXT_TOO_LONG"), Lowering("ID_TOO_LONG")),
    ),
)
"""The closed list."""

PRESETS: Mapping[str, Mapping[str, bool]] = {
    "usual": {},
    "push_only": {"sends_sessions": False, "credits_possible": False, "sends_authorization_references": False},
    "rewriting_hub": {"rewrites_ids": True, "credits_possible": False},
    "minute_clock": {"minute_rounded_times": True},
    "monthly_sender": {"monthly_delivery": True, "sends_sessions": False},
}
"""Usual combinations, named after the behaviour."""

_BY_NAME = {one.name: one for one in CAPABILITIES}
_HOLDING = STRICTNESS[Disposition.DEFER]
_BADNESS = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A version of what is known of a party, for charges that begin in [valid_from, valid_to), UTC; `differs` names what is unusual."""

    party: Party
    version: int = 1
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    differs: frozenset[str] = frozenset()

    def counts_at(self, at: datetime | None) -> bool:
        """Whether it is about a charge that begins at a moment; one that nobody knows is of all times."""
        return at is None or (
            (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)
        )

    def overlaps(self, other: Profile) -> bool:
        """Whether a charge could be under both."""
        starts = [moment for moment in (self.valid_from, other.valid_from) if moment is not None]
        ends = [moment for moment in (self.valid_to, other.valid_to) if moment is not None]
        return self.party == other.party and (not starts or not ends or max(starts) < min(ends))

    def ended(self, at: datetime) -> Profile:
        """The same without charges that begin at a moment or later."""
        return replace(self, valid_to=at if self.valid_to is None else min(self.valid_to, at))


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles of a run, by party; of several that count the one in force last."""

    by_party: Mapping[Party, tuple[Profile, ...]]

    @classmethod
    def over(cls, known: Iterable[Profile]) -> Profiles:
        """These profiles, each party's in the order in which they began."""
        found: defaultdict[Party, list[Profile]] = defaultdict(list)
        for one in sorted(known, key=_begins):
            found[one.party].append(one)
        return cls({party: tuple(group) for party, group in found.items()})

    @property
    def known(self) -> tuple[Profile, ...]:
        """All of them, by party."""
        return tuple(one for party in sorted(self.by_party) for one in self.by_party[party])

    def differs_at(self, party: Party, name: str, at: datetime | None) -> bool:
        """Whether a capability of a party is another than usual for a charge that begins at a moment."""
        profile = self._of(party, at)
        return profile is not None and name in profile.differs

    def applied(self, finding: Finding) -> Finding:
        """A finding of CDRs as far as the profiles of their parties lower it."""
        if not self.by_party or not finding.subject.cdrs:
            return finding
        cdr = finding.subject.cdrs[0]
        for seat, party in (("creditor", cdr.owner), ("debtor", cdr.to)):
            profile = self._of(party, cdr.start)
            for name in sorted(profile.differs) if profile is not None else ():
                if _BY_NAME[name].seat == seat:
                    finding = lowered(finding, _BY_NAME[name], party)
        return finding

    def _of(self, party: Party, at: datetime | None) -> Profile | None:
        return next((one for one in reversed(self.by_party.get(party, ())) if one.counts_at(at)), None)


NO_PROFILES = Profiles({})


def lowered(finding: Finding, capability: Capability, party: Party) -> Finding:
    """A finding as a known limit of a party leaves it: never stricter, and with the name of what lowered it in `details.lowered_by`."""
    lowering = next((one for one in capability.lowers if one.kind == finding.check.kind), None)
    if lowering is None or _BADNESS[lowering.severity] >= _BADNESS[finding.severity]:
        return finding
    keeps_out = STRICTNESS[finding.disposition] >= _HOLDING
    if keeps_out and not lowering.lifts:
        return finding
    disposition = Disposition.REPORT if keeps_out else finding.disposition
    details = {**finding.details, "lowered_by": f"{capability.name} of {party}"}
    return replace(finding, severity=lowering.severity, disposition=disposition, details=details)


def _begins(profile: Profile) -> tuple[bool, float, int]:
    since = profile.valid_from
    return (since is not None, since.timestamp() if since is not None else 0.0, profile.version)
