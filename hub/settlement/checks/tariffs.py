"""G01, G02, A11, B11: whether the tariffs of a CDR are there, the right ones, and in the version that was published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from hub.pricing.comparison import Scale
from hub.pricing.currencies import CURRENCIES
from hub.pricing.exact import to_decimal
from hub.pricing.pricer import Priced
from hub.pricing.result import Unpriceable, Warning
from hub.pricing.tariff import CompiledTariff
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    AMBIGUOUS_TARIFF,
    CURRENCY_MISMATCH,
    DIMENSION_MISSING,
    MISSING_PERIOD_BOUNDARY,
    MISSING_TARIFF,
    POWER_CONTRADICTS_TARIFF,
    TARIFF_CONTENT_MISMATCH,
    TARIFF_ID_MISSING,
    TARIFF_INVALID,
    TARIFF_NOT_EMBEDDED,
    UNVERIFIABLE_TIME,
    WRONG_TARIFF,
)
from hub.settlement.checks.arrival import has_forbidden_times
from hub.settlement.checks.form import names_a_currency
from hub.settlement.claims import Closeness, compare, price_of, settled, written
from hub.settlement.counterfactuals import as_offered, as_published
from hub.settlement.facts import key_of, objects_in, periods_of
from hub.settlement.findings import Check, Finding, found, lowered_to_report, on, raised_to_hold

AD_HOC, AD_HOC_TOKEN = "AD_HOC_PAYMENT", "AD_HOC_USER"
PROFILE = "PROFILE_"

TOLD_AS_THEY_ARE = {
    check.kind: check
    for check in (
        AMBIGUOUS_TARIFF,
        DIMENSION_MISSING,
        MISSING_PERIOD_BOUNDARY,
        POWER_CONTRADICTS_TARIFF,
        TARIFF_ID_MISSING,
        TARIFF_INVALID,
        UNVERIFIABLE_TIME,
    )
}
"""What the pricer alone can see of a tariff; the rest of what it sees has checks of its own."""


# --- whether there is a price ----------------------------------------------------------------


def g01_tariff_is_known(case: Case) -> Iterable[Finding]:
    """MISSING_TARIFF: a CDR that cannot be priced is held, never priced at nothing nor with another tariff (T7)."""
    result = case.pricing.result
    if isinstance(result, Unpriceable) and result.kind == MISSING_TARIFF.kind:
        yield found(MISSING_TARIFF, on(case.cdr), f"CDR {case.cdr.id} cannot be priced: {result.detail}")
    if isinstance(result, Unpriceable) and result.kind == AMBIGUOUS_TARIFF.kind:
        yield found(AMBIGUOUS_TARIFF, on(case.cdr), f"CDR {case.cdr.id} cannot be priced: {result.detail}")
    if result is None and case.pricing.charge is not None:
        sentence = f"CDR {case.cdr.id} cannot be priced: {case.pricing.refusal}."
        yield raised_to_hold(found(TARIFF_INVALID, on(case.cdr), sentence))


def a11_currency(case: Case) -> Iterable[Finding]:
    """CURRENCY_MISMATCH: CDR, tariff, session and agreement are in one currency of ISO 4217; told once, whichever differs (T8)."""
    others = {
        name: currency for name, currency in _currencies(case).items() if currency and currency != case.cdr.currency
    }
    if others and case.cdr.currency:
        listed = ", ".join(f"its {name} in {currency}" for name, currency in others.items())
        sentence = f"CDR {case.cdr.id} is in {case.cdr.currency}, {listed}."
        yield found(CURRENCY_MISMATCH, on(case.cdr), sentence, cdr=case.cdr.currency, **others)
    elif _is_no_currency(case):
        sentence = f"CDR {case.cdr.id} is in {case.cdr.currency}, which is no currency of ISO 4217."
        yield found(CURRENCY_MISMATCH, on(case.cdr), sentence, cdr=case.cdr.currency)


def _is_no_currency(case: Case) -> bool:
    """Whether a CDR is in three letters that name no currency; what is not even that is A01, and a credit says what its original did."""
    letters = case.cdr.currency
    return names_a_currency(letters) and letters not in CURRENCIES and not case.is_told_elsewhere


def _currencies(case: Case) -> dict[str, str]:
    session = case.session.currency if case.session is not None else ""
    return {"tariff": _tariff_currency(case), "session": session, "agreement": key_of(case.agreement.currency)}


def _tariff_currency(case: Case) -> str:
    """The currency of the first named tariff in another one; the pricer then gives no price."""
    result = case.pricing.result
    if not isinstance(result, Unpriceable) or result.kind != CURRENCY_MISMATCH.kind:
        return ""
    known = [*objects_in(case.cdr.content.get("tariffs")), *_published(case)]
    other = (key_of(tariff.get("currency")) for tariff in known)
    return next((currency for currency in other if currency and currency != case.cdr.currency), "another currency")


def _published(case: Case) -> Iterator[dict[str, object]]:
    names = {key_of(period.get("tariff_id")) for period in periods_of(case.cdr)}
    for name in sorted(names):
        yield from (dict(version.content) for version in case.evidence.tariffs.get((case.cdr.owner, name), ()))


# --- whether it is the right tariff ----------------------------------------------------------


def g01_tariff_as_published(case: Case) -> Iterable[Finding]:
    """TARIFF_CONTENT_MISMATCH: the tariff in a CDR costs other than the version in force at the start (T6); held where that is dearer."""
    priced = case.pricing.priced
    if priced is None:
        return
    for doubt in priced.doubts:
        if doubt.kind == TARIFF_CONTENT_MISMATCH.kind:
            name = str(doubt.facts["tariff_id"])
            yield _unless_dearer(case, _content_mismatch(case, name), as_published(priced, key_of(name)))


def _content_mismatch(case: Case, name: str) -> Finding:
    sentence = f"Tariff {name} in CDR {case.cdr.id} is not the version that was published when the session began"
    return found(TARIFF_CONTENT_MISMATCH, on(case.cdr), sentence, tariff_id=name)


def g02_right_tariff(case: Case) -> Iterable[Finding]:
    """WRONG_TARIFF: a tariff that is not offered on the connector, of a type that does not fit, or not valid at the start.

    Held where it is dearer than the one that should count. A charging preference is not in the evidence, so that a tariff of another
    profile is told and never held (T4).
    """
    priced = case.pricing.priced
    if priced is None:
        return
    for tariff in _named(priced):
        reasons = [*_not_offered(case, tariff), *_not_fitting(case, tariff), *_not_valid(priced, tariff)]
        if reasons:
            sentence = f"CDR {case.cdr.id} is priced with tariff {tariff.id}, which {' and '.join(reasons)}"
            wrong = found(WRONG_TARIFF, on(case.cdr), sentence, tariff_id=tariff.id)
            yield _unless_dearer(case, wrong, as_offered(priced) if priced.book.offered else None)
        elif _is_other_profile(case, tariff):
            sentence = (
                f"CDR {case.cdr.id} is priced with tariff {tariff.id} of {tariff.type}; the token has no such profile."
            )
            yield lowered_to_report(found(WRONG_TARIFF, on(case.cdr), sentence, tariff_id=tariff.id))


def is_told(check: Check, case: Case) -> bool:
    """Whether one of these checks says of a CDR already what a reading of its price would say."""
    findings = (*g01_tariff_as_published(case), *g02_right_tariff(case))
    return any(finding.check is check for finding in findings)


def _named(priced: Priced) -> list[CompiledTariff]:
    names = {period.tariff_id for period in priced.charge.periods}
    used = {tariff.key: tariff for tariff in priced.working.tariffs if tariff is not None}
    return [tariff for key, tariff in used.items() if key in names]


def _not_offered(case: Case, tariff: CompiledTariff) -> Iterator[str]:
    offered = case.pricing.book.offered
    if offered and tariff.key not in offered:
        yield "its connector does not offer"


def _not_fitting(case: Case, tariff: CompiledTariff) -> Iterator[str]:
    if tariff.type == AD_HOC and case.cdr.token.type != AD_HOC_TOKEN:
        yield "is for payment at the charge point"


def _not_valid(priced: Priced, tariff: CompiledTariff) -> Iterator[str]:
    first = next((period.start for period in priced.charge.periods if period.tariff_id == tariff.key), None)
    moments = [moment for moment in (priced.charge.start, first) if moment is not None]
    if moments and not any(_is_valid(tariff, moment) for moment in moments):
        yield "was not valid when the session began"


def _is_valid(tariff: CompiledTariff, moment: datetime) -> bool:
    return (tariff.start is None or tariff.start <= moment) and (tariff.end is None or moment <= tariff.end)


def _is_other_profile(case: Case, tariff: CompiledTariff) -> bool:
    """Whether a tariff is for another profile than the one of a token that is known."""
    kind = tariff.type or ""
    return case.token is not None and kind.startswith(PROFILE) and kind != f"{PROFILE}{case.pricing.book.preference}"


def _unless_dearer(case: Case, finding: Finding, right: Priced | None) -> Finding:
    """A finding of a wrong tariff with both prices; held where the CDR costs more by it, and does not claim the right price after all."""
    priced = case.pricing.priced
    if priced is None or right is None:
        return replace(finding, sentence=f"{finding.sentence}; what it should cost cannot be told.")
    scale = Scale.of(case.cdr.currency, priced.policy, 1)
    used, due = _amounts(priced, scale), _amounts(right, scale)
    with_it, without_it = written(used[0], case.cdr.currency), written(due[0], case.cdr.currency)
    completed = replace(
        finding,
        sentence=f"{finding.sentence}: {with_it} with it, {without_it} with the one that should count.",
        details={**finding.details, "priced_excl_vat": used[0], "expected_excl_vat": due[0]},
    )
    return raised_to_hold(completed) if used > due and not _is_claimed(case, right) else completed


def _amounts(priced: Priced, scale: Scale) -> tuple[Decimal, Decimal]:
    price = price_of(priced)
    with_vat = price.excl_vat if price.incl_vat is None else price.incl_vat
    return settled(price.excl_vat, scale), settled(with_vat, scale)


def _is_claimed(case: Case, right: Priced) -> bool:
    comparison = compare(case.cdr, right)
    return comparison is not None and comparison.worst < Closeness.WRONG


# --- what is odd about it --------------------------------------------------------------------


def g02_doubts(case: Case) -> Iterable[Finding]:
    """What the pricer sees of tariffs and periods, told once a kind: REPORT, whatever it costs. A time that an agreement forbids not to
    know is told as that (A10), a currency that is none as another one (A11).
    """
    priced = case.pricing.priced
    groups: defaultdict[str, list[Warning]] = defaultdict(list)
    for warning in priced.uncertainties if priced is not None else ():
        if not _is_told_apart(case, warning):
            groups[warning.kind].append(warning)
    for kind, warnings in groups.items():
        if kind in TOLD_AS_THEY_ARE:
            yield _doubt(case, TOLD_AS_THEY_ARE[kind], warnings)


def _is_told_apart(case: Case, warning: Warning) -> bool:
    if warning.kind == UNVERIFIABLE_TIME.kind:
        return has_forbidden_times(case)
    return warning.kind == TARIFF_INVALID.kind and "currency" in warning.facts


def _doubt(case: Case, check: Check, warnings: list[Warning]) -> Finding:
    sentences = " ".join(dict.fromkeys(warning.detail for warning in warnings))
    periods = [warning.period for warning in warnings if warning.period is not None]
    where = f" (in {len(periods)} of its periods)" if periods else ""
    facts = {} if len(warnings) > 1 else {name: _plain(value) for name, value in warnings[0].facts.items()}
    return found(check, on(case.cdr), f"CDR {case.cdr.id}{where}: {sentences}", periods=periods, **facts)


def _plain(value: object) -> object:
    return to_decimal(value) if isinstance(value, Fraction) else value


def b11_tariffs_are_embedded(case: Case) -> Iterable[Finding]:
    """A CDR that brings tariffs brings those that its periods name; one that brings none is right too."""
    embedded = {key_of(tariff.get("id")) for tariff in objects_in(case.cdr.content.get("tariffs"))}
    named = {key_of(period.get("tariff_id")) for period in periods_of(case.cdr)} - {""}
    absent = sorted(named - embedded)
    if embedded and absent and case.pricing.priced is not None:
        sentence = f"CDR {case.cdr.id} brings tariffs, and not those that its periods name ({', '.join(absent)})."
        yield found(TARIFF_NOT_EMBEDDED, on(case.cdr), sentence, tariff_ids=absent)


CASE_CHECKS: tuple[CaseCheck, ...] = (
    g01_tariff_is_known,
    a11_currency,
    g01_tariff_as_published,
    g02_right_tariff,
    g02_doubts,
    b11_tariffs_are_embedded,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
