"""A08 to A10, I01, I02, K04, M01: when it was, when it came, and what was agreed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements, Override
from hub.settlement.checks.arrival import (
    a08_end_after_start,
    a08_written_after_the_end,
    a09_end_in_the_past,
    a10_unknown_times,
    i01_in_time,
    i02_in_its_period,
)
from hub.settlement.checks.tariffs import g02_doubts
from hub.settlement.checks.terms import k04_home_charging, m01_covered_by_an_agreement
from hub.settlement.findings import Disposition
from ocpi_modules.types import format_datetime
from tests.settlement.cases import (
    CPO,
    EMSP,
    OTHER_EMSP,
    Arrival,
    case_in,
    case_of,
    cdr,
    credit_of,
    evidence_of,
    findings_of,
    said_by,
    verdicts_of,
)

HOLD, REPORT = Disposition.HOLD, Disposition.REPORT
UNKNOWN = "1970-1-1T00:00:00Z"


def ended(end: str, received_at: str) -> Arrival:
    """The charge of `cdr` at another time."""
    moved = datetime.fromisoformat(end)
    start, parked = (format_datetime(moved - timedelta(hours=hours)) for hours in (2, 0.5))
    content = cdr(
        start_date_time=start,
        end_date_time=end,
        charging_periods__0__start_date_time=start,
        charging_periods__1__start_date_time=parked,
        last_updated=end,
    )
    return Arrival(content, received_at)


# --- A08 to A10 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, [], id="two hours"),
        pytest.param({"end_date_time": "2026-10-10T08:00:00Z"}, [], id="no time at all"),
        pytest.param({"end_date_time": "2026-10-10T07:59:59Z"}, [("NEGATIVE_DURATION", HOLD)], id="a second less"),
        pytest.param({"end_date_time": UNKNOWN}, [], id="an end that nobody knows"),
        pytest.param({"start_date_time": UNKNOWN}, [], id="a start that nobody knows"),
        pytest.param({"end_date_time": "soon"}, [], id="an end that says nothing"),
    ],
)
def test_a_charge_ends_after_it_starts(changes: dict[str, Any], said: list[Any]) -> None:
    """A08, X1."""
    assert said_by(a08_end_after_start, case_of("2026-10-10T10:05:00Z", **changes)) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param("2026-10-10T09:55:00Z", [], id="five minutes before the end"),
        pytest.param("2026-10-10T09:54:59Z", [("DATED_BEFORE_END", REPORT)], id="more than that"),
        pytest.param("never", [], id="nothing that can be read"),
    ],
)
def test_a_cdr_is_written_when_its_charge_is_over(written: str, said: list[Any]) -> None:
    """A08."""
    assert said_by(a08_written_after_the_end, case_of(last_updated=written)) == said


@pytest.mark.parametrize(
    ("received_at", "said"),
    [
        pytest.param("2026-10-10T09:55:00Z", [], id="five minutes before the end"),
        pytest.param("2026-10-10T09:54:59Z", [("END_IN_FUTURE", HOLD)], id="more than clocks differ"),
        pytest.param("2026-10-09T19:54:59Z", [("END_IN_FUTURE", HOLD)], id="the day before"),
    ],
)
def test_a_charge_is_over_when_its_cdr_comes(received_at: str, said: list[Any]) -> None:
    """A09."""
    assert said_by(a09_end_in_the_past, case_of(received_at)) == said


@pytest.mark.parametrize(
    ("allows", "said"),
    [
        pytest.param(None, [], id="nothing agreed: told with the price"),
        pytest.param(True, [], id="allowed"),
        pytest.param(False, [("UNKNOWN_TIMES", HOLD)], id="forbidden"),
    ],
)
def test_unknown_times_are_held_where_the_agreement_forbids_them(allows: bool | None, said: list[Any]) -> None:
    """A10, X1."""
    agreements = Agreements((Agreement(id="A", creditor=CPO, debtor=EMSP, allows_unknown_times=allows),))
    unknown = Arrival(cdr(start_date_time=UNKNOWN, end_date_time=UNKNOWN), "2026-10-10T10:05:00Z")
    case = case_in(evidence_of(unknown), agreements=agreements)
    assert said_by(a10_unknown_times, case) == said
    # told once: with the price only where nothing forbids it
    assert ("UNVERIFIABLE_TIME" in [kind for kind, _ in said_by(g02_doubts, case)]) is (said == [])


# --- I01 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received_at", "deadline_days", "said"),
    [
        pytest.param("2026-10-13T10:00:00Z", None, [], id="three days"),
        pytest.param("2026-10-13T10:00:01Z", None, [("LATE_DELIVERY", REPORT)], id="more than three days"),
        pytest.param("2026-10-20T10:00:00Z", 10, [], id="on the day that was agreed"),
        pytest.param("2026-10-20T10:00:01Z", 10, [("LATE_DELIVERY", HOLD)], id="after the day that was agreed"),
        pytest.param("2026-10-11T11:00:00Z", 1, [("LATE_DELIVERY", HOLD)], id="a day was agreed"),
        pytest.param("2026-11-06T00:00:00Z", None, [], id="after the close: that is I02"),
    ],
)
def test_a_cdr_comes_within_three_days_or_as_agreed(
    received_at: str, deadline_days: int | None, said: list[Any]
) -> None:
    """I01."""
    agreements = Agreements((Agreement(id="A", creditor=CPO, debtor=EMSP, cdr_deadline_days=deadline_days),))
    case = case_in(evidence_of(Arrival(cdr(), received_at)), agreements=agreements)
    assert said_by(i01_in_time, case) == said


def test_what_corrects_an_earlier_cdr_may_take_its_time() -> None:
    """I01, J04."""
    late = "2026-10-30T00:00:00Z"
    evidence = evidence_of(cdr(), Arrival(credit_of(cdr()), late), Arrival(cdr(id="C1-R"), late))
    assert findings_of(evidence) == [("CORRECTED_CDR", "C1-R")]


# --- I02 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "received_at", "kinds", "verdict"),
    [
        pytest.param("2026-10-31T23:59:59Z", "2026-11-05T17:59:59Z", [], "SETTLE", id="just before the close"),
        pytest.param("2026-10-31T23:59:59Z", "2026-11-05T18:00:00Z", ["LATE_CDR"], "DEFER", id="at the close"),
        pytest.param("2026-11-01T00:00:00Z", "2026-11-01T00:05:00Z", [], "DEFER", id="of the next period"),
        pytest.param("2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z", [], "DEFER", id="of the next, after the close"),
        pytest.param("2026-10-01T00:00:00Z", "2026-10-01T00:05:00Z", [], "SETTLE", id="the first of the period"),
        pytest.param(
            "2026-09-30T23:59:59Z", "2026-10-05T18:00:00Z", ["LATE_CDR"], "SETTLE", id="late of the one before"
        ),
        pytest.param(
            "2026-09-30T23:59:59Z", "2026-10-05T17:59:59Z", ["EARLIER_PERIOD"], "DROP", id="of the one before"
        ),
    ],
)
def test_a_cdr_counts_in_the_period_of_its_end_or_in_the_open_one(
    end: str, received_at: str, kinds: list[str], verdict: str
) -> None:
    """I02."""
    evidence = evidence_of(ended(end, received_at))
    assert [finding.check.kind for finding in i02_in_its_period(case_in(evidence))] == kinds
    assert verdicts_of(evidence) == [verdict]


def test_what_is_late_is_a_warning_before_it_counts_and_information_when_it_does() -> None:
    """I02."""
    missed = case_in(evidence_of(ended("2026-10-31T23:59:59Z", "2026-11-06T00:00:00Z")))
    counted = case_in(evidence_of(ended("2026-09-30T23:59:59Z", "2026-10-06T00:00:00Z")))
    severities = [finding.severity for case in (missed, counted) for finding in i02_in_its_period(case)]
    assert severities == ["WARNING", "INFO"]


@pytest.mark.parametrize(
    ("received_at", "verdict"),
    [
        pytest.param("2026-10-20T00:00:00Z", "SETTLE", id="in the period"),
        pytest.param("2026-11-05T18:00:00Z", "DEFER", id="after the close"),
    ],
)
def test_a_charge_whose_end_nobody_knows_counts_where_it_comes(received_at: str, verdict: str) -> None:
    """I02, X1."""
    unknown = Arrival(cdr(start_date_time=UNKNOWN, end_date_time=UNKNOWN), received_at)
    assert verdicts_of(evidence_of(unknown, sessions=[])) == [verdict]


def test_a_late_copy_is_a_copy() -> None:
    """I02, A05."""
    evidence = evidence_of(cdr(), Arrival(cdr(), "2026-11-06T00:00:00Z"))
    assert findings_of(evidence) == [("DUPLICATE_CDR", "C1")]


# --- K04, M01 ------------------------------------------------------------------------------------


def test_compensation_for_charging_at_home_is_kept_apart_until_an_agreement_lets_it_settle() -> None:
    """K04, X4."""
    evidence = evidence_of(cdr(home_charging_compensation=True))
    let = Agreement(id="A", creditor=CPO, debtor=EMSP, checks={"K04": Override(disposition=Disposition.SETTLE)})
    assert findings_of(evidence) == [("HOME_CHARGING", "C1")]
    assert verdicts_of(evidence) == ["HOLD"]
    assert verdicts_of(evidence, Agreements((let,))) == ["SETTLE"]
    assert said_by(k04_home_charging, case_of(home_charging_compensation=False)) == []


@pytest.mark.parametrize(
    ("agreements", "said"),
    [
        pytest.param((), [], id="no agreements: the default one"),
        pytest.param((Agreement(id="A", creditor=CPO, debtor=EMSP),), [], id="covered"),
        pytest.param((Agreement(id="A", creditor=CPO, debtor=OTHER_EMSP),), [], id="an agreement with somebody else"),
        pytest.param(
            (Agreement(id="A", creditor=CPO, debtor=EMSP, valid_from=datetime(2026, 10, 11, tzinfo=UTC)),),
            [("NO_AGREEMENT", HOLD)],
            id="from the next day",
        ),
        pytest.param(
            (Agreement(id="A", creditor=CPO, debtor=EMSP, valid_from=datetime(2026, 10, 10, 8, tzinfo=UTC)),),
            [],
            id="from the moment on at which the charge began",
        ),
        pytest.param(
            (
                Agreement(id="A", creditor=CPO, debtor=EMSP, valid_from=datetime(2026, 10, 11, tzinfo=UTC)),
                Agreement(id="B", creditor=CPO, debtor=EMSP, valid_to=datetime(2026, 10, 11, tzinfo=UTC)),
            ),
            [],
            id="from the next day, and plain terms until then",
        ),
        pytest.param(
            (Agreement(id="A", creditor=CPO, debtor=EMSP, countries=frozenset({"NLD"})),),
            [("NO_AGREEMENT", HOLD)],
            id="for another country",
        ),
        pytest.param(
            (
                Agreement(id="A", creditor=CPO, debtor=EMSP, token_types=frozenset({"APP_USER"})),
                Agreement(id="B", creditor=CPO, debtor=EMSP, token_types=frozenset({"RFID"})),
            ),
            [],
            id="one of two covers it",
        ),
    ],
)
def test_parties_with_agreements_settle_only_what_one_of_them_covers(
    agreements: tuple[Agreement, ...], said: list[Any]
) -> None:
    """M01."""
    case = case_in(evidence_of(cdr()), agreements=Agreements(agreements))
    assert said_by(m01_covered_by_an_agreement, case) == said
