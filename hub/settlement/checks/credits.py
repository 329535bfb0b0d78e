"""J: credits are whole, of something, and once (rules C1 and C2)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    CORRECTED_CDR,
    CREDIT_AMOUNT_MISMATCH,
    CREDIT_DATA_MISMATCH,
    CREDIT_FLAG_INCONSISTENT,
    CREDIT_REPEATED,
    CREDIT_WITHOUT_ORIGINAL,
)
from hub.settlement.facts import CdrFact, Cost, number_of
from hub.settlement.findings import Finding, found, on
from hub.settlement.relations import credits_exactly


def j01_flag_and_reference(case: Case) -> Iterable[Finding]:
    """CD-06."""
    cdr = case.cdr
    if cdr.is_credit == (cdr.credit_of is not None):
        return
    lacking = "does not say which CDR it credits" if cdr.is_credit else "names a CDR that it credits, and is no credit"
    yield found(CREDIT_FLAG_INCONSISTENT, on(cdr), f"CDR {cdr.id} {lacking}.", credit=cdr.is_credit)


def j02_original_there_and_credited_once(case: Case) -> Iterable[Finding]:
    """The original is a CDR of the same owner to the same eMSP and no credit itself; the first right credit for it counts.

    One that came before that is wrong by itself (J03), and repeats nothing.
    """
    cdr = case.cdr
    if not _names_an_original(case):
        return
    original = case.relations.original_of(cdr)
    if original is None or original.is_credit:
        reason = f"which {cdr.to} does not have" if original is None else "which is a credit itself"
        sentence = f"CDR {cdr.id} credits {_reference(cdr)}, {reason}."
        yield found(CREDIT_WITHOUT_ORIGINAL, on(cdr), sentence, credit_reference_id=_reference(cdr))
        return
    first = case.relations.credited_by.get(original.index, cdr)
    if first.order < cdr.order:
        sentence = f"CDR {original.id} is credited by {first.id} already; {cdr.id} credits it again."
        yield found(CREDIT_REPEATED, on(cdr), sentence, first_cdr_id=first.id)


def j03_amount_of_the_original(case: Case) -> Iterable[Finding]:
    """Without and with VAT, and in the same currency: anything else would leave something owed. There are no partial credits."""
    cdr = case.cdr
    original = _credited(case)
    if original is None or cdr.total is None or original.total is None or credits_exactly(cdr, original):
        return
    sentence = (
        f"CDR {cdr.id} credits {_money(cdr.total, cdr.currency)} where CDR {original.id} "
        f"claims {_money(original.total, original.currency)}."
    )
    yield found(
        CREDIT_AMOUNT_MISMATCH,
        on(cdr),
        sentence,
        excl_vat=cdr.total.excl_vat,
        incl_vat=cdr.total.incl_vat,
        original_excl_vat=original.total.excl_vat,
        original_incl_vat=original.total.incl_vat,
    )


def j03_data_of_the_original(case: Case) -> Iterable[Finding]:
    """Told and not held: the amounts bring the two to zero. Energy and time may be negated too, as some do it."""
    original = _credited(case)
    if original is None or not credits_exactly(case.cdr, original):
        return
    changed = [name for name, one, other in _repeated(case.cdr, original) if one != other]
    if changed:
        sentence = f"Credit {case.cdr.id} says something else than CDR {original.id} about {', '.join(changed)}."
        yield found(CREDIT_DATA_MISMATCH, on(case.cdr), sentence, changed=changed)


def j04_correction(case: Case) -> Iterable[Finding]:
    """A CDR that replaces a credited one of its session."""
    cdr = case.cdr
    if cdr.session_key is None or not case.is_open:
        return
    credited_by = case.relations.credited_by
    others = case.relations.by_session.get((cdr.owner, cdr.session_key), ())
    replaced = [one for one in others if one.index in credited_by and one.order < cdr.order]
    if replaced:
        original = replaced[-1]
        credit = credited_by[original.index]
        sentence = f"CDR {cdr.id} replaces CDR {original.id}, which {credit.id} credits."
        yield found(CORRECTED_CDR, on(cdr), sentence, original_cdr_id=original.id, credit_cdr_id=credit.id)


def _names_an_original(case: Case) -> bool:
    return case.cdr.is_credit and case.cdr.credit_of is not None and case.relations.is_counted(case.cdr)


def _credited(case: Case) -> CdrFact | None:
    """The original of a credit that could be the one that counts."""
    if not _names_an_original(case):
        return None
    original = case.relations.original_of(case.cdr)
    if original is None or original.is_credit:
        return None
    return original if case.cdr.order <= case.relations.credited_by.get(original.index, case.cdr).order else None


def _repeated(credit: CdrFact, original: CdrFact) -> Iterable[tuple[str, object, object]]:
    """What a credit says again, beside what the original says."""
    yield "its start", credit.start, original.start
    yield "its end", credit.end, original.end
    yield "its session", credit.session_key, original.session_key
    yield "its token", (credit.token_party, credit.token), (original.token_party, original.token)
    yield "its connector", credit.plug, original.plug
    for name in ("total_energy", "total_time"):
        yield name, _size(credit.content.get(name)), _size(original.content.get(name))


def _size(value: object) -> Decimal | None:
    number = number_of(value)
    return None if number is None else number.copy_abs()


def _reference(cdr: CdrFact) -> str:
    return str(cdr.content.get("credit_reference_id"))


def _money(cost: Cost, currency: str) -> str:
    with_vat = "" if cost.incl_vat is None else f" ({cost.incl_vat} with VAT)"
    return f"{cost.excl_vat} {currency}{with_vat}"


CASE_CHECKS: tuple[CaseCheck, ...] = (
    j01_flag_and_reference,
    j02_original_there_and_credited_once,
    j03_amount_of_the_original,
    j03_data_of_the_original,
    j04_correction,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
