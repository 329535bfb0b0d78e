"""A01, A02, A03, A07, A13, A14: what a CDR is made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.checks.form import (
    a01_a02_right_by_ocpi,
    a03_owner_is_a_cpo,
    a07_length_of_the_id,
    a13_price_marked,
    a14_decimals,
    faults_in,
)
from hub.settlement.findings import Disposition
from ocpi_modules.parties import Party, Role
from tests.settlement.cases import (
    ABSENT,
    CPO,
    PARTIES,
    case_in,
    case_of,
    cdr,
    credit_of,
    evidence_of,
    findings_of,
    said_by,
    verdicts_of,
    volumes,
)

HOLD, REPORT = Disposition.HOLD, Disposition.REPORT


@pytest.mark.parametrize(
    "field",
    [
        "party_id",
        "start_date_time",
        "end_date_time",
        "cdr_token",
        "auth_method",
        "cdr_location",
        "currency",
        "charging_periods",
        "total_cost",
        "total_energy",
        "total_time",
    ],
)
def test_a_cdr_without_a_field_that_is_billed_by_is_held(field: str) -> None:
    """A01, CD-08."""
    case = case_of(**{field: ABSENT})
    assert said_by(a01_a02_right_by_ocpi, case) == [("INVALID_CDR", HOLD)]
    assert next(iter(a01_a02_right_by_ocpi(case))).details["field"] == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"total_energy": "20"}, "total_energy", id="a number as text"),
        pytest.param({"total_energy": 10**15}, "total_energy", id="more digits than any quantity has"),
        pytest.param({"total_cost__excl_vat": None}, "total_cost.excl_vat", id="no amount"),
        pytest.param({"start_date_time": "10.10.2026 08:00"}, "start_date_time", id="no moment"),
        pytest.param({"charging_periods": []}, "charging_periods", id="no periods"),
        pytest.param({"charging_periods": 7}, "charging_periods", id="periods that are no list"),
        pytest.param({"charging_periods__0__dimensions": []}, "charging_periods.0.dimensions", id="no dimensions"),
        pytest.param({"cdr_token": []}, "cdr_token", id="a token that is no object"),
        pytest.param({"cdr_token__uid": ""}, "cdr_token.uid", id="an empty uid"),
        pytest.param({"credit": "true"}, "credit", id="a flag that is no flag"),
        pytest.param({"id": 4711}, "id", id="an id that is a number"),
    ],
)
def test_a_field_that_is_billed_by_and_has_no_meaning_is_named_and_held(changes: dict[str, Any], field: str) -> None:
    """A01, Y-07."""
    case = case_of(**changes)
    (finding,) = a01_a02_right_by_ocpi(case)
    assert (finding.check.kind, finding.disposition) == ("INVALID_CDR", HOLD)
    assert finding.details["field"] == field
    assert field in finding.sentence


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cdr_location__coordinates__latitude": "52.53"}, id="coordinates with two decimals"),
        pytest.param({"end_date_time": "2026-10-10T10:00:00+00:00"}, id="a moment with an offset"),
        pytest.param({"auth_method": "whitelist"}, id="an enumeration in lower case"),
        pytest.param({"last_updated": ABSENT}, id="no last_updated"),
        pytest.param({"cdr_location__city": ABSENT}, id="no city"),
        pytest.param({"tariffs__0__last_updated": ABSENT}, id="a tariff without last_updated"),
        pytest.param({"remark": "two\nlines"}, id="a line break"),
        pytest.param(
            {"charging_periods__1__dimensions": volumes(PARKING_TIME=0.5, STATE_OF_CHARGE=80)},
            id="a dimension of sessions (CD-09)",
        ),
    ],
)
def test_what_is_only_written_oddly_is_told_and_settles(changes: dict[str, Any]) -> None:
    """A01: an honest CDR is paid in spite of its form."""
    evidence = evidence_of(cdr(**changes))
    assert said_by(a01_a02_right_by_ocpi, case_in(evidence)) == [("INVALID_CDR", REPORT)]
    assert verdicts_of(evidence) == ["SETTLE"]


def test_a_currency_in_small_letters_is_told_as_what_it_is_read_as() -> None:
    """A01, A11: it is a currency, and in no other one than its tariff."""
    evidence = evidence_of(cdr(currency="eur"))
    (finding,) = a01_a02_right_by_ocpi(case_in(evidence))
    assert finding.sentence.endswith("currency is written eur and is read as EUR: OCPI wants it in capital letters.")
    assert [kind for kind, _ in findings_of(evidence)] == ["INVALID_CDR"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"cdr_location__address": "x" * 255}, [], id="as long as may be"),
        pytest.param({"cdr_location__address": "x" * 256}, [("TEXT_TOO_LONG", REPORT)], id="one character more"),
        pytest.param({"cdr_location__postal_code": "x" * 11}, [("TEXT_TOO_LONG", REPORT)], id="postal code"),
        pytest.param(
            {"cdr_location__postal_code": "x" * 11, "auth_method": "whitelist"},
            [("INVALID_CDR", REPORT)],
            id="not the only fault",
        ),
        pytest.param(
            {"cdr_location__postal_code": "x" * 11, "currency": ABSENT},
            [("INVALID_CDR", HOLD)],
            id="not the worst fault",
        ),
    ],
)
def test_a_text_that_is_too_long_is_told_where_nothing_else_is_wrong(
    changes: dict[str, Any], said: list[tuple[str, Disposition]]
) -> None:
    """A02, Y-09."""
    assert said_by(a01_a02_right_by_ocpi, case_of(**changes)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"total_time": 0.98333333333333339}, [], id="decimals are A14"),
        pytest.param({"credit": True}, [], id="a credit without reference is J01"),
        pytest.param({"id": "x" * 40}, [], id="a long id is A07"),
    ],
)
def test_what_other_checks_tell_is_not_told_twice(changes: dict[str, Any], said: list[Any]) -> None:
    """A01."""
    assert faults_in(cdr(**changes)) == said


def test_the_form_of_a_copy_is_told_once() -> None:
    """A01, A05."""
    odd = cdr(auth_method="whitelist")
    assert said_by(a01_a02_right_by_ocpi, case_in(evidence_of(odd, odd), 1)) == []


@pytest.mark.parametrize(
    ("parties", "said"),
    [
        pytest.param(PARTIES, [], id="a CPO of the period"),
        pytest.param({}, [], id="nobody says who the parties are"),
        pytest.param({CPO: frozenset()}, [], id="nobody says what it is"),
        pytest.param({CPO: frozenset({Role.EMSP, Role.CPO})}, [], id="CPO and eMSP in one"),
        pytest.param({CPO: frozenset({Role.EMSP})}, [("OWNER_MISMATCH", HOLD)], id="no CPO"),
        pytest.param({Party("NL", "MSP"): frozenset({Role.EMSP})}, [("OWNER_MISMATCH", HOLD)], id="a stranger"),
    ],
)
def test_the_owner_of_a_cdr_is_a_cpo_of_the_period(parties: Any, said: list[Any]) -> None:
    """A03."""
    assert said_by(a03_owner_is_a_cpo, case_in(evidence_of(cdr(), parties=parties))) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(cdr(id="x" * 36), [], id="36 characters"),
        pytest.param(cdr(id="x" * 37), [("ID_TOO_LONG", REPORT)], id="37 characters"),
        pytest.param(credit_of(cdr(), id="x" * 39), [], id="39 characters of a credit"),
        pytest.param(credit_of(cdr(), id="x" * 40), [("ID_TOO_LONG", REPORT)], id="40 characters of a credit"),
    ],
)
def test_an_id_has_36_characters_and_that_of_a_credit_39(content: dict[str, Any], said: list[Any]) -> None:
    """A07, CD-07."""
    case = case_in(evidence_of(content))
    assert said_by(a07_length_of_the_id, case) == said
    assert said_by(a01_a02_right_by_ocpi, case) == []


@pytest.mark.parametrize(
    ("remark", "raised"),
    [
        pytest.param(None, False, id="none"),
        pytest.param("Thank you [*]", True, id="a price that somebody computed"),
        pytest.param("[?]", True, id="a price that means nothing"),
        pytest.param("[1] what? *", False, id="signs that are no marks"),
        pytest.param(7, False, id="no text"),
    ],
)
def test_a_price_that_its_remark_marks_is_told_and_settles(remark: Any, raised: bool) -> None:
    """A13."""
    findings = list(a13_price_marked(case_of(remark=remark)))
    assert [(one.check.kind, one.severity, one.disposition) for one in findings] == [
        ("PRICE_MARKED", "INFO", REPORT)
    ] * raised


def test_a_mark_is_told_once_and_not_of_the_credit_again() -> None:
    """A13."""
    original = cdr(remark="[*]")
    assert findings_of(evidence_of(original, credit_of(original))) == [("PRICE_MARKED", "C1")]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        pytest.param({"total_time": 2.0001}, [], id="four decimals"),
        pytest.param({"total_time": 2.00001}, ["total_time"], id="five decimals"),
        pytest.param({"total_cost__incl_vat": 10.710004}, ["total_cost.incl_vat"], id="an amount"),
        pytest.param(
            {"charging_periods__0__dimensions": volumes(ENERGY=20.00001, TIME=1.5)},
            ["charging_periods.0.ENERGY"],
            id="a volume",
        ),
    ],
)
def test_numbers_with_more_than_four_decimals_are_told(changes: dict[str, Any], fields: list[str]) -> None:
    """A14, N1."""
    findings = list(a14_decimals(case_of(**changes)))
    assert [finding.details["fields"] for finding in findings] == [fields] * bool(fields)
    assert {finding.severity for finding in findings} <= {"INFO"}


def test_zeros_at_the_end_are_no_decimals() -> None:
    """A14."""
    assert said_by(a14_decimals, case_of(total_time=Decimal("2.000000"))) == []


def test_the_decimals_of_a_credit_are_those_of_its_original() -> None:
    """A14."""
    original = cdr(total_time=2.00001)
    assert findings_of(evidence_of(original, credit_of(original))) == [("NUMBER_PRECISION", "C1")]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="nothing is wrong"),
        pytest.param({"tariffs": ABSENT}, id="no tariffs"),
        pytest.param({"tariffs": []}, id="an empty list of tariffs"),
        pytest.param({"tariffs": None}, id="null for tariffs"),
        pytest.param({"tariffs__0__last_updated": ABSENT}, id="the tariff alone"),
        pytest.param({"tariffs__0__currency": "euro"}, id="a field of the tariff"),
        pytest.param({"remark": 7}, id="the CDR alone"),
        pytest.param({"remark": 7, "tariffs__0__last_updated": ABSENT}, id="both"),
        pytest.param({"tariffs": [{"id": "T"}]}, id="hardly a tariff"),
    ],
)
def test_tariffs_are_judged_apart_and_the_faults_are_those_of_the_whole(changes: dict[str, Any]) -> None:
    """A01: in the order of the fields, with their places."""
    case = case_of(**changes)
    whole = [fault.field for fault in faults_in(case.cdr.content)]
    assert [field for finding in a01_a02_right_by_ocpi(case) for field in finding.details["fields"]] == whole
