"""D06, D08: what eMSPs hold."""

from __future__ import annotations

from collections.abc import Iterable

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import EMSP_CDR_DIFFERS, EMSP_CDR_MISSING
from hub.settlement.claims import written
from hub.settlement.facts import Cost
from hub.settlement.findings import Finding, found, on
from hub.settlement.verdicts import belongs_later


def d06_emsp_holds_it(case: Case) -> Iterable[Finding]:
    """EMSP_CDR_MISSING: an eMSP that was asked does not hold a CDR that is addressed to it; held, to be delivered again."""
    view = case.evidence.views.get(case.cdr.to)
    if view is not None and case.cdr.key not in view and _is_due(case):
        sentence = f"{case.cdr.to} does not hold CDR {case.cdr.id} of {case.cdr.owner}."
        yield found(EMSP_CDR_MISSING, on(case.cdr), sentence, emsp=case.cdr.to)


def d08_emsp_holds_the_same(case: Case) -> Iterable[Finding]:
    """EMSP_CDR_DIFFERS: the total that the eMSP holds is another, however little; what one of the two does not state is not compared."""
    view = case.evidence.views.get(case.cdr.to)
    if view is None or case.cdr.key not in view or not _is_due(case):
        return
    theirs, ours = view[case.cdr.key], case.cdr.total
    if not _is_same(ours, theirs):
        words = _in_words(theirs, case.cdr.currency), _in_words(ours, case.cdr.currency)
        sentence = f"{case.cdr.to} holds CDR {case.cdr.id} with {words[0]}, the hub with {words[1]}."
        yield found(EMSP_CDR_DIFFERS, on(case.cdr), sentence, emsp=case.cdr.to, **_amounts(ours, theirs))


def _is_due(case: Case) -> bool:
    """Whether a CDR is to be paid in this period at all: no copy, no second one under its id, not for a later period."""
    period = case.evidence.period
    is_late = case.cdr.received_at >= period.closes_at
    return case.relations.is_counted(case.cdr) and not is_late and not belongs_later(case.cdr, period)


def _is_same(ours: Cost | None, theirs: Cost | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    knows_vat = ours.incl_vat is not None and theirs.incl_vat is not None
    return ours.excl_vat == theirs.excl_vat and (not knows_vat or ours.incl_vat == theirs.incl_vat)


def _in_words(cost: Cost | None, currency: str) -> str:
    if cost is None:
        return "no total"
    with_vat = "" if cost.incl_vat is None else f" ({written(cost.incl_vat, currency)} with VAT)"
    return f"{written(cost.excl_vat, currency)}{with_vat}"


def _amounts(ours: Cost | None, theirs: Cost | None) -> dict[str, object]:
    return {
        f"{name}_{amount}": None if cost is None else getattr(cost, amount)
        for name, cost in (("hub", ours), ("emsp", theirs))
        for amount in ("excl_vat", "incl_vat")
    }


CASE_CHECKS: tuple[CaseCheck, ...] = (d06_emsp_holds_it, d08_emsp_holds_the_same)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
