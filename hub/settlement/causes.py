"""Causes: findings that have one root, ranked by the money that hangs on them, so that one decision can clear many CDRs.

The root of a finding is its check, the party, the currency, and what the check is about: a tariff, an EVSE, a token, a day, or
nothing more. Money at risk is what a claim differs by from its price where the price is what is wrong; for any other CDR that is held
or dropped it is the whole claim, as none of it is paid; nothing hangs on what is only reported. Amounts count with VAT where they
state it, and are never added across currencies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hub.settlement.amounts import EXACT
from hub.settlement.bundle import party_text
from hub.settlement.counting import counted
from hub.settlement.facts import CdrFact, Cost, key_of, objects_in, periods_of
from hub.settlement.findings import STRICTNESS, Check, Disposition, Family, Finding
from hub.settlement.outputs import Content, amount_text, settled_price, subject_content
from hub.settlement.prices import Pricing
from hub.settlement.run import Outcome
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime

CDRS_LISTED_MAX = 1_000  # of one cause; findings.json has them all

_ZERO = Decimal(0)
_STOPS = frozenset({Disposition.HOLD, Disposition.DROP})
_PRICES = frozenset({Family.PRICE, Family.TARIFF})


@dataclass(frozen=True, slots=True)
class Root:
    """What findings of one cause have in common."""

    check: Check
    party: Party | None
    currency: str
    about: tuple[str, str] | None = None

    @property
    def key(self) -> str:
        """One text for each root."""
        parts = (self.check.id, self.check.kind, str(self.party or ""), self.currency, *(self.about or ()))
        return "|".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Findings of one root. `shared` is all that its CDRs agree on; `at_risk` is in the currency of the root."""

    root: Root
    findings: tuple[Finding, ...]
    cdrs: tuple[CdrFact, ...]
    shared: Mapping[str, str]
    at_risk: Decimal

    @property
    def disposition(self) -> Disposition:
        """The strictest disposition of its findings."""
        return max((finding.disposition for finding in self.findings), key=_strictness)

    @property
    def sentence(self) -> str:
        """The cause in one sentence."""
        if not self.cdrs:
            return self.findings[0].sentence
        about = f", {self.root.about[0]} {self.root.about[1]}" if self.root.about is not None else ""
        whose = f" of {party_text(self.root.party)}" if self.root.party is not None else ""
        risk = f" {amount_text(self.at_risk)} {self.root.currency} at risk." if self.at_risk else ""
        return f"{counted(len(self.cdrs), 'CDR', 'CDRs')}{whose}{about}: {self.root.check.kind}.{risk} The rule: {self.root.check.rule}"


def causes_of(outcome: Outcome) -> tuple[Cause, ...]:
    """All causes: what stops money first, then by currency, the largest amount first."""
    groups: defaultdict[Root, list[Finding]] = defaultdict(list)
    for finding in outcome.findings:
        groups[root_of(finding)].append(finding)
    causes = [_cause(root, group, outcome.pricings) for root, group in groups.items()]
    weights = Counter(cdr.currency for cdr in outcome.evidence.cdrs)
    return tuple(sorted(causes, key=lambda cause: _rank(cause, weights)))


def cause_content(rank: int, cause: Cause) -> Content:
    """One line of `causes.json`."""
    root = cause.root
    return {
        "rank": rank,
        "kind": root.check.kind,
        "check": root.check.id,
        "disposition": str(cause.disposition),
        "party": party_text(root.party) if root.party is not None else None,
        "currency": root.currency or None,
        "about": {root.about[0]: root.about[1]} if root.about is not None else {},
        "shared": dict(cause.shared),
        "finding_count": len(cause.findings),
        "cdr_count": len(cause.cdrs),
        "at_risk": amount_text(cause.at_risk),
        "sentence": cause.sentence,
        "cdr_ids": [cdr.id for cdr in cause.cdrs[:CDRS_LISTED_MAX]],
        "indexes": [cdr.index for cdr in cause.cdrs[:CDRS_LISTED_MAX]],
        "others": [subject_content(one.subject) for one in cause.findings if not one.subject.cdrs][:CDRS_LISTED_MAX],
    }


