"""From findings to what becomes of each CDR: precedence between findings, then the strictest disposition.

One cause, one finding: what follows from a cause that is told already is not told again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from hub.settlement.catalogue import (
    AUTHORIZATION_MISSING,
    AUTHORIZATION_REFUSED,
    COST_WITHOUT_VOLUME,
    ENERGY_UNIT_ERROR,
    FREE_OF_CHARGE,
    INVALID_CDR,
    METER_RUNS_BACKWARDS,
    NEAR_DUPLICATE,
    NEGATIVE_AMOUNT,
    NEGATIVE_DURATION,
    OVERLAPPING_SESSIONS,
    PART_WITHOUT_VOLUME,
    PERIOD_OUTSIDE_SESSION,
    PRICE_MISMATCH,
    SESSION_BILLED_TWICE,
    SESSION_CDR_ENERGY_MISMATCH,
    SESSION_CDR_TIME_MISMATCH,
    SIGNED_DATA_REPEATED,
    SIGNED_ENERGY_MISMATCH,
    SIGNED_TIME_MISMATCH,
    SIGNED_TOKEN_MISMATCH,
    TARIFF_INVALID,
    TIME_SUM_MISMATCH,
    TOKEN_INVALID_AT_START,
    TOKEN_PARTY_MISMATCH,
    TOTAL_TIME_MISMATCH,
    UNKNOWN_TOKEN,
)
from hub.settlement.evidence import SettlementPeriod
from hub.settlement.facts import CdrFact
from hub.settlement.findings import STRICTNESS, Check, Disposition, Family, Finding
from hub.settlement.relations import Relations
from ocpi_modules.types import UNKNOWN_TIME

_PRIMARY = (Family.DUPLICATE, Family.ID_REUSED, Family.CREDIT, Family.SESSION_REPEATED, Family.OVERLAP)
"""Each of these silences those after it, and what is said of price and session, of the same CDR."""

_PRICE = frozenset({Family.PRICE, Family.TARIFF})
_OF_THE_UNIT = _PRICE | {Family.ENERGY}
"""What energy in the wrong unit explains."""

_TWICE = frozenset({SESSION_BILLED_TWICE, NEAR_DUPLICATE, OVERLAPPING_SESSIONS})
"""One charge in two CDRs: its meter data cannot fit both."""

_EXPLAINED_BY: Mapping[Check, frozenset[Check]] = {
    FREE_OF_CHARGE: frozenset({PRICE_MISMATCH}),
    COST_WITHOUT_VOLUME: frozenset({PRICE_MISMATCH}),
    PART_WITHOUT_VOLUME: frozenset({PRICE_MISMATCH}),
    PRICE_MISMATCH: frozenset({NEGATIVE_AMOUNT}),
    SESSION_CDR_ENERGY_MISMATCH: frozenset({SIGNED_ENERGY_MISMATCH}),
    SIGNED_ENERGY_MISMATCH: _TWICE | {ENERGY_UNIT_ERROR, SIGNED_DATA_REPEATED},
    SIGNED_TIME_MISMATCH: _TWICE | {SIGNED_DATA_REPEATED},
    SIGNED_TOKEN_MISMATCH: _TWICE | {SIGNED_DATA_REPEATED},
    SESSION_CDR_TIME_MISMATCH: frozenset({NEGATIVE_DURATION}),
    TIME_SUM_MISMATCH: frozenset({NEGATIVE_DURATION}),
    TOTAL_TIME_MISMATCH: frozenset({NEGATIVE_DURATION}),
    PERIOD_OUTSIDE_SESSION: frozenset({NEGATIVE_DURATION}),
    METER_RUNS_BACKWARDS: _TWICE | {SIGNED_DATA_REPEATED},
    SIGNED_DATA_REPEATED: _TWICE,
    AUTHORIZATION_MISSING: frozenset({UNKNOWN_TOKEN, TOKEN_INVALID_AT_START, TOKEN_PARTY_MISMATCH}),
    AUTHORIZATION_REFUSED: frozenset({UNKNOWN_TOKEN}),
}
"""Single checks that see the same thing: the one on the left is silent where one on the right speaks."""

ALWAYS_JUDGED = frozenset({*_PRIMARY, Family.ARRIVAL, Family.FORM})
"""What is looked at even where a CDR was settled in an earlier period, or credits one that was."""

_WAITING = frozenset({Disposition.DEFER, Disposition.HOLD})


def without_consequences(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that are causes, in their order. One that is about several CDRs stays while it is a cause for any of them."""
    findings = sorted(findings, key=lambda finding: finding.order)
    by_cdr: defaultdict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        for cdr in finding.subject.cdrs:
            by_cdr[cdr.index].append(finding)
    causes = [finding for finding in findings if not finding.subject.cdrs or _is_cause(finding, by_cdr)]
    # two findings of one check about one CDR say different things
    return sorted(causes, key=lambda finding: (finding.order, finding.sentence))


