"""D06, D08: what eMSPs hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import EMSP_CDR_DIFFERS, EMSP_CDR_MISSING
from hub.settlement.claims import written
from hub.settlement.evidence import Evidence, Held, HeldName, SettlementPeriod, View, held_as
from hub.settlement.facts import CdrFact, Cost
from hub.settlement.findings import Finding, Subject, found, lowered_to_report, on
from hub.settlement.prices import Pricing
from hub.settlement.relations import Relations
from hub.settlement.verdicts import belongs_later
from ocpi_modules.parties import Party
from ocpi_modules.types import UNKNOWN_TIME


def d06_emsp_holds_it(case: Case) -> Iterable[Finding]:
    """EMSP_CDR_MISSING: an eMSP that was asked does not hold a CDR that is addressed to it; held, to be delivered again."""
    view = case.evidence.views.get(case.cdr.to)
    if view is not None and held_as(view, case.cdr) is None and _is_due(case):
        sentence = f"{case.cdr.to} does not hold CDR {case.cdr.id} of {case.cdr.owner}."
        yield found(EMSP_CDR_MISSING, on(case.cdr), sentence, emsp=case.cdr.to)


def d08_emsp_holds_the_same(case: Case) -> Iterable[Finding]:
    """EMSP_CDR_DIFFERS: the total that the eMSP holds is another, however little; what one of the two does not state is not compared."""
    view = case.evidence.views.get(case.cdr.to)
    held = held_as(view, case.cdr) if view is not None else None
    if held is None or not _is_due(case):
        return
    theirs, ours = held.total, case.cdr.total
    if not _is_same(ours, theirs):
        words = _in_words(theirs, case.cdr.currency), _in_words(ours, case.cdr.currency)
        sentence = f"{case.cdr.to} holds CDR {case.cdr.id} with {words[0]}, the hub with {words[1]}."
        yield found(EMSP_CDR_DIFFERS, on(case.cdr), sentence, emsp=case.cdr.to, **_amounts(ours, theirs))


def d08_emsp_holds_no_other(
    evidence: Evidence, relations: Relations, pricings: Mapping[int, Pricing]
) -> Iterable[Finding]:
    """EMSP_CDR_DIFFERS: an eMSP holds a CDR that never came to it through the hub; told, as no claim here depends on it.

    One that by its own word ended outside of the period is not looked for here.
    """
    for emsp, view in sorted(evidence.views.items()):
        known = set(_names_of(cdr for cdr in evidence.cdrs if cdr.to == emsp))
        yield from held_alone(emsp, {name: view[name] for name in view.keys() - known}, evidence.period)


def held_alone(emsp: Party, unknown: View, period: SettlementPeriod) -> Iterable[Finding]:
    """EMSP_CDR_DIFFERS: of CDRs that the hub does not have for an eMSP, those that may have ended in a period."""
    for name in sorted(unknown, key=_in_order):
        if _may_belong(unknown[name], period):
            yield _unknown(emsp, name[0], unknown[name])


def _names_of(cdrs: Iterable[CdrFact]) -> Iterable[HeldName]:
    for cdr in cdrs:
        yield from ((cdr.owner, cdr.key), (None, cdr.key))


def _in_order(name: HeldName) -> tuple[str, str]:
    return name[1], str(name[0] or "")


def _may_belong(held: Held, period: SettlementPeriod) -> bool:
    return held.end is None or held.end == UNKNOWN_TIME or period.start <= held.end < period.end


def _unknown(emsp: Party, owner: Party | None, held: Held) -> Finding:
    whose = "" if owner is None else f" of {owner}"
    sentence = f"{emsp} holds CDR {held.id}{whose}, which the hub has not received for it."
    amounts = _amounts(None, held.total)
    return lowered_to_report(
        found(EMSP_CDR_DIFFERS, Subject(party=emsp), sentence, emsp=emsp, owner=owner, cdr_id=held.id, **amounts)
    )


def _is_due(case: Case) -> bool:
    """Whether a CDR is to be paid in this period at all: no copy, no second one under its id, not for a later period."""
    period = case.evidence.period
    is_late = case.cdr.received_at >= period.closes_at
    is_here = case.relations.is_counted(case.cdr) and not is_late and not belongs_later(case.cdr, period)
    return is_here and _is_viewed(case.cdr, case.evidence)


def _is_viewed(cdr: CdrFact, evidence: Evidence) -> bool:
    """Whether what its eMSP said is of the time of a CDR: that of its end, of a credit that in which it came."""
    spans = evidence.view_spans.get(cdr.to)
    at = cdr.received_at if cdr.is_credit or cdr.end is None else cdr.end
    return spans is None or any(span.start <= at < span.end for span in spans)


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
PERIOD_CHECKS: tuple[PeriodCheck, ...] = (d08_emsp_holds_no_other,)
