"""A01, A02, A03, A07, A13, A14: what a CDR is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    ID_TOO_LONG,
    INVALID_CDR,
    NUMBER_PRECISION,
    OWNER_MISMATCH,
    PRICE_MARKED,
    TEXT_TOO_LONG,
)
from hub.settlement.facts import CdrFact, Object, cdr_moment, number_of, objects_in, periods_of
from hub.settlement.findings import Finding, found, lowered_to_report, on
from ocpi_modules.cdrs import CDR, ID_MAX_CHARACTERS
from ocpi_modules.parties import Role
from ocpi_modules.tariffs import Tariff
from ocpi_modules.types import NotJsonText, decode_json, fault_sentence, is_consequence

CREDIT_ID_MAX_CHARACTERS = 39
PRECISION_DECIMALS = 4
PRECISION_UNITS = 10**PRECISION_DECIMALS
TARIFFS_KEPT_MAX = 4096
NUMBER_WHOLE_MAX = Decimal(10) ** 15

_BILLED = frozenset(
    {
        "country_code",
        "party_id",
        "id",
        "start_date_time",
        "end_date_time",
        "cdr_token",
        "auth_method",
        "currency",
        "charging_periods",
        "total_cost",
        "total_energy",
        "total_time",
        "credit",
        "credit_reference_id",
    }
)
"""Who owes whom what for what: without these nothing can be billed."""

_ABSENT = frozenset(
    {
        "missing",
        "model_type",
        "tuple_type",
        "string_type",
        "string_too_short",
        "too_short",
        "number",
        "number_size",
        "bool_type",
    }
)
"""Faults that leave a field without any meaning; others leave it odd but readable."""

_TOLD_BY_OTHERS = frozenset({"id", "credit_reference_id"})
"""Fields whose rules are checks of their own (A07, J01)."""

CURRENCY_CHARACTERS = 3
PRICE_MARKS = {"[?]": "one that means nothing", "[*]": "computed by somebody else than the CPO"}

_COARSE = frozenset(part for part in range(1, PRECISION_UNITS + 1) if PRECISION_UNITS % part == 0)
"""The denominators of numbers that need no more decimals than four."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as OCPI wants it; `is_grave` if nothing can be billed like that."""

    field: str
    sentence: str
    is_length: bool
    is_grave: bool


def a01_a02_right_by_ocpi(case: Case) -> Iterable[Finding]:
    """Held where a field that is billed by is missing or has no meaning; told where it is only written oddly.

    Coordinates with four decimals, moments with an offset or an enumeration in lower case (all of them common) change no amount, and an
    honest CDR is paid in spite of them. A text that is too long is A02, if nothing else is wrong; an address or a state that is as long as
    it may be in a Location is not (X-34).
    """
    cdr = case.cdr
    if cdr.index in case.relations.copies:
        return
    faults = [] if cdr.is_judged or _is_right(case) else faults_in(cdr.content)
    told = sorted((fault for fault in faults if not fault.is_length), key=lambda fault: not fault.is_grave)
    fields = [fault.field for fault in faults]
    if told:
        finding = found(INVALID_CDR, on(cdr), f"CDR {cdr.id}: {told[0].sentence}.", field=told[0].field, fields=fields)
        yield finding if told[0].is_grave else lowered_to_report(finding)
    elif faults:
        yield found(TEXT_TOO_LONG, on(cdr), f"CDR {cdr.id}: {faults[0].sentence}.", fields=fields)
    elif case.pricing.charge is None:
        yield found(INVALID_CDR, on(cdr), f"CDR {cdr.id} cannot be read: {case.pricing.refusal}.", fields=[])


def faults_in(content: Object) -> list[Fault]:
    """What OCPI has against a CDR (CD-08, CD-09, Y-09), in the order of its fields.

    The costly part of A01: nothing but a validation, which what the hub has judged at its door is spared.
    """
    try:
        CDR.model_validate(content)
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        return [_fault(error) for error in errors if not is_consequence(error) and not _is_told_by_others(error)]
    return []


def _is_right(case: Case) -> bool:
    """Whether there are no faults at all: the same validation, but for embedded tariffs, which most CDRs of a CPO bring alike.

    Nothing in the rules of a CDR reads its tariffs, so that the two can be judged apart.
    """
    charge, content = case.pricing.charge, case.cdr.content
    if charge is None or not all(map(is_right_tariff, charge.tariffs)):
        return False
    try:
        CDR.model_validate({**content, "tariffs": []} if charge.tariffs else content)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=TARIFFS_KEPT_MAX)
def is_right_tariff(text: bytes) -> bool:
    """Whether OCPI has nothing against the JSON text of a tariff."""
    try:
        Tariff.model_validate(decode_json(text))
    except (ValidationError, NotJsonText):
        return False
    return True


def _fault(error: Any) -> Fault:
    path = [*error["loc"], error["ctx"]["field"]] if error["type"] == "rule" else error["loc"]
    field = ".".join(map(str, path)) or "the CDR"
    return Fault(field, _sentence(error), error["type"] == "string_too_long", _is_grave(error))


