"""The benchmark of many charge points: what was lost, or billed twice, ends it without figures; and here nothing is (C-T6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.charge_points import Done
from tests.benchmarks.machine import Cores
from tests.benchmarks.stage import Options
from tests.benchmarks.stations import Told, measured, report_of, require_billed, sessions_in

COUNT, SECONDS = 30, 20.0
CHARGES = [("YARD-0000", 31), ("YARD-0001", 46)]


def cdr(session_id: str, identity: str, kwh: str) -> dict[str, Any]:
    return {"session_id": session_id, "cdr_location": {"evse_uid": identity}, "total_energy": kwh}


ONE, OTHER = cdr("s1", "YARD-0000", "0.031"), cdr("s2", "YARD-0001", "0.046")
DONE = {"s1": "COMPLETED", "s2": "COMPLETED"}


@pytest.mark.stations
def test_many_charge_points_at_once_and_each_charge_is_billed_once() -> None:
    found = measured(Options(Cores(None, None), stations=COUNT), SECONDS)
    require_billed(found.charged, found.told)
    assert len(found.told.cdrs) == len(found.charged.charges) > 0
    assert {identity for identity, _ in found.charged.charges} <= {f"YARD-{number:04}" for number in range(COUNT)}
    assert len(report_of(found, COUNT).details) == 2


def test_a_run_in_which_each_charge_was_billed_once_stands() -> None:
    require_billed(Done(charges=CHARGES), Told(DONE, [OTHER, ONE]))


@pytest.mark.parametrize(
    ("sessions", "cdrs", "why"),
    [
        pytest.param(DONE, [ONE], "lost", id="a CDR is missing"),
        pytest.param(DONE, [ONE, OTHER, ONE], "too much", id="a CDR came twice"),
        pytest.param(DONE, [ONE, cdr("s2", "YARD-0001", "0.045")], "lost", id="a Wh is missing"),
        pytest.param(DONE, [ONE, cdr("s1", "YARD-0001", "0.046")], "two CDRs", id="two CDRs of one Session"),
        pytest.param(DONE | {"s3": "ACTIVE"}, [ONE, OTHER], "3 told", id="a Session without an end"),
    ],
)
def test_a_run_that_lost_something_ends_without_figures(sessions: dict[str, str], cdrs: list[Any], why: str) -> None:
    with pytest.raises(RuntimeError, match=why):
        require_billed(Done(charges=CHARGES), Told(sessions, cdrs))


def test_drivers_who_were_not_let_in_are_no_success() -> None:
    with pytest.raises(RuntimeError, match="1 charges were not allowed"):
        require_billed(Done(charges=CHARGES, refused=1), Told(DONE, [ONE, OTHER]))


def test_the_last_status_of_a_session_counts() -> None:
    told = {"/x/sessions/NL/LOC/s1?to=1": '{"status": "COMPLETED"}', "/x/cdrs": "{}"}
    assert sessions_in(told) == {"s1": "COMPLETED"}
