"""What people decide about causes, findings and CDRs, and what that makes of a CDR: dated facts that stand until they are revoked.

A decision about a cause holds for its CDRs now and for those that come later, so it is the rule for that cause. Where several bear
on the same finding the most specific one counts (CDR, then finding, then cause), and of those with one scope the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from hub.settlement.findings import STRICTNESS, Disposition, Severity

_ZERO = Decimal(0)


class Scope(StrEnum):
    """What a decision is about."""

    CAUSE = "cause"
    FINDING = "finding"
    CDR = "cdr"


class Action(StrEnum):
    """What is decided: it is paid all the same, it is kept out, it is never paid."""

    ACCEPT = "accept"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision that stands since `since` (UTC). `target` is the key of a cause or finding, or a CDR as ``DE/ABC/its folded id``.

    `most` bounds what may hang on a single finding that it lifts, in the currency of that finding: what one person may waive alone;
    None where two decided. `until`: it bears on no CDR that came then or later (UTC), as more hangs on those than one may waive.
    """

    id: int
    scope: Scope
    target: str
    action: Action
    since: datetime
    most: Decimal | None = None
    until: datetime | None = None

    @property
    def may_grow(self) -> bool:
        """Whether CDRs that come later can make it more than one person may waive."""
        return self.scope is Scope.CAUSE and self.action is Action.ACCEPT and self.most is not None

    def covers(self, received_at: datetime) -> bool:
        """Whether it bears on what came at a moment."""
        return self.until is None or received_at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A finding as decisions see it: its key, its cause, what it makes of its CDRs, and the money that hangs on it."""

    key: str
    cause: str
    disposition: Disposition
    at_risk: Decimal = _ZERO


def decided(disposition: Disposition, findings: Iterable[Raised], decisions: Collection[Decision]) -> Disposition:
    """What becomes of a CDR: `disposition` is what it would be without findings; of decisions about CDRs only its own may be given.

    Accepting lifts what holds, and nothing that drops: a duplicate is not paid, whoever says so.
    """
    itself = Raised(key="", cause="", disposition=disposition)
    return max((_after(one, decisions) for one in (itself, *findings)), key=lambda found: STRICTNESS[found])


def keeping_out(findings: Iterable[Raised], decisions: Collection[Decision]) -> list[Raised]:
    """The findings that keep a CDR from settling whatever was decided."""
    settles = STRICTNESS[Disposition.SETTLE]
    return [one for one in findings if STRICTNESS[_after(one, decisions)] > settles]


def _after(finding: Raised, decisions: Iterable[Decision]) -> Disposition:
    """What a finding makes of its CDR after what was decided."""
    bearing = [decision for decision in decisions if _bears_on(decision, finding)]
    if not bearing:
        return finding.disposition
    return _APPLIED[max(bearing, key=_rank).action](finding.disposition)


def _bears_on(decision: Decision, finding: Raised) -> bool:
    is_about = decision.scope is Scope.CDR or decision.target == _target(finding, decision.scope)
    is_too_much = decision.action is Action.ACCEPT and decision.most is not None and finding.at_risk > decision.most
    return is_about and not is_too_much


def _target(finding: Raised, scope: Scope) -> str:
    return finding.cause if scope is Scope.CAUSE else finding.key


def _rank(decision: Decision) -> tuple[int, datetime, int]:
    return (_SPECIFICITY[decision.scope], decision.since, decision.id)


def _accepted(disposition: Disposition) -> Disposition:
    return Disposition.SETTLE if disposition is Disposition.HOLD else disposition


def _held(disposition: Disposition) -> Disposition:
    return max(disposition, Disposition.HOLD, key=lambda one: STRICTNESS[one])


_SPECIFICITY = {Scope.CAUSE: 0, Scope.FINDING: 1, Scope.CDR: 2}
_APPLIED: Mapping[Action, Callable[[Disposition], Disposition]] = {
    Action.ACCEPT: _accepted,
    Action.HOLD: _held,
    Action.DROP: lambda _: Disposition.DROP,
}


# --- who may decide ------------------------------------------------------------------------------


def needs_second(action: Action, at_risk: Mapping[str, Decimal], limit: Decimal) -> bool:
    """Whether a decision waits for a second person: it waives more than one may, in any currency."""
    return action is Action.ACCEPT and any(amount > limit for amount in at_risk.values())


def limited(decision: Decision, beyond_from: datetime | None) -> Decision:
    """The decision where more than it may waive came at a moment or later; it never bears on more again without a second person."""
    moments = [moment for moment in (decision.until, beyond_from) if moment is not None]
    return replace(decision, until=min(moments, default=None))


# --- from a decision to a clause -------------------------------------------------------------------


def check_of(cause: str) -> tuple[str, str]:
    """The kind of check and the party (``DE/ABC``, empty where it is of none) that a cause is about, out of its key."""
    _, kind, party, *_ = [*cause.split("|"), "", ""]
    return kind, party


def as_rule(terms: Mapping[str, Any], kind: str, action: Action, since: str) -> dict[str, Any]:
    """The terms of an agreement with a clause more, from a moment on: what was decided about a check holds for all that it finds."""
    valid, checks = terms.get("valid") or {}, terms.get("checks") or {}
    others = {name: value for name, value in terms.items() if name != "version"}
    return {**others, "valid": {**valid, "from": since}, "checks": {**checks, kind: dict(_CLAUSES[action])}}


_CLAUSES: Mapping[Action, Mapping[str, str]] = {
    Action.ACCEPT: {"severity": Severity.WARNING, "disposition": Disposition.REPORT},
    Action.HOLD: {"severity": Severity.ERROR, "disposition": Disposition.HOLD},
    Action.DROP: {"severity": Severity.ERROR, "disposition": Disposition.DROP},
}