def risk_of(finding: Finding, cdr: CdrFact, pricing: Pricing | None) -> Decimal:
    """The money that hangs on a finding of one CDR; never negative."""
    if cdr.total is None:
        return _ZERO
    price = settled_price(pricing, cdr.currency) if finding.check.family in _PRICES else None
    if price is not None and finding.disposition is not Disposition.REPORT:
        claimed, due = _comparable(cdr.total, price)
        if claimed != due:
            return EXACT.subtract(claimed, due).copy_abs()
    return paid(cdr.total).copy_abs() if finding.disposition in _STOPS else _ZERO


def _comparable(claim: Cost, price: Cost) -> tuple[Decimal, Decimal]:
    if claim.incl_vat is not None and price.incl_vat is not None and claim.incl_vat != price.incl_vat:
        return claim.incl_vat, price.incl_vat
    return claim.excl_vat, price.excl_vat


def paid(cost: Cost) -> Decimal:
    """What a claim comes to: with VAT where that is stated."""
    return cost.excl_vat if cost.incl_vat is None else cost.incl_vat


def _cause(root: Root, findings: Iterable[Finding], pricings: Mapping[int, Pricing]) -> Cause:
    ordered = tuple(findings)
    at_risk, cdrs = _ZERO, {}
    for finding in ordered:
        for cdr in finding.subject.cdrs:
            if cdr.index not in cdrs:
                at_risk = EXACT.add(at_risk, risk_of(finding, cdr, pricings.get(cdr.index)))
            cdrs[cdr.index] = cdr
    return Cause(root=root, findings=ordered, cdrs=tuple(cdrs.values()), shared=_shared(cdrs.values()), at_risk=at_risk)


def root_of(finding: Finding) -> Root:
    """The root of a finding."""
    subject = finding.subject
    if not subject.cdrs:
        return Root(finding.check, subject.party, "")
    cdr = subject.cdrs[0]
    attribute = _ABOUT.get(finding.check.family)
    value = _ATTRIBUTES[attribute](cdr) if attribute is not None else ""
    party = cdr.to if finding.check.family is Family.VIEW else cdr.owner
    return Root(finding.check, party, cdr.currency, (attribute, value) if attribute is not None and value else None)


def _rank(cause: Cause, weights: Mapping[str, int]) -> tuple[Any, ...]:
    root = cause.root
    return (
        not cause.at_risk,
        -weights.get(root.currency, 0),
        root.currency,
        -cause.at_risk,
        -_strictness(cause.disposition),
        -len(cause.cdrs),
        root.check.id,
        root.check.kind,
        str(root.party),
        root.about or (),
    )


def _strictness(disposition: Disposition) -> int:
    return STRICTNESS[disposition]


# --- what CDRs may share -------------------------------------------------------------------------


def _tariff(cdr: CdrFact) -> str:
    named = {key_of(period.get("tariff_id")) for period in periods_of(cdr)} - {""}
    named = named or {key_of(tariff.get("id")) for tariff in objects_in(cdr.content.get("tariffs"))} - {""}
    return "+".join(sorted(named))


def _day(cdr: CdrFact) -> str:
    return format_datetime(cdr.end)[:10] if cdr.end is not None else ""


_ATTRIBUTES: Mapping[str, Callable[[CdrFact], str]] = {
    "tariff": _tariff,
    "EVSE": lambda cdr: cdr.plug.evse_uid,
    "location": lambda cdr: cdr.location_key,
    "token": lambda cdr: cdr.token.uid,
    "debtor": lambda cdr: party_text(cdr.to),
    "day": _day,
}
_ABOUT: Mapping[Family, str] = {
    Family.PRICE: "tariff",
    Family.TARIFF: "tariff",
    Family.ENERGY: "EVSE",
    Family.OVERLAP: "EVSE",
    Family.LOCATION: "location",
    Family.METERING: "EVSE",
    Family.TOKEN: "token",
    Family.ARRIVAL: "day",
    Family.AGREEMENT: "debtor",
}
"""What a check is about, by its family; those of the others are habits of the whole party."""


def _shared(cdrs: Iterable[CdrFact]) -> dict[str, str]:
    cdrs = tuple(cdrs)
    values = {name: {read(cdr) for cdr in cdrs} for name, read in _ATTRIBUTES.items()}
    return {name: next(iter(found)) for name, found in values.items() if len(found) == 1 and found != {""}}
