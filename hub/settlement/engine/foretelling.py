"""What a decision about a cause would change, out of the books: every CDR is looked at up to a bound, beyond it they are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hub.clock import Clock
from hub.settlement.decisions import Action, Decision, Raised, Scope, needs_second
from hub.settlement.engine.deciding import read_decision
from hub.settlement.findings import Disposition
from hub.settlement.foresight import Foresight, Group, Prospect, estimated, foreseen
from hub.store.decisions import Decisions, Target, Weight
from hub.store.prospects import GroupLine, ProspectLine, Prospects, RaisedLine
from hub.store.verdicts import Name
from ocpi_modules.parties import Party
from ocpi_modules.types import INT_MAX

LOOKED_AT_MAX_CDRS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What a decision about a cause would change; `waits`: not before a second person confirms it."""

    cause: str
    action: Action
    foresight: Foresight
    waits: bool


class Foreteller:
    """Tells what decisions would change; `limit` is what one person may waive."""

    def __init__(self, prospects: Prospects, decisions: Decisions, clock: Clock, limit: Decimal) -> None:
        self._prospects, self._decisions, self._clock, self._limit = prospects, decisions, clock, limit

    async def weight(self, cause: str) -> Weight | None:
        """What a decision would bear on; None where there is no such cause now."""
        return await self._decisions.weigh((Scope.CAUSE.value, cause))

    async def foretell(self, cause: str, action: Action) -> Foretold | None:
        """What a decision about a cause would change; None where there is no such cause now."""
        weight = await self.weight(cause)
        if weight is None:
            return None
        waits = needs_second(action, weight.at_risk, self._limit)
        new = self._decision(cause, action, most=None if waits or action is not Action.ACCEPT else self._limit)
        return Foretold(cause=cause, action=action, foresight=await self._foresight(new), waits=waits)

    async def _foresight(self, new: Decision) -> Foresight:
        lines = await self._prospects.cdrs(new.target, LOOKED_AT_MAX_CDRS)
        if lines is None:
            groups = [*map(_group, await self._prospects.groups(new.target))]
            return estimated(groups, await self._prospects.holders(new.target), new)
        findings = await self._prospects.findings([(line.creditor, line.cdr_key) for line in lines])
        standing = [read_decision(kept) for kept in await self._decisions.standing(_targets(lines, findings))]
        raised = _by_cdr(findings)
        return foreseen([_prospect(line, raised) for line in lines], standing, new)

    def _decision(self, cause: str, action: Action, *, most: Decimal | None) -> Decision:
        return Decision(id=INT_MAX, scope=Scope.CAUSE, target=cause, action=action, since=self._clock.now(), most=most)


def _targets(lines: Collection[ProspectLine], findings: Collection[RaisedLine]) -> set[Target]:
    """All that decisions about these CDRs can be about."""
    cdrs = {(Scope.CDR.value, f"{line.creditor}/{line.cdr_key}") for line in lines}
    causes = {(Scope.CAUSE.value, one.cause) for one in findings}
    return cdrs | causes | {(Scope.FINDING.value, one.key) for one in findings}


def _by_cdr(findings: Collection[RaisedLine]) -> Mapping[Name, Sequence[Raised]]:
    found: defaultdict[Name, list[Raised]] = defaultdict(list)
    for one in findings:
        raised = Raised(key=one.key, cause=one.cause, disposition=Disposition(one.disposition), at_risk=one.at_risk)
        found[one.creditor, one.cdr_key].append(raised)
    return found


def _prospect(line: ProspectLine, raised: Mapping[Name, Sequence[Raised]]) -> Prospect:
    return Prospect(
        name=f"{line.creditor}/{line.cdr_key}",
        to=Party.parse(line.debtor),
        currency=line.currency,
        excl_vat=line.excl_vat,
        incl_vat=line.incl_vat,
        disposition=Disposition(line.disposition),
        is_billed=line.is_billed,
        is_asked=line.is_asked,
        is_credit=line.is_credit,
        credit_of=f"{line.creditor}/{line.credit_of}" if line.credit_of else None,
        raised=tuple(raised.get((line.creditor, line.cdr_key), ())),
    )


def _group(line: GroupLine) -> Group:
    return Group(
        currency=line.currency,
        disposition=Disposition(line.disposition),
        own=Disposition(line.own),
        other=Disposition(line.other) if line.other is not None else None,
        is_billed=line.is_billed,
        cdrs=line.cdrs,
        excl_vat=line.excl_vat,
    )
