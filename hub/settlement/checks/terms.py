"""K04, M01: what two parties agreed."""

from __future__ import annotations

from collections.abc import Iterable

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import HOME_CHARGING, NO_AGREEMENT
from hub.settlement.findings import Finding, found, on


def k04_home_charging(case: Case) -> Iterable[Finding]:
    """Kept apart from netting (X4): the money goes to the driver, and who pays it to whom only a contract can say.

    An agreement that says so by its override of this check lets it settle.
    """
    cdr = case.cdr
    if cdr.content.get("home_charging_compensation") is True and cdr.index not in case.relations.copies:
        sentence = f"CDR {cdr.id} is compensation for charging at home: kept apart until an agreement says who pays it."
        yield found(HOME_CHARGING, on(cdr), sentence)


def m01_covered_by_an_agreement(case: Case) -> Iterable[Finding]:
    """Only where the two have agreements: parties without any are settled by the default one."""
    cdr = case.cdr
    if case.is_uncovered and cdr.index not in case.relations.copies:
        sentence = f"No agreement of {cdr.owner} with {cdr.to} covers the day, country, EVSE and token of CDR {cdr.id}."
        yield found(NO_AGREEMENT, on(cdr), sentence)


CASE_CHECKS: tuple[CaseCheck, ...] = (k04_home_charging, m01_covered_by_an_agreement)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
