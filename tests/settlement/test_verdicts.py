"""Precedence between findings, and what becomes of a CDR: one cause, one finding."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

import pytest

from hub.settlement import catalogue
from hub.settlement.catalogue import CATALOGUE
from hub.settlement.findings import Check, Disposition, Family, Finding, Severity, Subject, found, on
from hub.settlement.relations import relate
from hub.settlement.verdicts import dispositions, with_their_originals, without_consequences
from ocpi_modules.parties import Party
from tests.settlement.cases import PERIOD, Arrival, cdr, credit_of, dc_cdr, evidence_of, fact_of

C1, C2 = fact_of(cdr(), 0), fact_of(dc_cdr(), 1)

_KINDS = {check.kind: check for check in CATALOGUE}

PRICE = ("PRICE_MISMATCH", "VAT_MISMATCH", "ROUNDING_DIFFERENCE", "WRONG_TARIFF", "TOTAL_NOT_SUM_OF_PARTS")
SESSION = ("MISSING_SESSION", "SESSION_CDR_ENERGY_MISMATCH", "SESSION_CDR_TIME_MISMATCH", "SESSION_CDR_COST_MISMATCH")
CREDITS = ("CREDIT_FLAG_INCONSISTENT", "CREDIT_WITHOUT_ORIGINAL", "CREDIT_REPEATED", "CREDIT_AMOUNT_MISMATCH")
ENERGY = ("ENERGY_SUM_MISMATCH", "ENERGY_ABOVE_PHYSICAL_LIMIT", "SESSION_CDR_ENERGY_MISMATCH")


def check_of(kind: str) -> Check:
    """The check of a kind."""
    return _KINDS[kind]


def kept(*kinds: str) -> list[str]:
    """What is told of one CDR of which all of these are raised, in any order of them."""
    raised = [found(check_of(kind), on(C1), kind) for kind in kinds]
    answers = {tuple(_kinds(order)) for order in permutations(raised)}
    assert len(answers) == 1
    return sorted(answers.pop())


def _kinds(findings: Iterable[Finding]) -> list[str]:
    return [finding.check.kind for finding in without_consequences(findings)]


# --- precedence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "later"),
    [
        pytest.param(first, later, id=f"{first} before {later}")
        for first, later in (
            ("DUPLICATE_CDR", "CDR_ID_REUSED"),
            *(("DUPLICATE_CDR", kind) for kind in CREDITS),
            ("DUPLICATE_CDR", "SESSION_BILLED_TWICE"),
            ("DUPLICATE_CDR", "OVERLAPPING_SESSIONS"),
            *(("CDR_ID_REUSED", kind) for kind in CREDITS),
            ("CDR_ID_REUSED", "SESSION_BILLED_TWICE"),
            ("CDR_ID_REUSED", "OVERLAPPING_SESSIONS"),
            *((kind, "SESSION_BILLED_TWICE") for kind in CREDITS),
            *((kind, "OVERLAPPING_SESSIONS") for kind in CREDITS),
            ("SESSION_BILLED_TWICE", "OVERLAPPING_SESSIONS"),
        )
    ],
)
def test_each_of_the_five_silences_those_after_it(first: str, later: str) -> None:
    """A05, A06, J01 to J03, D01, D03."""
    assert kept(first, later) == [first]


@pytest.mark.parametrize(
    "first", ["DUPLICATE_CDR", "CDR_ID_REUSED", *CREDITS, "SESSION_BILLED_TWICE", "OVERLAPPING_SESSIONS"]
)
@pytest.mark.parametrize("consequence", [*PRICE, *SESSION])
def test_each_of_the_five_silences_what_is_said_of_price_and_session(first: str, consequence: str) -> None:
    """A05, A06, J01 to J03, D01, D03."""
    assert kept(first, consequence) == [first]


@pytest.mark.parametrize("first", ["CDR_ID_REUSED", "CREDIT_REPEATED", "SESSION_BILLED_TWICE", "OVERLAPPING_SESSIONS"])
@pytest.mark.parametrize("other", ["UNKNOWN_TOKEN", "ENERGY_SUM_MISMATCH", "TIME_SUM_MISMATCH", "UNKNOWN_LOCATION"])
def test_what_is_a_cause_of_its_own_is_told_beside_the_five(first: str, other: str) -> None:
    """F01, B02, B03, K01: token, energy, time and place are neither price nor session."""
    assert kept(first, other) == sorted([first, other])


@pytest.mark.parametrize(
    "other", ["UNKNOWN_TOKEN", "ENERGY_SUM_MISMATCH", "INVALID_CDR", "EMSP_CDR_MISSING", "LATE_CDR"]
)
def test_a_copy_says_nothing_that_the_first_did_not(other: str) -> None:
    """A05."""
    assert kept("DUPLICATE_CDR", other) == ["DUPLICATE_CDR"]


@pytest.mark.parametrize("other", [*ENERGY, *PRICE])
def test_energy_in_the_wrong_unit_silences_other_energy_physics_and_price(other: str) -> None:
    """C04."""
    assert kept("ENERGY_UNIT_ERROR", other) == ["ENERGY_UNIT_ERROR"]


def test_energy_in_the_wrong_unit_does_not_silence_the_rest() -> None:
    """C04."""
    assert kept("ENERGY_UNIT_ERROR", "UNKNOWN_TOKEN") == ["ENERGY_UNIT_ERROR", "UNKNOWN_TOKEN"]


def test_energy_in_the_wrong_unit_is_told_once_however_it_was_seen() -> None:
    """C04, G03: by the statements of the CDR, and by its claim."""
    seen = [found(catalogue.ENERGY_UNIT_ERROR, on(C1), how) for how in ("by its total", "by its claim")]
    assert [finding.sentence for finding in without_consequences(seen)] == ["by its total"]


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(("ENERGY_SUM_MISMATCH", "PRICE_MISMATCH"), id="both numbers are needed to dispute it"),
        pytest.param(("PRICE_MISMATCH", "TOTAL_NOT_SUM_OF_PARTS"), id="both sums are needed to dispute it"),
        pytest.param(("PRICE_MISMATCH", "UNKNOWN_TOKEN"), id="two causes"),
        pytest.param(("SESSION_BILLED_TWICE",), id="a cause alone"),
    ],
)
def test_what_has_causes_of_its_own_is_told_together(kinds: tuple[str, ...]) -> None:
    """B02, B05, G03."""
    assert kept(*kinds) == sorted(kinds)


@pytest.mark.parametrize(
    ("silent", "speaks"),
    [
        pytest.param("COST_WITHOUT_VOLUME", "PRICE_MISMATCH", id="the price is another"),
        pytest.param("FREE_OF_CHARGE", "PRICE_MISMATCH", id="nothing is another price"),
        pytest.param("PRICE_MISMATCH", "NEGATIVE_AMOUNT", id="the sign is wrong"),
    ],
)
def test_of_two_checks_that_see_the_same_thing_one_speaks(silent: str, speaks: str) -> None:
    """B07 to B09."""
    assert kept(silent, speaks) == [speaks]


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        pytest.param(["tariffs.0.elements"], ["TARIFF_INVALID"], id="nothing but its tariff is wrong: told as that"),
        pytest.param(["cdr_location.coordinates"], ["INVALID_CDR", "TARIFF_INVALID"], id="two things are wrong"),
        pytest.param(
            ["cdr_location.coordinates", "tariffs.0.elements"], ["INVALID_CDR", "TARIFF_INVALID"], id="both of them"
        ),
        pytest.param([], ["INVALID_CDR", "TARIFF_INVALID"], id="no field is named"),
    ],
)
def test_a_fault_of_a_tariff_is_never_silenced_by_the_form_of_its_cdr(fields: list[str], kinds: list[str]) -> None:
    """A01, G02, S7."""
    raised = [found(check_of("INVALID_CDR"), on(C1), "", fields=fields), found(check_of("TARIFF_INVALID"), on(C1), "")]
    assert sorted(_kinds(raised)) == kinds


def test_what_is_said_of_one_cdr_does_not_silence_what_is_said_of_another() -> None:
    """Precedence is of the same CDR."""
    raised = [found(check_of("DUPLICATE_CDR"), on(C1), ""), found(check_of("PRICE_MISMATCH"), on(C2), "")]
    assert _kinds(raised) == ["DUPLICATE_CDR", "PRICE_MISMATCH"]


def test_an_overlap_stays_while_it_is_a_cause_for_one_of_the_two() -> None:
    """D01, D03."""
    overlap = found(check_of("OVERLAPPING_SESSIONS"), on(C1, C2), "")
    one = found(check_of("SESSION_BILLED_TWICE"), on(C1), "")
    other = found(check_of("SESSION_BILLED_TWICE"), on(C2), "")
    assert _kinds([overlap, one]) == ["SESSION_BILLED_TWICE", "OVERLAPPING_SESSIONS"]
    assert _kinds([overlap, one, other]) == ["SESSION_BILLED_TWICE", "SESSION_BILLED_TWICE"]


def test_what_is_about_sessions_and_parties_is_always_told() -> None:
    """D05, P07."""
    raised = [
        found(check_of("SESSION_WITHOUT_CDR"), Subject(session_id="S9"), ""),
        found(check_of("SYSTEMATIC_ROUNDING_BIAS"), Subject(party=Party("DE", "ABC")), ""),
        found(check_of("DUPLICATE_CDR"), on(C1), ""),
    ]
    assert len(without_consequences(raised)) == 3


# --- severities and dispositions -------------------------------------------------------------


@pytest.mark.parametrize("check", [pytest.param(check, id=f"{check.id} {check.kind}") for check in CATALOGUE])
def test_severity_follows_disposition(check: Check) -> None:
    """HOLD and DROP are errors; DEFER and what settles against its creditor are warnings; the rest is told as warning or information."""
    if check.disposition in {Disposition.HOLD, Disposition.DROP}:
        assert check.severity is Severity.ERROR
    else:
        assert check.severity is not Severity.ERROR
    assert (check.disposition is Disposition.DROP) == (check.family is Family.DUPLICATE)


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        pytest.param((), Disposition.SETTLE, id="nothing found"),
        pytest.param(("ROUNDING_DIFFERENCE",), Disposition.SETTLE, id="settles as claimed"),
        pytest.param(("PART_MISMATCH",), Disposition.SETTLE, id="a report changes nothing"),
        pytest.param(("LATE_CDR", "PART_MISMATCH"), Disposition.DEFER, id="deferred"),
        pytest.param(("LATE_CDR", "UNKNOWN_TOKEN"), Disposition.HOLD, id="held before deferred"),
        pytest.param(("DUPLICATE_CDR", "UNKNOWN_TOKEN", "LATE_CDR"), Disposition.DROP, id="dropped before all"),
    ],
)
def test_a_cdr_takes_the_strictest_of_its_findings(kinds: tuple[str, ...], verdict: Disposition) -> None:
    """DROP, HOLD, DEFER, SETTLE."""
    raised = [found(check_of(kind), on(C1), "") for kind in kinds]
    for order in permutations(raised):
        assert dispositions([C1], order, PERIOD) == {0: verdict}


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        pytest.param("2026-10-31T23:59:59Z", Disposition.SETTLE, id="a second before the end of the period"),
        pytest.param("2026-11-01T00:00:00Z", Disposition.DEFER, id="when the period ends"),
        pytest.param("2026-11-01T08:00:00Z", Disposition.DEFER, id="after it"),
    ],
)
def test_a_cdr_belongs_to_the_period_in_which_its_charge_ended(end: str, verdict: Disposition) -> None:
    """I02: without a finding."""
    one = fact_of(Arrival(cdr(end_date_time=end), "2026-11-02T00:00:00Z"))
    assert dispositions([one], [], PERIOD) == {0: verdict}


def test_a_cdr_of_the_next_period_is_held_for_what_is_wrong_with_it() -> None:
    """I02."""
    later = fact_of(Arrival(cdr(end_date_time="2026-11-01T00:00:00Z"), "2026-11-01T00:05:00Z"))
    assert dispositions([later], [found(check_of("UNKNOWN_TOKEN"), on(later), "")], PERIOD) == {0: Disposition.HOLD}


@pytest.mark.parametrize(
    ("original", "credit", "together"),
    [
        pytest.param("SETTLE", "SETTLE", "SETTLE", id="both settle"),
        pytest.param("HOLD", "SETTLE", "HOLD", id="held with its original"),
        pytest.param("DEFER", "SETTLE", "DEFER", id="deferred with its original"),
        pytest.param("DEFER", "HOLD", "HOLD", id="held itself"),
        pytest.param("SETTLE", "HOLD", "HOLD", id="held itself, and its original still stands"),
        pytest.param("SETTLE", "DEFER", "DEFER", id="deferred itself"),
        pytest.param("DROP", "SETTLE", "SETTLE", id="of what an earlier period settled"),
    ],
)
def test_a_credit_waits_as_long_as_its_original(original: str, credit: str, together: str) -> None:
    """J02, J03, J05: a claim and its credit come to nothing, whatever else becomes of them."""
    relations = relate(evidence_of(cdr(), credit_of(cdr())))
    verdicts = with_their_originals({0: Disposition(original), 1: Disposition(credit)}, relations)
    assert verdicts == {0: original, 1: together}


def test_the_order_of_findings_is_that_of_cdrs_then_checks() -> None:
    """Deterministic, whatever the order in which checks ran."""
    late = found(check_of("LATE_CDR"), on(C2), "")
    token = found(check_of("UNKNOWN_TOKEN"), on(C1), "")
    price = found(check_of("PRICE_MISMATCH"), on(C1), "")
    party = found(check_of("SYSTEMATIC_ROUNDING_BIAS"), Subject(party=Party("DE", "ABC")), "")
    for order in permutations([late, token, price, party]):
        assert without_consequences(order) == [party, token, price, late]