def _sentence(error: Any) -> str:
    """What is wrong; a currency in small letters names one all the same."""
    said = error["input"]
    if error["loc"] == ("currency",) and names_a_currency(said):
        return f"currency is written {said} and is read as {said.upper()}: OCPI wants it in capital letters"
    return fault_sentence(error)


def _is_told_by_others(error: Any) -> bool:
    kind, path = error["type"], error["loc"]
    if kind == "rule":
        return bool(error["ctx"]["field"] in _TOLD_BY_OTHERS)
    if kind == "number_size":  # too many decimals are A14
        number = number_of(error["input"])
        return number is not None and abs(number) < NUMBER_WHOLE_MAX
    return bool(kind == "string_too_long" and path == ("id",))


def _is_grave(error: Any) -> bool:
    path, kind = error["loc"], error["type"]
    is_billed_by = not path or path[0] in _BILLED or path == ("cdr_location",)
    if path == ("currency",):  # an amount in no currency is none
        return not names_a_currency(error["input"])
    if kind == "date_time":
        return is_billed_by and cdr_moment(error["input"]) is None
    return is_billed_by and kind in _ABSENT


def names_a_currency(said: Any) -> bool:
    """Whether something is three letters, large or small: whether of a real currency is another question (A11)."""
    return isinstance(said, str) and len(said) == CURRENCY_CHARACTERS and said.isascii() and said.isalpha()


def a03_owner_is_a_cpo(case: Case) -> Iterable[Finding]:
    """Silent where the parties of the period, or the roles of the owner, are not known."""
    owner, parties = case.cdr.owner, case.evidence.parties
    roles = parties.get(owner)
    if not parties or case.is_told_elsewhere or (roles is not None and (not roles or Role.CPO in roles)):
        return
    reason = "is none of the parties" if roles is None else f"is {', '.join(sorted(roles))} and no CPO"
    yield found(OWNER_MISMATCH, on(case.cdr), f"{owner}, which CDR {case.cdr.id} is of, {reason}.", owner=str(owner))


def a07_length_of_the_id(case: Case) -> Iterable[Finding]:
    """CD-07."""
    cdr = case.cdr
    longest = CREDIT_ID_MAX_CHARACTERS if cdr.is_credit else ID_MAX_CHARACTERS
    if len(cdr.id) > longest and cdr.index not in case.relations.copies:
        sentence = f"The id of CDR {cdr.id} has {len(cdr.id)} characters where {longest} are allowed."
        yield found(ID_TOO_LONG, on(cdr), sentence, characters=len(cdr.id), allowed=longest)


def a13_price_marked(case: Case) -> Iterable[Finding]:
    """As some hubs do it in `remark`: `[?]` for a price that means nothing, `[*]` for one that they computed themselves."""
    remark = case.cdr.content.get("remark")
    if not isinstance(remark, str) or case.is_told_elsewhere:
        return
    said = next((words for mark, words in PRICE_MARKS.items() if mark in remark), None)
    if said is not None:
        yield found(PRICE_MARKED, on(case.cdr), f"CDR {case.cdr.id} marks its price as {said}.", remark=remark)


def a14_decimals(case: Case) -> Iterable[Finding]:
    """All digits count (N1), those of prices too; told once, of the original and not of its credit."""
    if case.is_told_elsewhere:
        return
    fine = [*_fine_numbers(case.cdr), *_fine_tariffs(case)]
    if fine:
        sentence = (
            f"CDR {case.cdr.id} states {fine[0]} with more than {PRECISION_DECIMALS} decimals; all of them count."
        )
        yield found(NUMBER_PRECISION, on(case.cdr), sentence, fields=fine)


def _fine_numbers(cdr: CdrFact) -> Iterator[str]:
    """The numbers of a CDR that have decimals beyond the fourth, by name; there are many numbers, and names are made for these only."""
    for name in [name for name in cdr.content if name.startswith("total_")]:
        value = cdr.content[name]
        if isinstance(value, dict):
            yield from (f"{name}.{amount}" for amount in ("excl_vat", "incl_vat") if _is_fine(value.get(amount)))
        elif _is_fine(value):
            yield name
    for index, period in enumerate(periods_of(cdr)):
        for dimension in objects_in(period.get("dimensions")):
            if _is_fine(dimension.get("volume")):
                yield f"charging_periods.{index}.{dimension.get('type')}"


def _fine_tariffs(case: Case) -> list[str]:
    """The tariffs that a CDR is priced with, where a price has decimals beyond the fourth; other prices were agreed as they are."""
    priced = case.pricing.priced if case.agreement.prices.mode == "as_cdr" else None
    used = dict.fromkeys(
        tariff for tariff in (priced.working.tariffs if priced is not None else ()) if tariff is not None
    )
    return [f"prices of tariff {tariff.id}" for tariff in used if tariff.has_fine_prices]


def _is_fine(value: object) -> bool:
    """Whether a number has decimals beyond the fourth; zeros are none."""
    return isinstance(value, Decimal) and value.is_finite() and value.as_integer_ratio()[1] not in _COARSE


CASE_CHECKS: tuple[CaseCheck, ...] = (
    a01_a02_right_by_ocpi,
    a03_owner_is_a_cpo,
    a07_length_of_the_id,
    a13_price_marked,
    a14_decimals,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
