"""One small pure function for every check, named by its id; the catalogue says what they mean."""

from __future__ import annotations

from hub.settlement.case import CaseCheck, PeriodCheck
from hub.settlement.checks import (
    arithmetic,
    arrival,
    authorisations,
    credits,
    form,
    metering,
    physics,
    places,
    price,
    rounding,
    sessions,
    tariffs,
    terms,
    tokens,
    trends,
    uniqueness,
    views,
)

_FAMILIES = (
    form,
    uniqueness,
    credits,
    arithmetic,
    physics,
    sessions,
    tokens,
    authorisations,
    tariffs,
    price,
    rounding,
    places,
    arrival,
    terms,
    views,
    metering,
    trends,
)

CASE_CHECKS: tuple[CaseCheck, ...] = tuple(check for family in _FAMILIES for check in family.CASE_CHECKS)
"""All checks of one CDR."""

PERIOD_CHECKS: tuple[PeriodCheck, ...] = tuple(check for family in _FAMILIES for check in family.PERIOD_CHECKS)
"""All checks of a period."""