def _is_cause(finding: Finding, by_cdr: Mapping[int, Sequence[Finding]]) -> bool:
    return any(not _is_explained(finding, by_cdr[cdr.index]) for cdr in finding.subject.cdrs)


def _is_explained(finding: Finding, others: Sequence[Finding]) -> bool:
    """Whether another finding of the same CDR explains this one."""
    if len(others) == 1:
        return False
    families = {other.check.family for other in others}
    first = next((family for family in _PRIMARY if family in families), None)
    return (
        (first is not None and _is_explained_by_primary(finding.check, first))
        or (Family.UNIT in families and _is_explained_by_unit(finding, others))
        or _is_explained_by_tariff(finding, others)
        or not _EXPLAINED_BY.get(finding.check, frozenset()).isdisjoint(other.check for other in others)
    )


def _is_explained_by_primary(check: Check, first: Family) -> bool:
    """Whether a check is silent beside one of the five; a copy says nothing that the first did not, so that all is silent beside it."""
    if check.family is first:
        return False
    is_later = check.family in _PRIMARY
    is_of_session = check.family is Family.SESSION or check is SESSION_CDR_ENERGY_MISMATCH
    return first is Family.DUPLICATE or is_later or is_of_session or check.family in _PRICE


def _is_explained_by_tariff(finding: Finding, others: Sequence[Finding]) -> bool:
    """Whether the form of a CDR is wrong in nothing but its tariffs, and what is wrong with these is told as that (S7)."""
    if finding.check is not INVALID_CDR or all(other.check is not TARIFF_INVALID for other in others):
        return False
    fields = cast("Sequence[str]", finding.details.get("fields") or ())
    return bool(fields) and all(field.startswith("tariffs.") for field in fields)


def _is_explained_by_unit(finding: Finding, others: Sequence[Finding]) -> bool:
    """Whether energy in the wrong unit explains a finding; that unit is told once, however it was seen."""
    if finding.check is ENERGY_UNIT_ERROR:
        return finding is not next(other for other in others if other.check is ENERGY_UNIT_ERROR)
    return finding.check.family in _OF_THE_UNIT


def dispositions(
    cdrs: Iterable[CdrFact], findings: Iterable[Finding], period: SettlementPeriod
) -> Mapping[int, Disposition]:
    """What becomes of each CDR, by index: the strictest of its findings, DEFER for what belongs to a later period, DROP to an earlier."""
    strictest: dict[int, Disposition] = {cdr.index: _by_date(cdr, period) for cdr in cdrs}
    for finding in findings:
        for cdr in finding.subject.cdrs:
            if STRICTNESS[finding.disposition] > STRICTNESS[strictest[cdr.index]]:
                strictest[cdr.index] = finding.disposition
    return strictest


def _by_date(cdr: CdrFact, period: SettlementPeriod) -> Disposition:
    if belongs_earlier(cdr, period):
        return Disposition.DROP
    return Disposition.DEFER if belongs_later(cdr, period) else Disposition.SETTLE


def belongs_later(cdr: CdrFact, period: SettlementPeriod) -> bool:
    """Whether a CDR ended when the period was over, and so waits for the next one without a finding.

    A credit, and a charge whose end nobody knows, belong where they arrive.
    """
    end = end_of(cdr)
    return cdr.received_at >= period.closes_at if end is None else end >= period.end


def belongs_earlier(cdr: CdrFact, period: SettlementPeriod) -> bool:
    """Whether a CDR ended before the period began, and came before the one before closed, so that it was settled there.

    Here it is evidence for its credit, and to settle it again would bill it twice. That period is taken to have been open after its end
    for as long as this one is. What came later than that was late, and counts here.
    """
    end = end_of(cdr)
    came_for = period.start if end is None else period.start + (period.closes_at - period.end)
    return cdr.received_at < came_for and (end is None or end < period.start)


def is_settled_elsewhere(cdr: CdrFact, relations: Relations, period: SettlementPeriod) -> bool:
    """Whether the price and the evidence of a CDR were judged in an earlier period: its own ones, or those of what it credits."""
    original = relations.original_of(cdr) if cdr.is_credit else None
    return belongs_earlier(cdr if original is None else original, period)


def end_of(cdr: CdrFact) -> datetime | None:
    """The end of a charge that decides where it belongs; None for a credit, and where nobody knows it (X1)."""
    return None if cdr.is_credit or cdr.end == UNKNOWN_TIME else cdr.end


def with_their_originals(verdicts: Mapping[int, Disposition], relations: Relations) -> Mapping[int, Disposition]:
    """The same where a credit waits as long as its original does, so that the two are never settled apart from each other."""
    return {**verdicts, **dict(_waiting_credits(verdicts, relations))}


def _waiting_credits(verdicts: Mapping[int, Disposition], relations: Relations) -> Iterable[tuple[int, Disposition]]:
    for original, credit in relations.credited_by.items():
        waits = verdicts[original] in _WAITING
        if waits and STRICTNESS[verdicts[original]] > STRICTNESS[verdicts[credit.index]]:
            yield credit.index, verdicts[original]
