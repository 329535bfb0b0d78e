"""What people decided, applied to what a run found. Values in, values out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.settlement.amounts import EXACT
from hub.settlement.causes import risk_of, root_of
from hub.settlement.decisions import Action, Decision, Raised, Scope, decided
from hub.settlement.engine.records import key_of_finding
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Disposition, Finding
from hub.settlement.relations import relate
from hub.settlement.run import Outcome
from hub.settlement.verdicts import dispositions, with_their_originals
from hub.store.decisions import KeptDecision, Target, Waived

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A finding as decisions name it: its key, the key of its cause, and the money that hangs on each of its CDRs."""

    finding: Finding
    key: str
    cause: str
    risks: tuple[Decimal, ...]

    @property
    def raised(self) -> Raised:
        """What decisions look at."""
        at_risk = _ZERO
        for risk in self.risks:
            at_risk = EXACT.add(at_risk, risk)
        return Raised(key=self.key, cause=self.cause, disposition=self.finding.disposition, at_risk=at_risk)


def weighed(finding: Finding, outcome: Outcome) -> Weighed:
    """A finding with its key, its cause and what hangs on it."""
    risks = tuple(risk_of(finding, cdr, outcome.pricings.get(cdr.index)) for cdr in finding.subject.cdrs)
    return Weighed(finding, key_of_finding(finding), root_of(finding).key, risks)


def cdr_target(cdr: CdrFact) -> str:
    """A CDR as decisions name it."""
    return f"{cdr.owner}/{cdr.key}"


def targets_of(cdrs: Iterable[CdrFact], findings: Iterable[Weighed]) -> set[Target]:
    """All that decisions about these CDRs can be about."""
    found: set[Target] = {(Scope.CDR.value, cdr_target(cdr)) for cdr in cdrs}
    for one in findings:
        found |= {(Scope.CAUSE.value, one.cause), (Scope.FINDING.value, one.key)}
    return found


def read_decision(kept: KeptDecision) -> Decision:
    """A decision that stands, out of its row."""
    assert kept.stands_since is not None
    return Decision(
        id=kept.id,
        scope=Scope(kept.scope),
        target=kept.target,
        action=Action(kept.action),
        since=kept.stands_since,
        most=kept.most,
        until=kept.covers_until,
    )


def waived_by(decision: Decision, findings: Iterable[Weighed], cdrs: Collection[CdrFact]) -> list[Waived]:
    """What a decision about a cause would waive of some CDRs now."""
    indexes = {cdr.index for cdr in cdrs}
    return [
        Waived(str(cdr.owner), cdr.key, cdr.received_at, risk)
        for one in findings
        if one.cause == decision.target and _is_waivable(one, decision)
        for cdr, risk in zip(one.finding.subject.cdrs, one.risks, strict=True)
        if cdr.index in indexes
    ]


def _is_waivable(one: Weighed, decision: Decision) -> bool:
    is_held = one.finding.disposition is Disposition.HOLD
    return is_held and decision.most is not None and one.raised.at_risk <= decision.most


def after_decisions(
    outcome: Outcome, findings: Sequence[Weighed], decisions: Sequence[Decision]
) -> Mapping[int, Disposition]:
    """What becomes of each CDR, by index, after what was decided. A credit waits, and is dropped, with its original."""
    if not decisions:
        return outcome.verdicts
    cdrs, relations = outcome.evidence.cdrs, relate(outcome.evidence)
    by_date = dispositions(cdrs, (), outcome.evidence.period)
    about, raised = _by_target(decisions), _by_cdr(findings)
    verdicts = {
        cdr.index: decided(by_date[cdr.index], raised[cdr.index], _bearing(cdr, raised[cdr.index], about))
        for cdr in cdrs
    }
    dropped = {
        credit.index: Disposition.DROP
        for original, credit in relations.credited_by.items()
        if verdicts[original] is Disposition.DROP and outcome.verdicts[original] is not Disposition.DROP
    }
    return {**with_their_originals(verdicts, relations), **dropped}


def _by_target(decisions: Iterable[Decision]) -> Mapping[Target, list[Decision]]:
    found: defaultdict[Target, list[Decision]] = defaultdict(list)
    for decision in decisions:
        found[decision.scope.value, decision.target].append(decision)
    return found


def _by_cdr(findings: Iterable[Weighed]) -> Mapping[int, list[Raised]]:
    found: defaultdict[int, list[Raised]] = defaultdict(list)
    for one in findings:
        for cdr in one.finding.subject.cdrs:
            found[cdr.index].append(one.raised)
    return found


def _bearing(
    cdr: CdrFact, raised: Iterable[Raised], about: Mapping[Target, Sequence[Decision]]
) -> tuple[Decision, ...]:
    """The decisions that are about a CDR, one of its findings, or their causes."""
    targets: set[Target] = {(Scope.CDR.value, cdr_target(cdr))}
    for one in raised:
        targets |= {(Scope.CAUSE.value, one.cause), (Scope.FINDING.value, one.key)}
    bearing = (decision for target in sorted(targets) for decision in about.get(target, ()))
    return tuple(decision for decision in bearing if decision.covers(cdr.received_at))
